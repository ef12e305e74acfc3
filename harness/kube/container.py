"""One container of one pod, with all that is known of it: what the diagnoses of containers look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.kube.diagnosis import Diagnosis, Snapshot, events_of, workload_of
from harness.kube.kubectl import JsonObject


@dataclass(frozen=True)
class Container:
    """One container of one pod, with all that is known of it."""

    snapshot: Snapshot
    pod: JsonObject
    spec: JsonObject
    status: JsonObject
    init: bool

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return str(self.status["name"])

    @property
    def image(self) -> str:
        """The image as the pod asks for it."""
        return str(self.spec.get("image") or self.status.get("image", "?"))

    @cached_property
    def events(self) -> list[JsonObject]:
        """The pod's events that are about this container, or about none in particular."""
        fields = {f"spec.containers{{{self.name}}}", f"spec.initContainers{{{self.name}}}", None}
        events = events_of(self.snapshot, {"kind": "Pod", **self.pod})
        return [event for event in events if event.get("involvedObject", {}).get("fieldPath") in fields]

    def says(self, rule: str, cause: str, fix: str, *, final: bool = False) -> Diagnosis:
        """A diagnosis about this container."""
        return Diagnosis(
            workload_of({"kind": "Pod", **self.pod}, self.snapshot.owners),
            str(self.pod["metadata"]["name"]),
            self.name,
            cause,
            fix,
            final,
            rule,
        )


def short(message: str) -> str:
    """The end of a chain of wrapped errors, where the cause stands."""
    text = " ".join(message.split())
    limit = 200
    return text if len(text) <= limit else "…" + text[-limit:]


def containers_of(pod: JsonObject) -> Sequence[str]:
    """Names of all containers of a pod: init, regular, ephemeral."""
    spec = pod.get("spec", {})
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [str(container["name"]) for kind in kinds for container in spec.get(kind, ())]
