"""The prober as the policy canary wants it: put together here, since clusters know nothing of probers."""

from harness.clusters.provider import Cluster
from harness.clusters.readiness import Canary, Probe, prove_policy
from harness.errors import ProbeError
from harness.kube.kubectl import Kubectl
from harness.prober.client import Outcome, Prober, Target


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

    def connects(self, address: str, port: int, seconds: float) -> bool:
        """Whether a TCP connection comes up; False only where it was dropped or rejected, else ProbeError."""
        [verdict] = self._prober.probe([Target(address, port)], deadline_s=seconds)
        if not verdict.connected and not verdict.denied:
            raise ProbeError(f"a probe of {address}:{port} met neither an answer nor a policy: {verdict}")
        return verdict.outcome is Outcome.CONNECTED

    def close(self) -> None:
        """End it."""
        self._prober.close()


def open_canary_probe(kubectl: Kubectl, namespace: str, pod: str) -> Probe:
    """Open a probe in a pod of the prober's image."""
    return CanaryProbe(Prober(kubectl, namespace, pod))


def canary(image: str) -> Canary:
    """The canary on the prober's image, which must be on the node."""
    return Canary(image, open_canary_probe)


def prove_policy_on(cluster: Cluster, image: str) -> str:
    """Prove that the cluster enforces policies; what was seen, in words. Raises PolicyNotEnforced."""
    return prove_policy(cluster, canary(image))
