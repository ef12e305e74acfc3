"""By which means a pod is probed from: decided here, and nowhere else."""

from typing import Final

from harness.errors import ProbeError
from harness.kube.client import Api
from harness.kube.exec import ExecRefused
from harness.kube.kubectl import JsonObject
from harness.prober.bootstrap import NoPython
from harness.prober.client import Prober
from harness.prober.ephemeral import attach_ephemeral, running_ephemeral

TRIES: Final = 3
"""How often a prober is opened whose connection is lost meanwhile."""


class NoMeans(ProbeError):
    """A pod cannot be probed from by the means that are allowed: nothing is broken, an option would give it one."""


def open_prober(api: Api, pod: JsonObject, image: str, *, allow_ephemeral: bool) -> Prober:
    """An open prober in ``pod``, an object of the API. ``image`` is the prober's, and on the pod's node.

    In this order: a running container of that image; python3 in another container, which is sent the agent; an
    ephemeral container of that image, if ``allow_ephemeral``. The caller closes the prober, and ``api`` after it.
    Raises NoMeans where nothing of this is possible, with what would make it so; ProbeError where the pod does not run,
    or the prober does not start.
    """
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    running = running_containers(pod)
    if not running:
        phase = pod.get("status", {}).get("phase", "unknown")
        raise ProbeError(f"pod {namespace}/{name} has no running container to probe from; its phase is {phase}")
    ours = next((container for container, of in running.items() if of == image), running_ephemeral(pod, image))
    if ours:
        return _opened(Prober(api, namespace, name, ours))
    for container in running:
        try:
            return _opened(Prober(api, namespace, name, container, bootstrap=True))
        except NoPython:
            continue
    if allow_ephemeral:
        return _opened(Prober(api, namespace, name, attach_ephemeral(api, namespace, name, image)))
    raise NoMeans(
        f"pod {namespace}/{name} cannot be probed from: none of its containers ({', '.join(running)}) has Python 3.8 "
        "or newer. With --allow-ephemeral the prober gets an ephemeral container in it, which stays listed in the pod "
        "until the pod is deleted"
    )


def running_containers(pod: JsonObject) -> dict[str, str]:
    """Names and images of the containers of a pod that run, init containers that stay among them, in their order."""
    status = pod.get("status", {})
    states = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    running = {one["name"] for one in states if "running" in (one.get("state") or {})}
    listed = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]
    return {one["name"]: one.get("image", "") for one in listed if one["name"] in running}


def _opened(prober: Prober) -> Prober:
    """Open it. A busy server may lose the connection with the answer: that a container has no Python, or anything."""
    for again in reversed(range(TRIES)):
        try:
            prober.open()
        except (NoPython, ExecRefused):
            raise
        except ProbeError:
            if not again:
                raise
        else:
            break
    return prober
