"""The prober as the policy canary wants it: put together here, since clusters know nothing of probers."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from harness.clusters.provider import Cluster
from harness.clusters.readiness import HTTP_PORT, PROBED_PORT, Canary, Check, Probe, prove_policy, standing_pair
from harness.errors import ProbeError
from harness.kube.client import Api
from harness.prober.agent import GREETING
from harness.prober.client import Prober, Target

SERVER = "canary"


class CanaryProbe:
    """A prober in one pod, asked for single connections."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober

    def resolves(self, name: str) -> bool:
        """Whether the pod's resolver knows ``name``."""
        try:
            return bool(self._prober.resolve(name))
        except ProbeError:
            return False

    def connects(self, address: str, ports: Sequence[int], seconds: float) -> list[bool]:
        """Whether a TCP connection comes up on each port; False only where it was dropped or rejected, else ProbeError.

        All are tried in one round, and silence is waited for ten times as long as the slowest of them took.
        """
        verdicts = self._prober.probe([Target(address, port) for port in ports], deadline_s=seconds)
        for one in verdicts:
            if not one.connected and not one.denied:
                raise ProbeError(f"a probe of {address}:{one.target.port} met neither an answer nor a policy: {one}")
        return [one.connected for one in verdicts]

    def close(self) -> None:
        """End it."""
        self._prober.close()


def open_canary_probe(api: Api, namespace: str, pod: str) -> Probe:
    """Open a probe in a pod of the prober's image."""
    return CanaryProbe(Prober(api, namespace, pod))


def canary(image: str, labels: Mapping[str, str] | None = None) -> Canary:
    """The canary on the prober's image, which must be on the node; ``labels`` are on what it makes."""
    listening = ("--http", str(HTTP_PORT), "--tcp", str(PROBED_PORT))
    serve = ("env", f"POD_NAME={SERVER}", "python3", "-ISu", "/prober/agent.py", "serve", *listening)
    return Canary(image, serve, f"{GREETING} {SERVER}\n", open_canary_probe, labels or {})


def pair_on(
    cluster: Cluster, image: str, labels: Mapping[str, str], check: Check
) -> AbstractContextManager[Callable[[], str]]:
    """The canary's pair of pods for as long as the block lasts: each call of what it yields is one flip."""
    return standing_pair(cluster, canary(image, labels), check)


def prove_policy_on(cluster: Cluster, image: str, labels: Mapping[str, str] | None = None) -> str:
    """Prove that the cluster enforces policies; what was seen, in words. Raises PolicyNotEnforced."""
    return prove_policy(cluster, canary(image, labels))
