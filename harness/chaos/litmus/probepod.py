"""The pod that a run's probes are sent from: inside the cluster, under the engine's ServiceAccount.

It is of the prober's image, which has Python and a shell; what ``inside.py`` does there needs no more.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from harness.chaos.litmus.failures import Code, ExperimentError
from harness.chaos.litmus.parse import Planned
from harness.chaos.scene import Scene
from harness.chaos.undo import Request, Undo
from harness.errors import HarnessError, ProbeError, WaitTimeout
from harness.kube.client import Api
from harness.kube.exec import ExecStream
from harness.kube.kubectl import JsonObject
from harness.kube.wait import patient, wait_until
from harness.prober.pod import CONTAINER, CPU, USER

READY_SECONDS: Final = 60.0
SPARE_SECONDS: Final = 60.0
"""What the way into the pod may take, beside the time that a probe has."""

_INSIDE: Final = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
_STAY: Final = "import signal; signal.pause()"


class ProbePod:
    """A pod that runs. ``ask`` may be called from several threads at once."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api, self._namespace, self._name = api, namespace, name

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, str]:
        """The answer of ``inside.py`` to a request. Raises ProbeError where there is none in time."""
        with ExecStream(self._api, self._namespace, self._name, ["python3", "-c", _INSIDE], CONTAINER) as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            said = b""
            longest = seconds + patient(SPARE_SECONDS)
            while not said.endswith(b"\n"):
                piece = stream.read(longest)
                if not piece:
                    why = stream.last_words() if piece == b"" else f"no answer in {longest:g} s"
                    raise ProbeError(f"a probe in {stream.where} could not be run: {why}")
                said += piece
            answer: dict[str, str] = json.loads(said)
            return answer


@contextmanager
def probe_pod(scene: Scene, planned: Planned, name: str, uid: str, seconds: float) -> Iterator[ProbePod]:
    """The pod of one run, for the block; its deletion is in the journal. Raises ExperimentError where it cannot run."""
    path = f"/api/v1/namespaces/{planned.namespace}/pods"
    gone = Request(verb="delete", path=f"{path}/{name}")
    with scene.undoing(Undo(fault=f"probes of {planned.result_name}", requests=(gone,)), seconds):
        try:
            scene.api.post(path, _body(planned, name, {**scene.labels, "chaosUID": uid}, scene.prober_image))
            wait_until(
                f"the pod of probes {planned.namespace}/{name} to run",
                lambda: scene.api.get(f"{path}/{name}")["status"].get("phase") == "Running",
                seconds=READY_SECONDS,
                interval=0.1,
                describe=lambda: str(scene.api.get(f"{path}/{name}")["status"]),
            )
        except WaitTimeout as error:
            raise ExperimentError(Code.HELPER_POD, str(error)) from error
        except HarnessError as error:
            raise ExperimentError(Code.GENERIC, f"the pod of probes cannot be made: {error}") from error
        yield ProbePod(scene.api, planned.namespace, name)


def _body(planned: Planned, name: str, labels: Mapping[str, str], image: str) -> JsonObject:
    """As Pod Security ``restricted`` wants it, the mounts of the experiment apart: they are the user's."""
    volumes: list[JsonObject] = [{"name": "tmp", "emptyDir": {}}]
    mounts: list[JsonObject] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 -- the pod's own
    for number, mount in enumerate(planned.mounts):
        source = (
            {"configMap": {"name": mount.name}} if mount.kind == "ConfigMap" else {"secret": {"secretName": mount.name}}
        )
        volumes.append({"name": f"mount-{number}", **source})
        mounts.append({"name": f"mount-{number}", "mountPath": mount.path, "readOnly": True})
    return {
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "serviceAccountName": planned.account,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": volumes,
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["tini", "--", "python3", "-c", _STAY],
                    "volumeMounts": mounts,
                    "resources": {"requests": {"cpu": CPU}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                }
            ],
        },
    }
