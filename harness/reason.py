"""Why a model decided as it did: what the models of isolation and of access say in the same form."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """One part of why: a sentence, and where it is written (``file:line``, or what it is on the cluster)."""

    text: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.at})" if self.at else self.text
