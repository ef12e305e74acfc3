"""Why a pod is not on a node, or its containers are not begun there: the scheduler's, the volumes', the node's reasons.

The scheduler writes one sentence for each way in which nodes were unfit: "0/2 nodes are available: 1 Insufficient cpu,
1 node(s) had untolerated taint(s). preemption: …" (pkg/scheduler/framework/types.go, FitError).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from harness.kube.diagnosis import Diagnosis, Snapshot, events_of, workload_of
from harness.kube.kubectl import JsonObject

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def quantity(text: str | float) -> Decimal:
    """A Kubernetes quantity (``500m``, ``128Mi``, ``1e3``, ``2``) as a number. Raises ValueError for anything else."""
    found = re.fullmatch(
        r"(?P<number>[+-]?[\d.]+(?:[eE][+-]?\d+)?)(?P<suffix>[KMGTPE]i|[numkMGTPE])?", str(text).strip()
    )
    if not found:
        raise ValueError(f"{text!r} is not a quantity")
    return Decimal(found["number"]) * _SUFFIXES.get(found["suffix"] or "", Decimal(1))


@dataclass(frozen=True)
class _Unfit:
    """One of the scheduler's reasons, and how it is told. Few are final: room, volumes and nodes may turn up."""

    pattern: str
    cause: str
    fix: str
    final: bool = False


_UNFIT = (
    _Unfit(
        r"node\(s\) had untolerated taint(?:\(s\)|s)? ?\{?(?P<what>node\.kubernetes\.io/[^}:]+)",
        "the node is not fit yet (taint {what})",
        "see `kubectl describe node` for what it lacks",
    ),
    _Unfit(
        r"node\(s\) had untolerated taint(?:\(s\)|s)?(?: \{(?P<what>[^}]*)\})?",
        "the node has a taint that the pod does not tolerate ({what})",
        "add a toleration to the pod, or remove the taint from the node",
    ),
    _Unfit(
        r"node\(s\) didn't match (?P<what>Pod's node affinity/selector|node selector)",
        "no node has the labels that its nodeSelector or node affinity asks for",
        "correct nodeSelector/affinity, or label a node",
        final=True,
    ),
    _Unfit(
        r"node\(s\) didn't (?:match|satisfy) (?P<what>(?:existing )?pods?'?s? (?:anti-)?affinity[^,.]*)",
        "its pod affinity or anti-affinity leaves no node ({what})",
        "use preferred instead of required affinity, or add nodes",
    ),
    _Unfit(
        r"node\(s\) didn't (?:match|satisfy) pod topology spread constraints(?P<what>[^,.]*)",
        "its topology spread constraints leave no node{what}",
        "use whenUnsatisfiable: ScheduleAnyway, or add nodes in other zones",
    ),
    _Unfit(
        r"node\(s\) didn't have free ports for the requested pod ports(?P<what>)",
        "its hostPort is taken on every node",
        "drop hostPort, or run fewer pods than nodes",
    ),
    _Unfit(
        r"node\(s\) were unschedulable(?P<what>)",
        "the node is cordoned",
        "`kubectl uncordon` it",
    ),
    _Unfit(r"(?P<what>)Too many pods", "the node holds as many pods as it may", "remove pods, or add nodes"),
)
_INSUFFICIENT = re.compile(r"Insufficient (?P<resource>[\w./-]+\w)")
_CLAIM = re.compile(r"persistentvolumeclaim \"(?P<name>[^\"]+)\" (?P<state>not found|is being deleted)")
_UNBOUND = re.compile(
    r"unbound immediate PersistentVolumeClaims|didn't find available persistent volumes|volume node affinity conflict"
)


@dataclass(frozen=True)
class _Pod:
    """One pod among all that is known."""

    snapshot: Snapshot
    body: JsonObject

    @property
    def events(self) -> list[JsonObject]:
        return events_of(self.snapshot, {"kind": "Pod", **self.body})

    def says(self, rule: str, cause: str, fix: str, *, final: bool = False) -> Diagnosis:
        workload = workload_of({"kind": "Pod", **self.body}, self.snapshot.owners)
        return Diagnosis(workload, str(self.body["metadata"]["name"]), "", cause, fix, final, rule)


def pod_diagnoses(snapshot: Snapshot, body: JsonObject) -> Iterator[Diagnosis]:
    """What keeps a pod as a whole from starting; nothing for one whose containers are on their way."""
    pod = _Pod(snapshot, body)
    status = body.get("status", {})
    if status.get("phase") == "Failed" and status.get("reason"):
        # Evicted, NodeAffinity, OutOfcpu, …: the pod itself will not come back, but its owner makes another.
        said = status.get("message", "").strip().rstrip(".") or "no more was said"
        yield pod.says("pod failed", f"the node gave it up ({status['reason']}): {said}", "fix that")
        return
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield from _unschedulable(pod, condition)
            return
    yield from _not_begun(pod)


def _unschedulable(pod: _Pod, condition: JsonObject) -> Iterator[Diagnosis]:
    if condition.get("reason") == "SchedulingGated":
        gates = ", ".join(gate["name"] for gate in pod.body["spec"].get("schedulingGates", ()))
        yield pod.says("gated", f"it waits for its scheduling gates ({gates})", "remove the gates")
        return
    message = str(condition.get("message", ""))
    nodes = message.partition(" preemption:")[0]
    found = False
    for diagnosis in (*_no_room(pod, nodes), *_no_volume(pod, nodes)):
        found = True
        yield diagnosis
    seen: set[tuple[int, int]] = set()
    for unfit in _UNFIT:
        match = re.search(unfit.pattern, nodes)
        if match and not any(start <= match.start() < end for start, end in seen):
            seen.add(match.span())
            found = True
            cause = f"it fits on no node: {unfit.cause.format(what=match['what'] or '').replace(' ()', '')}"
            yield pod.says(f"unschedulable: {unfit.cause}", cause, unfit.fix, final=unfit.final)
    if not found:
        cause = f"it fits on no node: {nodes or 'the scheduler gave no reason'}"
        yield pod.says("unschedulable", cause, "fix what the scheduler names")


def _no_room(pod: _Pod, message: str) -> Iterator[Diagnosis]:
    for resource in dict.fromkeys(match["resource"] for match in _INSUFFICIENT.finditer(message)):
        wanted = requested(pod.body, resource)
        largest = _largest(pod.snapshot, resource)
        asks = f"it asks for {_shown(wanted, resource)} of {resource}" if wanted else f"it needs more {resource}"
        if largest is not None and wanted > largest:
            yield pod.says(
                f"insufficient {resource}",
                f"it fits on no node: {asks}, and the largest node has {_shown(largest, resource)} in all",
                f"lower resources.requests.{resource}, or add a larger node",
                final=True,
            )
            continue
        yield pod.says(
            f"insufficient {resource}",
            f"it fits on no node: {asks}, and no node has that much left",
            f"lower resources.requests.{resource}, remove other pods, or add a node",
        )


_OF_PODS = frozenset({"cpu", "memory"})
"""What a pod as a whole can ask for, beside huge pages."""


def requested(pod: JsonObject, resource: str) -> Decimal:
    """How much of a resource the scheduler looks for: what the pod as a whole asks, else what its containers do.

    (KEP-2837's requests of the pod take the place of theirs, and are for cores and memory only.) Its RuntimeClass's
    overhead comes on top. As ``PodRequests`` of k8s.io/component-helpers/resource, after the API server's defaults.
    """
    spec = pod.get("spec", {})
    whole = spec.get("resources") or {} if resource in _OF_PODS or resource.startswith("hugepages-") else {}
    asked = (whole.get("requests") or {}).get(resource)
    if asked is not None:
        wanted = quantity(asked)
    else:
        wanted = _of_containers(spec, resource) or quantity((whole.get("limits") or {}).get(resource, 0))
    return wanted + quantity((spec.get("overhead") or {}).get(resource, 0))


def _of_containers(spec: JsonObject, resource: str) -> Decimal:
    """The sum of a pod's containers, or what it takes while an init container runs if that is more.

    (KEP-753's restartable init containers count as ordinary ones, and run beside the init containers after them.)
    """

    def of(container: JsonObject) -> Decimal:
        resources = container.get("resources", {})
        return quantity(resources.get("requests", {}).get(resource, resources.get("limits", {}).get(resource, 0)))

    sidecars = most = Decimal(0)
    for one in spec.get("initContainers", ()):
        most = max(most, sidecars + of(one))
        if one.get("restartPolicy") == "Always":
            sidecars += of(one)
    return max(most, sum(map(of, spec.get("containers", ())), sidecars))


def _largest(snapshot: Snapshot, resource: str) -> Decimal | None:
    if snapshot.nodes is None:
        return None
    sizes = (node.get("status", {}).get("allocatable", {}).get(resource, "0") for node in snapshot.nodes)
    return max(map(quantity, sizes), default=Decimal(0))


def _shown(amount: Decimal, resource: str) -> str:
    """Cores as they are, bytes in MiB."""
    if resource in {"memory", "ephemeral-storage"} or resource.startswith("hugepages"):
        return f"{amount / 2**20:.0f}Mi"
    return f"{amount.normalize():f}"


def _no_volume(pod: _Pod, message: str) -> Iterator[Diagnosis]:
    if absent := _CLAIM.search(message):
        yield pod.says(
            "no such claim",
            f"its PersistentVolumeClaim {absent['name']} {absent['state'].replace('not found', 'does not exist')}",
            f"create the PersistentVolumeClaim {absent['name']}, or correct its name in the pod's volumes",
        )
    elif _UNBOUND.search(message):
        told = list(_pending_claims(pod)) or ["its PersistentVolumeClaim has no volume"]
        for cause in told:
            fix = "name a StorageClass that exists, mark one as default, or see what its provisioner says"
            yield pod.says("unbound claim", cause, fix)


def _pending_claims(pod: _Pod) -> Iterator[str]:
    volumes = pod.body.get("spec", {}).get("volumes", ())
    names = {volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume}
    for claim in pod.snapshot.claims or ():
        meta = claim["metadata"]
        same_namespace = meta.get("namespace") == pod.body["metadata"].get("namespace")
        if meta["name"] not in names or not same_namespace or claim.get("status", {}).get("phase") == "Bound":
            continue
        told = f"its PersistentVolumeClaim {meta['name']} has no volume"
        wanted = claim.get("spec", {}).get("storageClassName")
        classes = (
            None
            if pod.snapshot.storage_classes is None
            else {one["metadata"]["name"] for one in pod.snapshot.storage_classes}
        )
        events = events_of(pod.snapshot, {"kind": "PersistentVolumeClaim", **claim})
        if wanted and classes is not None and wanted not in classes:
            told += f": there is no StorageClass {wanted} (there are: {', '.join(sorted(classes)) or 'none'})"
        elif not wanted and classes is not None:
            told += ": it names no StorageClass, and the cluster has no default one"
        elif events:
            told += f": {events[-1].get('message', '')}"
        yield told


_MOUNTS = (
    (
        r"configmap \"(?P<what>[^\"]+)\" not found",
        "the ConfigMap {what} does not exist",
        "create it, or correct the name",
    ),
    (r"secret \"(?P<what>[^\"]+)\" not found", "the Secret {what} does not exist", "create it, or correct the name"),
    (
        r"references non-existent (?:config|secret) key: (?P<what>\S+)",
        "there is no key {what}",
        "add it, or correct `items`",
    ),
    (r"hostPath type check failed: (?P<what>.*)", "the node's path is wrong: {what}", "correct the path or its type"),
)


def _not_begun(pod: _Pod) -> Iterator[Diagnosis]:
    """Volumes and the sandbox: only events tell, and only while no container has begun."""
    statuses = [*pod.body["status"].get("initContainerStatuses", ()), *pod.body["status"].get("containerStatuses", ())]
    creating = {"ContainerCreating", "PodInitializing"}
    if not statuses or any(one.get("state", {}).get("waiting", {}).get("reason") not in creating for one in statuses):
        return
    told: set[str] = set()
    for event in reversed(pod.events):
        reason, message = event.get("reason"), str(event.get("message", ""))
        if reason in {"FailedMount", "FailedAttachVolume"} and "mount" not in told:
            told.add("mount")
            named = re.search(r"volume \"(?P<name>[^\"]+)\"", message)
            volume = f"its volume {named['name']}" if named else "a volume"
            for pattern, cause, fix in _MOUNTS:
                if match := re.search(pattern, message):
                    text = f"{volume} cannot be mounted: {cause.format(what=match['what'])}"
                    yield pod.says("mount", text, fix)
                    break
            else:
                yield pod.says(
                    "mount",
                    f"{volume} cannot be mounted: {message}",
                    "fix what it names",
                )
        if reason == "FailedCreatePodSandBox" and "sandbox" not in told:
            told.add("sandbox")
            yield pod.says(
                "sandbox",
                f"the node cannot make its sandbox: {message.rpartition('rpc error: ')[2]}",
                "see the node's network plugin and container runtime",
            )
