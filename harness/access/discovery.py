"""What an API server serves, by its own discovery: resources and subresources with their verbs.

``python -m harness.access.discovery KUBECONFIG > harness/access/served.json`` renews what the package carries of it.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.access.resources import Resource
from harness.errors import ProbeError
from harness.kube.client import Api, ApiError
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

KIND: Final = "APIGroupDiscoveryList"
ACCEPT: Final = f"application/json;g=apidiscovery.k8s.io;v=v2;as={KIND},application/json"
"""Aggregated discovery (KEP-3352, Kubernetes 1.30): everything in two answers; an older server gives its plain ones."""


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
    found: dict[tuple[str, str, str], Resource] = {}
    for one in _served(api):
        if one.verbs:  # not only there to have subresources
            found.setdefault((one.group, one.name, one.subresource), one)
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


def _served(api: Api) -> Iterator[Resource]:
    for root in ("/api", "/apis"):
        answer = api.get(root, accept=ACCEPT)
        yield from aggregated(answer) if answer["kind"] == KIND else _plain(api, root, answer)


def aggregated(answer: JsonObject) -> Iterator[Resource]:
    """The resources of one answer of aggregated discovery, preferred versions first. Raises ProbeError for a stale one.

    Source: k8s.io/api/apidiscovery/v2.
    """
    for group in answer["items"]:
        name = group["metadata"].get("name", "")
        for served in group["versions"]:
            version = served["version"]
            if served.get("freshness") == "Stale":
                raise _silent(f"{name}/{version}", "discovery calls it stale")
            for one in served.get("resources", ()):
                whole = Resource(
                    one["resource"], name, verbs=_verbs(one), namespaced=one["scope"] == "Namespaced", version=version
                )
                yield whole
                for part in one.get("subresources", ()):
                    yield replace(whole, subresource=part["subresource"], verbs=_verbs(part))


def _plain(api: Api, root: str, answer: JsonObject) -> Iterator[Resource]:
    """The same from a server that only has plain discovery, one answer for each version of each group."""
    for group, version in _versions(answer):
        path = f"{root}/{group}/{version}" if group else f"{root}/{version}"
        try:
            served = api.get(path)
        except ApiError as error:
            raise _silent(f"{group}/{version}", error.output) from error
        for one in served["resources"]:
            name, _, subresource = one["name"].partition("/")
            yield Resource(name, group, subresource, _verbs(one), one["namespaced"], version)


def _versions(answer: JsonObject) -> Iterator[tuple[str, str]]:
    """Groups with their versions of an ``APIVersions`` or an ``APIGroupList``, the preferred version first."""
    for version in answer.get("versions", ()):
        yield "", version
    for group in answer.get("groups", ()):
        first = group["preferredVersion"]["version"]
        yield group["name"], first
        yield from ((group["name"], one["version"]) for one in group["versions"] if one["version"] != first)


def _verbs(body: JsonObject) -> tuple[str, ...]:
    return tuple(sorted(body.get("verbs", ())))


def _silent(api: str, why: str) -> ProbeError:
    return ProbeError(
        f"the aggregated API {api} does not answer ({why}): what may be done with it is unknown. Mend its server, or "
        "delete its APIService"
    )


if __name__ == "__main__":
    with Api(Path(sys.argv[1])) as asked:
        sys.stdout.write(shipped(discovered(asked)))
