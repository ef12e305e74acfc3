"""What a diagnosis is, and the snapshot of a namespace that it is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.kube.kubectl import JsonObject


@dataclass(frozen=True)
class Diagnosis:
    """Why something does not work, in words.

    ``workload`` is ``kind/name`` of what the user wrote (``deployment/invoice-app``, ``ingress/invoice-app``); ``pod``
    and ``container`` are empty where it is not about one. ``cause`` and ``fix`` are for a human; a cause may end with
    lines of a log. ``final`` says that nothing but a change by the user can fix it: waiting is of no use. Else it is a
    *hint*: a program that crashes may only be waiting for its database, and how long that takes is nobody's guess.
    ``rule`` names what was recognised.
    """

    workload: str
    pod: str
    container: str
    cause: str
    fix: str
    final: bool = False
    rule: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The same from one look to the next and for all replicas, though the words (counts, addresses) may change."""
        return self.workload, self.container, self.rule

    def __str__(self) -> str:
        about = [self.workload]
        if self.pod:
            about.append(f"pod {self.pod}")
        if self.container:
            about.append(f"container {self.container}")
        end = "\n    " if "\n" in self.cause else ". "
        return f"{', '.join(about)}: {self.cause}{end}Fix: {self.fix}"


@dataclass(frozen=True)
class Snapshot:
    """What one namespace (or several) held at one moment, as the API's objects.

    Only ``pods`` is needed; what more is given makes diagnoses better. None means not known, an empty sequence that
    there is none. ``logs`` holds the last lines that a container wrote before it ended, by (namespace, pod, container).
    """

    pods: Sequence[JsonObject] = ()
    events: Sequence[JsonObject] = ()
    owners: Sequence[JsonObject] = ()  # ReplicaSets, StatefulSets, DaemonSets, Jobs: what makes pods
    claims: Sequence[JsonObject] | None = None
    nodes: Sequence[JsonObject] | None = None
    storage_classes: Sequence[JsonObject] | None = None
    services: Sequence[JsonObject] | None = None
    slices: Sequence[JsonObject] | None = None
    ingresses: Sequence[JsonObject] = ()
    ingress_classes: Sequence[JsonObject] | None = None
    logs: Mapping[tuple[str, str, str], str] | None = None


def events_of(snapshot: Snapshot, body: JsonObject) -> list[JsonObject]:
    """The events about one object, oldest first. Where both have a uid it decides: a name may have been used before."""
    meta = body["metadata"]

    def about(event: JsonObject) -> bool:
        involved = event.get("involvedObject", {})
        if involved.get("uid") and meta.get("uid"):
            return bool(involved["uid"] == meta["uid"])
        same_place: bool = involved.get("namespace", "") == meta.get("namespace", "")
        return same_place and involved.get("kind") == body.get("kind") and involved.get("name") == meta["name"]

    return sorted(filter(about, snapshot.events), key=event_time)


def event_time(event: JsonObject) -> str:
    """When an event was last seen, as an RFC 3339 string in UTC (which sorts); empty if it does not say."""
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("firstTimestamp")
        or event.get("metadata", {}).get("creationTimestamp")
        or ""
    )


def event_count(event: JsonObject) -> int:
    """How often an event was seen. The new events API counts in ``series``, the old one in ``count``."""
    series = event.get("series") or {}
    return int(series.get("count") or event.get("count") or 1)


def owner_uids(body: JsonObject) -> set[str]:
    """The UIDs of what an object belongs to."""
    return {str(one.get("uid")) for one in body["metadata"].get("ownerReferences", ())}


def owner_of(body: JsonObject, owners: Sequence[JsonObject]) -> JsonObject | None:
    """The one of ``owners`` that an object belongs to; None where it is not among them."""
    uids = owner_uids(body)
    return next((one for one in owners if one["metadata"].get("uid") in uids), None)


def workload_of(body: JsonObject, owners: Sequence[JsonObject]) -> str:
    """``kind/name`` of the workload that a pod (or ReplicaSet, Job) belongs to; of itself where nothing owns it.

    A ReplicaSet that is not among ``owners`` is still seen through: its Deployment's name is its own without the hash.
    """
    kind, name = str(body.get("kind", "Pod")), str(body["metadata"]["name"])
    hashed = body["metadata"].get("labels", {}).get("pod-template-hash")
    for reference in body["metadata"].get("ownerReferences", ()):
        if not reference.get("controller"):
            continue
        owner = next((one for one in owners if one["metadata"].get("uid") == reference.get("uid")), None)
        if owner is not None:
            return workload_of({**owner, "kind": reference["kind"]}, owners)
        if reference["kind"] == "ReplicaSet" and hashed and reference["name"].endswith(f"-{hashed}"):
            return f"deployment/{reference['name'].removesuffix(f'-{hashed}')}"
        kind, name = reference["kind"], reference["name"]
    return f"{kind.lower()}/{name}"
