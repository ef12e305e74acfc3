"""The marker: tells when a cluster has taken in every change that was made before, in place of a sleep.

Network plugins watch policies, pods and namespaces apart, each in order. So a pair of pods of our own is marked with a
new generation by all three: a label of the client, a label of its namespace, and a policy that lets in only this
generation, on a port that alternates. Once the client connects there, the plugin has seen all three, and with them
whatever was written before. A plugin that works in another order is still told apart from a wrong one: cells are looked
at until they agree or a deadline passes.
"""

from typing import Final

from harness.errors import ProbeError
from harness.isolation.policy import Direction, Peer, Policy, Port, Rule
from harness.isolation.render import policy_object
from harness.isolation.stage import PORTS
from harness.isolation.world import ContainerPort, Namespace, Pod, World
from harness.kube.client import Api
from harness.kube.selectors import Selector
from harness.kube.wait import wait_until
from harness.prober.client import Prober, Target

_GENERATION: Final = "generation"
_SECONDS: Final = 60.0
_SILENCE: Final = 0.05


def marker_world(namespace: str) -> World:
    """The marker's two pods, the first generation's labels on them."""
    ports = tuple(ContainerPort(port) for port in PORTS)
    return World(
        (Namespace(namespace, {_GENERATION: "0"}),),
        (
            Pod(namespace, "client", "", {"role": "client", _GENERATION: "0"}),
            Pod(namespace, "server", "", {"role": "server"}, ports),
        ),
        (_policy(namespace, 0),),
    )


def _policy(namespace: str, generation: int) -> Policy:
    this = Selector(((_GENERATION, str(generation)),))
    rule = Rule((Peer(this, this),), (Port(port=_port(generation)),))
    return Policy(namespace, "marker", Selector((("role", "server"),)), (rule,), (), (Direction.INGRESS,))


def _port(generation: int) -> int:
    return PORTS[generation % 2]


class Marker:
    """The marker on a cluster: ``world`` is its namespace as it was made by a Stage, with addresses."""

    def __init__(self, api: Api, world: World, prober: Prober) -> None:
        self._api = api
        self._prober = prober
        self._namespace = world.namespaces[0].name
        self._address = next(pod.address for pod in world.pods if pod.name == "server")
        self._generation = 0
        # Without its first policy everything connects, and would be taken for any generation.
        wait_until("the marker's first policy to hold", lambda: self._holds(0) and not self._holds(1), seconds=_SECONDS)

    def wait(self, seconds: float = _SECONDS) -> None:
        """Return when all that was written before is in effect. Raises WaitTimeout, ProbeError."""
        self._generation += 1
        label = {"metadata": {"labels": {_GENERATION: str(self._generation)}}}
        path = f"/api/v1/namespaces/{self._namespace}"
        self._api.patch(f"{path}/pods/client", label)
        self._api.patch(path, label)
        spec = {"spec": policy_object(_policy(self._namespace, self._generation))["spec"]}  # and labels stay
        self._api.patch(f"/apis/networking.k8s.io/v1/namespaces/{self._namespace}/networkpolicies/marker", spec)
        wait_until(
            "the network plugin to take in what was changed",
            lambda: self._holds(self._generation),
            seconds=seconds,
            interval=0.0,
        )

    def _holds(self, generation: int) -> bool:
        """Whether the client connects as of that generation."""
        [verdict] = self._prober.probe([Target(self._address, _port(generation))], _SILENCE)
        if not verdict.connected and not verdict.denied:
            raise ProbeError(f"the marker met neither an answer nor a policy: {verdict}")
        return verdict.connected
