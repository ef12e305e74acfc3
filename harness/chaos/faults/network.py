"""Faults of the network: a workload cut off from everybody, or from the names of others."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from harness.chaos.fault import Evidence, FaultError, Target
from harness.chaos.faults import narrowing
from harness.chaos.faults.pods import OnWorkloads, is_there
from harness.chaos.scene import Scene, Workload
from harness.chaos.undo import Request, Undo
from harness.clusters.provider import Node
from harness.errors import ProbeError
from harness.kube.exec import ExecRefused
from harness.kube.kubectl import JsonObject
from harness.kube.protocol import Protocol
from harness.kube.wait import wait_until
from harness.prober.client import Prober, probe_all
from harness.prober.client import Target as Address
from harness.prober.opening import NoMeans, open_prober

DENIED_SECONDS: Final = 60.0
"""How long an enforcer may take to take in a changed policy, on a busy machine."""

BACK_SECONDS: Final = 60.0
"""How long a kubelet that was killed may take to be back."""

_CONNECT_SECONDS: Final = 0.5
_NOT_FOUND: Final = 404
_SERVER_FAILED: Final = 500
"""The least HTTP status that says that it was not the question that was wrong."""

_DNS: Final = "/api/v1/namespaces/kube-system/services"


def _addresses(pod: JsonObject) -> list[Address]:
    """Where the containers of a pod listen, by TCP."""
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    address = pod.get("status", {}).get("podIP")
    return [
        Address(address, port["containerPort"]) for port in ports if port.get("protocol", "TCP") == "TCP" and address
    ]


def _name_server(scene: Scene) -> str:
    found = scene.api.items(_DNS, labelSelector="k8s-app=kube-dns")
    if not found:
        raise FaultError("kube-system has no Service with the label k8s-app=kube-dns: there are no names to deny")
    return str(found[0]["spec"]["clusterIP"])


class Flip:
    """Connections that come up before a fault and are denied while it lasts: that is what shows that it hit."""

    def __init__(self, scene: Scene, closing: ExitStack) -> None:
        self._scene, self._closing = scene, closing
        self._asked: dict[Prober, list[Address]] = {}

    def add(self, source: JsonObject, addresses: Sequence[Address]) -> None:
        """Have ``source``, a pod, connect to these. One that cannot be probed from is left out."""
        if not addresses:
            return
        meta = source["metadata"]
        try:
            prober = wait_until(
                f"the kubelet to let pod {meta['namespace']}/{meta['name']} be probed from",
                lambda: self._open(source),
                seconds=BACK_SECONDS,
            )
        except NoMeans:
            return
        self._closing.callback(prober.close)
        self._asked[prober] = list(addresses)

    def _open(self, source: JsonObject) -> Prober | None:
        """A prober; None while the API server does not reach the kubelet, which another fault may have killed.

        One that has just started does not know its pods yet, and says of each that it does not exist.
        """
        scene = self._scene
        if scene.stop.is_set():
            raise FaultError("the run was over before it could be fired")
        try:
            return open_prober(scene.api, source, scene.prober_image, allow_ephemeral=scene.allow_ephemeral)
        except ExecRefused as error:
            if error.status < _SERVER_FAILED and not (error.status == _NOT_FOUND and is_there(scene.api, source)):
                raise
            return None

    def begin(self) -> int:
        """Keep those that connect now; how many. Raises FaultError where there are none."""
        found = probe_all(self._asked, _CONNECT_SECONDS)
        self._asked = {
            prober: [verdict.target for verdict in verdicts if verdict.connected]
            for prober, verdicts in found.items()
            if not isinstance(verdicts, ProbeError)
        }
        number = sum(map(len, self._asked.values()))
        if not number:
            broken = next((f": {one}" for one in found.values() if isinstance(one, ProbeError)), "")
            means = "" if found else ": no pod can be probed from, see --allow-ephemeral"
            raise FaultError(f"nothing connects that could be seen to be denied{broken or means}")
        return number

    def denied(self) -> bool:
        """Whether all of them are silent now."""
        found = probe_all(self._asked, _CONNECT_SECONDS).values()
        return all(not isinstance(one, ProbeError) and all(verdict.denied for verdict in one) for one in found)


@contextmanager
def _narrowed(
    scene: Scene,
    undo: Undo,
    seconds: float,
    flip: Flip,
    *,
    pods: Sequence[JsonObject],
    patches: Mapping[str, JsonObject],
    made: Sequence[JsonObject] = (),
) -> Iterator[Evidence]:
    """Patch the policies, cut what stands, wait until the flip is seen; afterwards all is as it was."""
    connected = flip.begin()
    policies = (*patches, *map(narrowing.path_of, made))
    evidence = Evidence(f"{undo.fault}: {', '.join(path.rpartition('/')[2] for path in policies)}")
    with scene.undoing(undo, DENIED_SECONDS + seconds):
        for policy in made:
            scene.api.post(narrowing.path_of(policy).rpartition("/")[0], policy)
        for path, patch in patches.items():
            scene.api.patch(path, patch)
        wait_until(f"{undo.fault} to be in effect", flip.denied, seconds=DENIED_SECONDS)
        evidence.proven(f"{connected} connections came up before, and are denied now")
        if isinstance(scene.cluster, Node):
            addresses = [str(pod["status"]["podIP"]) for pod in pods if pod.get("status", {}).get("podIP")]
            cut = sum(map(scene.cluster.forget_connections, addresses))
            evidence.details["standing connections"] = f"{cut} forgotten"
        else:
            evidence.details["standing connections"] = "not cut: there is no means here"
        yield evidence


@dataclass(frozen=True)
class Partition(OnWorkloads):
    """All pods of a workload reach nobody, and nobody reaches them, their node apart."""

    kind: str = "partition"
    seconds: tuple[float, float] = (2.0, 6.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:  # noqa: ARG002 -- it means all
        """Take the rules from the policies that select it; isolate it where none does; give them back."""
        workload = scene.workload(target.name)
        with _alone_with_policies(scene, workload) as policies, self._cut_off(scene, workload, policies) as evidence:
            yield evidence

    @contextmanager
    def _cut_off(self, scene: Scene, workload: Workload, policies: Sequence[JsonObject]) -> Iterator[Evidence]:
        pods = scene.pods(workload)
        name = f"harness-chaos-{workload.name.rpartition('/')[2]}"[:63].rstrip("-.")
        ours = narrowing.denial(name, workload.namespace, workload.labels, scene.labels)
        ended = Request(verb="delete", path=narrowing.path_of(ours))
        undo = Undo(fault=f"{self.kind} of {workload.name}", requests=(*map(narrowing.back, policies), ended))
        with ExitStack() as closing:
            flip = Flip(scene, closing)
            others = [pod for one in scene.workloads if one.name != workload.name for pod in scene.pods(one)[:1]]
            for pod in pods[:1]:
                names = [Address(_name_server(scene), narrowing.DNS_PORT)]
                flip.add(pod, [address for other in others for address in _addresses(other)] + names)
            for other in others:
                flip.add(other, [address for pod in pods for address in _addresses(pod)])
            patches = {narrowing.path_of(one): narrowing.without_rules(one) for one in policies}
            changes = {path: patch for path, patch in patches.items() if patch["spec"]}
            with _narrowed(scene, undo, self.seconds[1], flip, pods=pods, patches=changes, made=[ours]) as evidence:
                yield evidence


@dataclass(frozen=True)
class DnsDenial:
    """The pods of a workload are not allowed to ask for names; what they know already stays known."""

    kind: str = "dns-denial"
    seconds: tuple[float, float] = (2.0, 6.0)

    def targets(self, scene: Scene) -> Sequence[Target]:
        """The workloads that a policy allows to ask for names by DNS's port: only what is allowed can be narrowed."""
        return [Target(one.name) for one in scene.workloads if self._allowing(scene, one)]

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:  # noqa: ARG002 -- it means all
        """Take DNS from the policies that allow it, and give it back."""
        workload = scene.workload(target.name)
        with _alone_with_policies(scene, workload) as selecting:
            policies = [one for one in selecting if narrowing.asks_names(one)]
            with self._denied(scene, workload, policies) as evidence:
                yield evidence

    @contextmanager
    def _denied(self, scene: Scene, workload: Workload, policies: Sequence[JsonObject]) -> Iterator[Evidence]:
        undo = Undo(fault=f"{self.kind} of {workload.name}", requests=tuple(map(narrowing.back, policies)))
        patches = {narrowing.path_of(one): narrowing.without_names(one) for one in policies}
        server = _name_server(scene)
        with ExitStack() as closing:
            flip = Flip(scene, closing)
            pods = scene.pods(workload)
            asked = [Address(server, narrowing.DNS_PORT), Address(server, narrowing.DNS_PORT, Protocol.UDP, "dns")]
            for pod in pods[:1]:
                flip.add(pod, asked)
            with _narrowed(scene, undo, self.seconds[1], flip, pods=pods, patches=patches) as evidence:
                yield evidence

    @staticmethod
    def _allowing(scene: Scene, workload: Workload) -> list[JsonObject]:
        return [one for one in _selecting(scene, workload) if narrowing.asks_names(one)]


@contextmanager
def _alone_with_policies(scene: Scene, workload: Workload) -> Iterator[list[JsonObject]]:
    """The policies that select a workload, which no other fault changes meanwhile.

    One may select several workloads. What a fault gives back in the end is what it saw at its beginning: that must not
    be what another one has made of it.
    """
    names = {narrowing.path_of(one) for one in _selecting(scene, workload)}
    with scene.alone_with(names):
        yield [one for one in _selecting(scene, workload) if narrowing.path_of(one) in names]


def _selecting(scene: Scene, workload: Workload) -> list[JsonObject]:
    policies = scene.api.items(f"/apis/networking.k8s.io/v1/namespaces/{workload.namespace}/networkpolicies")
    return narrowing.selecting(policies, workload.template_labels)
