"""What a model says of one connection, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Allowed, denied, or not said by Kubernetes. ``MIXED`` is a Service whose backends differ, and nothing else."""

    ALLOW = "allow"
    DENY = "deny"
    UNDEFINED = "undefined"
    MIXED = "mixed"


@dataclass(frozen=True)
class Reason:
    """One part of why: a sentence, and where it is written (``file:line``, or ``policy namespace/name``)."""

    text: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.at})" if self.at else self.text


@dataclass(frozen=True)
class Decision:
    """A verdict with its reasons, the most telling first."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        return f"{self.verdict}: " + "; ".join(map(str, self.reasons))
