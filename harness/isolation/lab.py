"""A lab: a cluster with all that a proof of isolation needs on it, and nothing left when it is closed.

Beside the stages it has a prober on each node (a pod on the host's network), one at the external peer where the cluster
has one, and the marker.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from harness.clusters.provider import Cluster, ExternalPeer
from harness.isolation.marker import Marker, marker_world
from harness.isolation.matrix import Cell
from harness.isolation.observe import Observer, Settled
from harness.isolation.snapshot import Others, node_of, others_on
from harness.isolation.stage import PORTS, Stage
from harness.isolation.world import ContainerPort, External, Namespace, Node, Pod, World
from harness.kube.protocol import Protocol
from harness.prober.client import Outcome, Prober, Target
from harness.prober.outside import outside_prober
from harness.prober.pod import CONTAINER

AGREE_SECONDS = 60.0
"""How long cells may disagree after the marker has passed."""


class Lab:
    """What proofs share on one cluster. ``name`` begins the names of its namespaces; ``labels`` are on all it makes.

    ``stranger`` is the prober of a pod that no policy selects, in a namespace that no policy names.
    """

    def __init__(self, cluster: Cluster, image: str, labels: Mapping[str, str], name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.image = image
        self._closing = ExitStack()  # what is added last is done first, and what fails keeps nothing else from it
        self._ending: list[Prober] = []
        self.api = cluster.api
        self._closing.callback(self._remove_made)
        self._closing.callback(self._end_probers)
        self.stage = Stage(self.api, image, labels)
        self.probers: dict[str, Prober] = {}
        self._greeting: set[str] = set()
        self._made: list[World] = []
        self._hosts: set[str] = set()  # the namespaces in which it has guests
        self._lasting: list[tuple[World, World]] = []
        self._others = Others()

    def __enter__(self) -> Self:
        try:
            self.find_foreign()
            nodes = tuple(node_of(one) for one in self.api.items("/api/v1/nodes"))
            hosts = World(
                (Namespace(f"{self.name}-host"),),
                tuple(_host_pod(f"{self.name}-host", node) for node in nodes),
            )
            marker = marker_world(f"{self.name}-marker")
            made = self.build(_together(hosts, marker))
            self.hosts = _in(made, hosts)
            self.probers |= {node.id: self.probers[pod.id] for node, pod in zip(nodes, self.hosts.pods, strict=True)}
            self._greeting |= {node.id for node in nodes}
            self.bare = World(nodes=nodes, externals=self._open_outside())
            pair = _in(made, marker)
            client = next(pod for pod in pair.pods if pod.name == "client")
            self.stranger = self.probers[client.id]
            self.marker = Marker(self.api, pair, self.stranger)
            self.protocols = _spoken(self.stranger)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the probers, and begin to delete all that the lab made. Safe to repeat.

        What fails keeps nothing else from being ended or deleted; the first error is raised at the end.
        """
        self._closing.close()

    def _end_probers(self) -> None:
        """End all of them side by side: each says goodbye to its server."""
        ending, self._ending = self._ending, []
        with ThreadPoolExecutor(max_workers=8) as pool:
            ended = [pool.submit(one.close) for one in ending]
        for one in ended:
            one.result()

    def _remove_made(self) -> None:
        with ExitStack() as each:
            each.callback(self.stage.remove_guests, self._hosts)
            each.callback(self.stage.remove, World(tuple(one for world in self._made for one in world.namespaces)))

    def build(self, world: World, existing: Collection[str] = ()) -> World:
        """Make the namespaces, pods and Services of a world, and open a prober in each pod; the world as it stands.

        The namespaces named ``existing`` are there, and stay as they are; the world's pods in them are guests.
        """
        homes = [one for one in world.namespaces if one.name in existing]
        self._made.append(World(tuple(one for one in world.namespaces if one not in homes)))
        before = World(tuple(homes))
        self._hosts.update(one.name for one in homes)
        made = self.stage.bring(before, world)
        self.open(made.pods)
        return made

    def build_once(self, world: World, existing: Collection[str] = ()) -> World:
        """The same, but what was made before for an equal world is used again."""
        for wanted, made in self._lasting:
            if wanted == world:
                return made
        made = self.build(world, existing)
        self._lasting.append((world, made))
        return made

    def adopt(self, pod: Pod, prober: Prober) -> None:
        """Take over an open prober in a pod that the lab did not make. Threads may do so side by side."""
        self._ending.append(prober)
        self.probers[pod.id] = prober

    def open(self, pods: Iterable[Pod]) -> None:
        """Open the probers of pods of the prober's image that have none yet."""
        new = [pod for pod in pods if pod.id not in self.probers]
        probers = [Prober(self.api, pod.namespace, pod.name, CONTAINER) for pod in new]
        self._ending += probers  # also if another one fails to open, an open one is closed with the lab
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(Prober.open, probers))
        for pod, prober in zip(new, probers, strict=True):
            self.probers[pod.id] = prober
            self._greeting.add(pod.id)

    def bring(self, now: World, wanted: World) -> World:
        """Change the cluster from one world to another, and return when the network plugin has taken it in.

        If that fails, the cluster may be anywhere between the two: ``remove`` what is on it, and build anew.
        """
        known = {one.name for world in (now, *self._made) for one in world.namespaces}
        self._made.append(World(tuple(one for one in wanted.namespaces if one.name not in known)))
        made = self.stage.bring(now, wanted)
        self._forget({pod.id for pod in now.pods} - {pod.id for pod in made.pods})
        self.open(made.pods)
        self.marker.wait()
        return made

    def remove(self, world: World) -> None:
        """End the probers of a world, and begin to delete its namespaces with all that is in them."""
        self._forget(pod.id for pod in world.pods)
        self.stage.remove(world)

    def _forget(self, pods: Iterable[str]) -> None:
        """Close the probers of pods that are gone."""
        for pod in pods:
            self._greeting.discard(pod)
            if prober := self.probers.pop(pod, None):
                prober.close()

    def prove(self, world: World, cells: Sequence[Cell], seconds: float = AGREE_SECONDS) -> Settled:
        """Look at cells of a world that was brought about, until they agree with the oracle or the time is over."""
        return self.observer(world).settle(cells, seconds)

    def observer(
        self, world: World, untested: Mapping[str, str] | None = None, failed: Mapping[str, str] | None = None
    ) -> Observer:
        """Eyes for a world: the probers that there are. ``untested`` and ``failed`` say why some sources have none.

        The policies of other APIs that are on the cluster are added to the world.
        """
        here = replace(world, foreign=(*world.foreign, *self._others.policies))
        return Observer(here, self.probers, self._greeting, untested, failed)

    def find_foreign(self) -> None:
        """Look once more which policies of other APIs there are: other tests may have made some, or others have."""
        self._others = others_on(self.api)

    @property
    def foreign(self) -> frozenset[str]:
        """The policies of other APIs that are on the cluster, by name."""
        return frozenset(one.what for one in self._others.policies)

    @property
    def notes(self) -> list[str]:
        """What limits all proofs on this cluster: protocols that its kernel lacks, and policies that have no model."""
        lacking = ", ".join(one for one in Protocol if one not in self.protocols)
        spoken = f"protocols: {', '.join(self.protocols)}" + (f" (this kernel has no {lacking})" if lacking else "")
        return [spoken, *self._others.notes]

    @property
    def reopened(self) -> list[str]:
        """A sentence for each prober whose stream broke and was opened anew: what it was asked then is asked again."""
        times = {source: prober.reopened for source, prober in self.probers.items() if prober.reopened}
        return [f"the prober of {source} broke, and was opened anew{_times(count)}" for source, count in times.items()]

    def _open_outside(self) -> tuple[External, ...]:
        if not isinstance(self.cluster, ExternalPeer):
            return ()
        outside = External(self.cluster.external_address)
        self.probers[outside.id] = self._closing.enter_context(outside_prober(self.cluster, PORTS))
        self._greeting.add(outside.id)
        return (outside,)


def _together(one: World, other: World) -> World:
    """The namespaces, pods and policies of two worlds: pods that start together start sooner."""
    return World((*one.namespaces, *other.namespaces), (*one.pods, *other.pods), (*one.policies, *other.policies))


def _in(made: World, wanted: World) -> World:
    """The part of what was made that lies in a world's namespaces."""
    names = {one.name for one in wanted.namespaces}
    pods = tuple(pod for pod in made.pods if pod.namespace in names)
    return World(wanted.namespaces, pods, wanted.policies)


def _spoken(prober: Prober) -> tuple[Protocol, ...]:
    """The protocols that the kernel has: of one that it lacks every cell would be untested."""
    verdicts = prober.probe([Target("127.0.0.1", PORTS[0], protocol) for protocol in Protocol])
    return tuple(one.target.protocol for one in verdicts if one.outcome is not Outcome.UNTESTED)


def _host_pod(namespace: str, node: Node) -> Pod:
    ports = tuple(ContainerPort(port, protocol) for port in PORTS for protocol in (Protocol.TCP, Protocol.UDP))
    return Pod(namespace, node.name, node.address, {"role": "node"}, ports, node.name, host_network=True)


def _times(count: int) -> str:
    return "" if count == 1 else f", {count} times"
