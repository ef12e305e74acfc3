"""A prober in a pod whose own images cannot run it: an ephemeral container beside the application's.

It can never be removed from its pod (KEP-277), only end: so it is used again while it runs, and ends by itself.
"""

import secrets
from datetime import UTC, datetime
from typing import Any, Final

from harness.errors import ProbeError, WaitTimeout
from harness.kube.client import STRATEGIC_MERGE, Api, ApiError
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

PREFIX: Final = "harness-prober-"
LIFE_SECONDS: Final = 4 * 3600
START_SECONDS = 60.0
_HOPELESS: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""What the kubelet says of a container that waits and will not start by itself (pkg/kubelet/images, kuberuntime)."""


def attach_ephemeral(api: Api, namespace: str, pod: str, image: str) -> str:
    """See that an ephemeral container of the prober's image runs in a pod; its name.

    It may run where Pod Security is ``restricted``, listens to nothing, and waits to be exec'ed into. Raises ProbeError
    where the API server refuses it, or it does not start.
    """
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
    where = f"pod {namespace}/{pod}"
    try:
        found = running_ephemeral(api.get(path), image)
        if found:
            return found
        name = PREFIX + secrets.token_hex(3)
        patch = {"spec": {"ephemeralContainers": [_container(name, image)]}}
        api.patch(f"{path}/ephemeralcontainers", patch, STRATEGIC_MERGE)
    except ApiError as error:
        raise ProbeError(f"{where} cannot be given an ephemeral container: {error.output}") from error

    def runs() -> bool:
        state = _states(api.get(path)).get(name, {})
        if reason := state.get("waiting", {}).get("reason", ""):
            if reason in _HOPELESS:
                said = state["waiting"].get("message", "")
                raise ProbeError(f"the ephemeral container {name} of {where} does not start: {reason}: {said}")
        elif ended := state.get("terminated"):
            said = f"{ended.get('reason')}: {ended.get('message', '')}".rstrip(": ")
            raise ProbeError(f"the ephemeral container {name} of {where} ended with status {ended['exitCode']}: {said}")
        return "running" in state

    try:
        wait_until(
            f"the ephemeral container {name} of {where} to run",
            runs,
            seconds=START_SECONDS,
            describe=lambda: str(_states(api.get(path)).get(name, "the kubelet does not know it yet")),
        )
    except (ApiError, WaitTimeout) as error:
        raise ProbeError(str(error)) from error
    return name


def running_ephemeral(pod: JsonObject, image: str) -> str | None:
    """The name of an ephemeral container that was attached to this pod with this image before, and still runs."""
    states = _states(pod)
    for one in pod["spec"].get("ephemeralContainers") or []:
        name = str(one["name"])
        state = states.get(name, {}).get("running")
        if name.startswith(PREFIX) and one["image"] == image and state is not None and not _is_old(state):
            return name
    return None


def _is_old(running: JsonObject) -> bool:
    """Whether it may end by itself while a run still uses it."""
    age = datetime.now(UTC) - datetime.fromisoformat(running["startedAt"])
    return age.total_seconds() > LIFE_SECONDS / 2


def _states(pod: JsonObject) -> dict[str, dict[str, Any]]:
    statuses = pod.get("status", {}).get("ephemeralContainerStatuses") or []
    return {one["name"]: one.get("state") or {} for one in statuses}


def _container(name: str, image: str) -> JsonObject:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", str(LIFE_SECONDS)],
        # All of it stands here: what the pod says for its containers may be another user, or root.
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10003,
            "runAsGroup": 10003,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
