"""Faults of whole workloads: restarted one after another, changed and changed back, scaled to nothing and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from harness.chaos.fault import Evidence, FaultError, Target
from harness.chaos.faults.pods import OnWorkloads, await_gone, shown
from harness.chaos.scene import STRUCK, Scene, Workload
from harness.chaos.undo import Request, Undo
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

ROLLOUT_SECONDS: Final = 120.0
_RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
_VERSION: Final = "harness.dev/chaos-version"


def annotate(scene: Scene, workload: Workload, key: str, value: str | None) -> None:
    """Set an annotation of its pods' template (None: take it away), which makes another version of it."""
    scene.api.patch(workload.path, _template(key, value))


def _template(key: str, value: str | None) -> JsonObject:
    return {"spec": {"template": {"metadata": {"annotations": {key: value}}}}}


def await_rollout(scene: Scene, workload: Workload) -> JsonObject:
    """Wait until all replicas are of the current version and available; the workload then. Raises WaitTimeout."""
    last: JsonObject = {}

    def done() -> JsonObject | None:
        nonlocal last
        last = scene.api.get(workload.path)
        return last if rolled_out(last) else None

    return wait_until(
        f"{workload.name} to be rolled out",
        done,
        seconds=ROLLOUT_SECONDS,
        interval=0.1,
        tolerate=STRUCK,
        describe=lambda: _progress(last),
    )


def _progress(body: JsonObject) -> str:
    """How far a rollout is, in words; empty where nothing was seen of it."""
    status = body.get("status", {})
    if not status:
        return ""
    pods, new, available = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    wanted = body["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= body["metadata"]["generation"]
    told = f"{pods} pods of {wanted}, {new} of the current version, {available} available"
    return told if seen else f"{told}; its controller has not seen the last change"


def rolled_out(body: JsonObject) -> bool:
    """Whether a Deployment or StatefulSet runs its current version, all of it, and nothing else."""
    status, wanted = body.get("status", {}), body["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < body["metadata"]["generation"]:
        return False
    return all(status.get(key, 0) == wanted for key in ("replicas", "updatedReplicas", "availableReplicas"))


@dataclass(frozen=True)
class RolloutRestart(OnWorkloads):
    """All pods are replaced one after another, as ``kubectl rollout restart`` does it."""

    kind: str = "rollout-restart"
    seconds: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:  # noqa: ARG002 -- it means all
        """Restart, and wait until no pod of before is left."""
        workload = scene.workload(target.name)
        before = scene.pods(workload)
        annotate(scene, workload, _RESTARTED_AT, datetime.now(UTC).isoformat())  # two in one second are two
        yield (evidence := Evidence(f"{target.name}, {len(before)} pods"))
        await_rollout(scene, workload)
        for pod in before:
            await_gone(scene.api, pod)
        evidence.proven(f"{len(before)} pods were replaced" if before else "")
        evidence.hit = bool(before)


@dataclass(frozen=True)
class NewVersion(OnWorkloads):
    """Another version of the pods' template is rolled out, and then taken back."""

    kind: str = "new-version"
    seconds: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:  # noqa: ARG002 -- it means all
        """Roll out a version that differs by an annotation, and back."""
        workload = scene.workload(target.name)
        back = Request(verb="patch", path=workload.path, body=_template(_VERSION, None))
        evidence = Evidence(target.name)
        with scene.undoing(Undo(fault=f"{self.kind} of {target.name}", requests=(back,)), ROLLOUT_SECONDS):
            annotate(scene, workload, _VERSION, f"{scene.now():.3f}")
            await_rollout(scene, workload)
            changed = [p for p in scene.pods(workload) if _VERSION in p["metadata"].get("annotations", {})]
            if changed:
                evidence.proven(f"the new version ran in {len(changed)} pods")
            yield evidence
        await_rollout(scene, workload)


@dataclass(frozen=True)
class ScaleToZero(OnWorkloads):
    """No pod of a workload is left for a while."""

    kind: str = "scale-to-zero"
    seconds: tuple[float, float] = (1.0, 3.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:  # noqa: ARG002 -- it means all
        """Scale down, wait until every pod is gone, and scale back."""
        workload = scene.workload(target.name)
        before = scene.pods(workload)
        scale = f"{workload.path}/scale"
        replicas = int(scene.api.get(scale)["spec"].get("replicas", 0))
        if not replicas or not before:
            raise FaultError(f"{target.name} has no replicas now")
        evidence = Evidence(f"{target.name}, {', '.join(map(shown, before))}")
        back = Request(verb="patch", path=scale, body={"spec": {"replicas": replicas}})
        with scene.undoing(Undo(fault=f"{self.kind} of {target.name}", requests=(back,)), ROLLOUT_SECONDS):
            scene.api.patch(scale, {"spec": {"replicas": 0}})
            for pod in before:
                await_gone(scene.api, pod)
            evidence.proven(f"{len(before)} pods were gone, of {replicas} replicas")
            yield evidence
        await_rollout(scene, workload)
