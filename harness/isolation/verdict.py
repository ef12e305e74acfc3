"""What a model says of one connection, and why."""

from dataclasses import dataclass
from enum import StrEnum

from harness.reason import Reason


class Verdict(StrEnum):
    """Allowed, denied, or not said by Kubernetes. ``MIXED`` is a Service whose backends differ, and nothing else."""

    ALLOW = "allow"
    DENY = "deny"
    UNDEFINED = "undefined"
    MIXED = "mixed"


@dataclass(frozen=True)
class Decision:
    """A verdict with its reasons, the most telling first."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        return f"{self.verdict}: " + "; ".join(map(str, self.reasons))
