"""What an API server serves, by its own discovery: resources and subresources with their verbs.

``python -m harness.access.discovery KUBECONFIG > harness/access/served.json`` renews what the package carries of it.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from harness.access.resources import Resource
from harness.errors import ProbeError
from harness.kube.client import Api
from harness.kube.discovery import discover
from harness.kube.wait import wait_until

STARTED_SECONDS: Final = 90.0
"""How long to wait for the server of an aggregated API, which is a pod: on a young cluster it may be starting still."""


def discovered(api: Api) -> tuple[Resource, ...]:
    """Everything that a cluster serves, sorted. Of a group's versions the preferred one that has a resource counts.

    Rights are by group and not by version, so a resource that only another version has belongs to them. Raises
    WaitTimeout where an aggregated API does not answer in time, since its resources would be missing; and ApiError.
    """
    return wait_until(
        "every API that the cluster aggregates to answer",
        lambda: _all(api),
        seconds=STARTED_SECONDS,
        tolerate=(ProbeError,),
    )


def _all(api: Api) -> tuple[Resource, ...]:
    served = discover(api)
    for name, why in served.silent.items():
        raise ProbeError(
            f"the aggregated API {name} does not answer ({why}): what may be done with it is unknown. Fix its server, "
            "or delete its APIService"
        )
    found: dict[tuple[str, str, str], Resource] = {}
    for one in served.resources:
        if one.verbs:  # not only there to have subresources
            resource = Resource(one.name, one.group, one.subresource, one.verbs, one.namespaced, one.version)
            found.setdefault((one.group, one.name, one.subresource), resource)
    return tuple(found[key] for key in sorted(found))


def shipped(resources: Iterable[Resource]) -> str:
    """The text of ``served.json``: one resource a line, and what is not said is as in any Resource."""
    lines = [
        json.dumps(
            {
                "name": one.name,
                **({"group": one.group} if one.group else {}),
                **({"subresource": one.subresource} if one.subresource else {}),
                "verbs": one.verbs,
                **({} if one.namespaced else {"namespaced": False}),
                **({} if one.version == "v1" else {"version": one.version}),
            }
        )
        for one in resources
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    with Api(Path(sys.argv[1])) as asked:
        sys.stdout.write(shipped(discovered(asked)))
