"""A user's own manifests on a cluster: their pods where they run, stand-ins where they do not.

What is there is never changed. What is missing is made, labelled as the run's, and removed when the lab closes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from harness.errors import ClusterError
from harness.isolation import snapshot
from harness.isolation.cells import breakpoints
from harness.isolation.foreign import split
from harness.isolation.lab import Lab
from harness.isolation.matrix import Cell
from harness.isolation.stage import PORTS, obstacle
from harness.isolation.stand_ins import with_stand_ins
from harness.isolation.table import as_written
from harness.isolation.workloads import makers_of, world_of
from harness.isolation.world import ContainerPort, Namespace, Pod, Service, Source, World
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import until_none_is_going
from harness.kube.manifests import Manifest
from harness.kube.protocol import Protocol

NOBODYS_PORT: Final = 9
"""The port of the discard protocol (RFC 863): nobody listens there, and no policy means it."""
DNS_PORT: Final = 53
DNS: Final = {"k8s-app": "kube-dns"}


@dataclass(frozen=True)
class Own:
    """What the manifests say: ``written`` has made-up addresses, ``notes`` are on selectors that nobody meets.

    ``makers`` are the objects that make its pods, by their ids; none of the pods that stand for policies alone.
    """

    written: World
    notes: tuple[str, ...]
    makers: Mapping[str, JsonObject] = field(default_factory=dict, hash=False)

    @property
    def namespaces(self) -> frozenset[str]:
        """The namespaces whose policies are the manifests'."""
        return frozenset(policy.namespace for policy in self.written.policies) | frozenset(
            pod.namespace for pod in self.written.pods
        )


def of_manifests(manifests: Sequence[Manifest]) -> Own:
    """A user's manifests as a world, with stand-ins where they hold policies alone. Raises ManifestError."""
    plain, foreign = split(manifests)
    written = world_of(plain)
    makers = dict(zip((pod.id for pod in written.pods), (one.object for one in makers_of(plain)), strict=True))
    world, notes = with_stand_ins(written)
    told = [
        f"{one.what} ({one.at}) has no model, and is not applied: what it may decide is undefined" for one in foreign
    ]
    return Own(replace(world, foreign=foreign), (*notes, *told), makers)


@dataclass(frozen=True)
class Staged:
    """The user's world on a cluster: ``world`` is all of it as it should be, ``pods`` are the user's own in it.

    ``stand_ins`` are the names of those pods that stand in for a workload that does not run, and ``strayed`` tells of
    those of them whose workload does run, but otherwise than it is written: it is not what is proved. ``idle`` says of
    those whose pods are there why they do not run. ``forwarded`` are the ports of nodes that lead on to a pod
    (NodePorts, hostPorts): what a policy says of the node is not said of them.
    """

    world: World
    pods: tuple[Pod, ...]
    services: tuple[Service, ...]
    stranger: Pod
    stand_ins: tuple[str, ...]
    strayed: tuple[str, ...] = ()
    idle: Mapping[str, str] = field(default_factory=dict, hash=False)
    forwarded: frozenset[int] = frozenset()


def stage(lab: Lab, own: Own) -> Staged:
    """Find the user's pods, and make what is missing: namespaces, stand-ins, Services, policies; and a stranger.

    Raises ClusterError where the manifests hold nothing that could be probed.
    """
    if not own.written.pods:
        raise ClusterError(
            "the manifests hold no workload and no NetworkPolicy: there is nothing of yours to try. Is it the right "
            "folder?"
        )
    until_none_is_going(lab.api, own.namespaces)
    lab.find_foreign()
    now = snapshot.take(lab.api, own.written.policies, lab.bare.externals)
    running = {workload.id: pods_of(workload, now) for workload in own.written.pods}
    missing = [workload for workload in own.written.pods if not running[workload.id]]
    bodies = lab.api.items("/api/v1/pods") if missing else []
    idle = {one.id: said for one in missing if (said := _idle(bodies, one))}
    strayed = [said for one in missing if one.id in own.makers and (said := _strayed(lab.api, own.makers[one.id], now))]
    there = {one.name for one in now.namespaces}
    have = {(one.namespace, one.name) for one in now.policies}
    served = {one.id for one in now.services}
    stranger = Pod(f"{lab.name}-stranger", "stranger", "", {}, (ContainerPort(PORTS[0]),))
    made = lab.build(
        World(
            (*own.written.namespaces, Namespace(stranger.namespace)),
            (*missing, stranger),
            tuple(one for one in own.written.policies if (one.namespace, one.name) not in have),
            tuple(one for one in own.written.services if one.id not in served),
        ),
        existing=there,
    )
    lab.marker.wait()
    after = snapshot.take(lab.api, own.written.policies, lab.bare.externals)
    made_ids = {pod.id for pod in made.pods}
    playing = {one.id: {one.id} if one in missing else {pod.id for pod in running[one.id]} for one in own.written.pods}
    mine = {pod for pods in playing.values() for pod in pods}
    owned = {one.id for one in own.written.services}
    _refuse_gaps(playing, owned, after)
    return Staged(
        replace(as_written(after, own.written.policies, own.namespaces), foreign=own.written.foreign),
        tuple(pod for pod in after.pods if pod.id in mine),
        tuple(one for one in after.services if one.id in owned),
        next(pod for pod in after.pods if pod.id == stranger.id),
        tuple(pod.id for pod in missing if pod.id in made_ids),
        tuple(strayed),
        idle,
        _forwarded(lab.api),
    )


def _idle(bodies: Iterable[JsonObject], workload: Pod) -> str:
    """Why the pods of a workload that are among a cluster's do not run; empty where there are none."""
    for body in bodies:
        meta = body["metadata"]
        its = meta["namespace"] == workload.namespace and workload.labels.items() <= (meta.get("labels") or {}).items()
        if its and not snapshot.runs(body):
            return f"{body.get('status', {}).get('phase', 'new')}{obstacle(body.get('status', {}))}"
    return ""


def _strayed(api: Api, written: JsonObject, now: World) -> str:
    """How pods of a workload run otherwise than it is written, of which none runs as it is; empty where none runs."""
    path = api.path_of(written)
    there = api.find(path) if path else None
    if there is None:
        return ""
    namespace, name = there["metadata"]["namespace"], there["metadata"]["name"]
    labels = (there["spec"].get("selector") or {}).get("matchLabels")
    for pod in now.pods:
        is_its = labels.items() <= pod.labels.items() if labels else pod.name == name
        if pod.namespace == namespace and is_its:
            return f"{written['kind']} {namespace}/{name} is otherwise than written: {pod.id} lacks its labels or ports"
    return ""


def _refuse_gaps(playing: Mapping[str, Collection[str]], services: Iterable[str], world: World) -> None:
    """Raise ClusterError where nobody plays a workload any more, or a Service is gone: less would be judged, and pass.

    ``playing`` are the ids of the pods by that of their workload.
    """
    pods, served = {pod.id for pod in world.pods}, {one.id for one in world.services}
    gone = [workload for workload, those in playing.items() if pods.isdisjoint(those)]
    gone += [service for service in services if service not in served]
    if gone:
        raise ClusterError(
            f"of what the manifests hold, this was on the cluster a moment ago and is not any more: {', '.join(gone)}. "
            "Does somebody else change it?"
        )


def _forwarded(api: Api) -> frozenset[int]:
    """The ports of nodes from which Services and the CNI plugin lead on to pods."""
    services = (port for one in api.items("/api/v1/services") for port in one["spec"].get("ports") or ())
    containers = (one for pod in api.items("/api/v1/pods") for one in pod["spec"]["containers"])
    return frozenset(port["nodePort"] for port in services if port.get("nodePort")) | frozenset(
        port["hostPort"] for one in containers for port in one.get("ports") or () if port.get("hostPort")
    )


def pods_of(workload: Pod, world: World) -> list[Pod]:
    """The pods that run for a workload: in its namespace, with all labels of its template, and its ports."""
    return [
        pod
        for pod in world.pods
        if pod.namespace == workload.namespace
        and workload.labels.items() <= pod.labels.items()
        and set(workload.ports) <= set(pod.ports)
        and pod.host_network == workload.host_network
    ]


def cells(staged: Staged, protocols: Sequence[Protocol]) -> list[Cell]:
    """Who is asked to reach whom where no table says it: the user's pods and Services, a stranger, DNS, node, outside.

    Pods are asked on the ports that they declare and on one that nobody has, Services on their own: also by a protocol
    that the kernel lacks, so that what cannot be tested is counted. Nodes and outside are asked by the ``protocols``
    that it has, on the ports on which our own listeners are, and wherever a rule for what leaves a pod may change its
    mind; by UDP only on the former: that a datagram's port is closed is told by ICMP, of which a host sends a few in a
    second (icmp(7), icmp_ratelimit), so that of many closed ports most would look denied.
    """
    world, mine = staged.world, (*staged.pods, staged.stranger)
    sources: list[Source] = [*mine, *world.nodes, *world.externals]
    dns = [pod for pod in world.pods if DNS.items() <= pod.labels.items()]
    found: dict[Cell, None] = {}
    for source in sources:
        for pod in mine:
            found |= {Cell(source, pod, port.number, port.protocol): None for port in pod.ports}
            found[Cell(source, pod, NOBODYS_PORT)] = None
        for service in staged.services:
            found |= {Cell(source, service, one.port, one.protocol): None for one in service.ports}
    leaving = [
        (port, one) for port in _ports_of_egress(world) for one in protocols if port in PORTS or one is not Protocol.UDP
    ]
    for source in mine:
        for pod in dns:
            found |= {Cell(source, pod, DNS_PORT, one): None for one in (Protocol.UDP, Protocol.TCP)}
        for node in world.nodes:
            found |= {Cell(source, node, port, one): None for port, one in leaving if port not in staged.forwarded}
        for outside in world.externals:
            found |= {Cell(source, outside, port, one): None for port, one in leaving}
    return list(found)


def _ports_of_egress(world: World) -> list[int]:
    """Each port that an egress rule names, those beside it, and the stage's own."""
    policies = tuple(replace(policy, ingress=()) for policy in world.policies)
    return sorted({*PORTS, *breakpoints(World(world.namespaces, policies=policies))})
