"""What somebody can come to have, and the way there: powers, and paths of steps. Pure values.

A power is more than a right: who may create pods has no right to be another ServiceAccount, but can.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from harness.access.request import AUTHENTICATED, Identity, Request
from harness.reason import Reason

ANYBODY: Final = "anybody"
"""Stands for a user whom no binding names."""


@dataclass(frozen=True)
class Being:
    """Being somebody else, with all that he may do."""

    identity: Identity

    @classmethod
    def member(cls, group: str) -> "Being":
        """Being in a group, under a name that no binding knows."""
        return cls(Identity.user(ANYBODY, [group]))

    @property
    def namespace(self) -> str:
        """Where a ServiceAccount lies; users and groups lie nowhere."""
        account = self.identity.as_account
        return account[0] if account else ""

    def __str__(self) -> str:
        if self.identity.name == ANYBODY:
            groups = sorted(self.identity.groups - {AUTHENTICATED})
            return f"a member of {', '.join(groups)}" if groups else "a user whom no binding names"
        return f"{self.identity}"


@dataclass(frozen=True)
class Secrets:
    """Reading all Secrets of a namespace, or one of them by name: they may hold tokens of ServiceAccounts."""

    namespace: str
    name: str = ""

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.name}" if self.name else f"every Secret of namespace {self.namespace}"


@dataclass(frozen=True)
class Inside:
    """Running code in the pods of a namespace, with all that they have."""

    namespace: str

    def __str__(self) -> str:
        return f"the pods of namespace {self.namespace} from within"


@dataclass(frozen=True)
class Traffic:
    """Connecting to the pods of a namespace past every NetworkPolicy."""

    namespace: str

    def __str__(self) -> str:
        return f"connections to the pods of namespace {self.namespace}"


@dataclass(frozen=True)
class Rights:
    """The rights of a role, for whomever one likes: in a namespace, or everywhere where that is empty."""

    role: str
    namespace: str = ""
    role_namespace: str = ""

    def __str__(self) -> str:
        kind = f"Role {self.role_namespace}/{self.role}" if self.role_namespace else f"ClusterRole {self.role}"
        return f"the rights of {kind} {f'in namespace {self.namespace}' if self.namespace else 'everywhere'}"


@dataclass(frozen=True)
class Rewriting:
    """Writing into a role whatever one likes. ``namespace`` is that of a Role, empty of a ClusterRole."""

    role: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"what {f'Role {self.namespace}/' if self.namespace else 'ClusterRole '}{self.role} says"


class Whole(StrEnum):
    """Powers over the cluster."""

    NODE = "a node"
    EVERYBODY = "everybody and everything"

    @property
    def namespace(self) -> str:
        """They lie in none."""
        return ""


Power: TypeAlias = Being | Secrets | Inside | Traffic | Rights | Rewriting | Whole


@dataclass(frozen=True)
class Act:
    """A request that a step takes, who makes it, and why he may."""

    identity: Identity
    request: Request
    reason: Reason

    def __str__(self) -> str:
        return f"{self.identity} may {self.request}: {self.reason}"


@dataclass(frozen=True)
class Step:
    """From some powers to another one. ``source`` says where it is described that this is so."""

    gain: Power
    sentence: str
    acts: tuple[Act, ...] = ()
    source: str = field(default="", compare=False)

    def __str__(self) -> str:
        how = f" [{'; '.join(map(str, self.acts))}]" if self.acts else ""
        return f"{self.sentence} -> {self.gain}{how}"


@dataclass(frozen=True)
class Path:
    """Steps in their order; the last one gains the power that it leads to."""

    steps: tuple[Step, ...]

    @property
    def power(self) -> Power:
        """Where it leads."""
        return self.steps[-1].gain

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)


def told(path: Path) -> str:
    """A path as people read it: a line for each step, with the requests and why they are allowed."""
    return "\n".join(f"{number}. {step}" for number, step in enumerate(path, 1))


def outside(paths: Mapping[Power, Path], home: frozenset[str]) -> list[Power]:
    """The powers that lie outside some namespaces, the nearest first.

    A ServiceAccount lies in its namespace. Users, groups, nodes, ClusterRoles and everybody lie in none.
    """
    return sorted((one for one in paths if one.namespace not in home), key=lambda one: (len(paths[one]), str(one)))


def survey(reached: Mapping[str, Mapping[Power, Path]]) -> str:
    """What each of some can come to have, by name, and how: a text for people."""
    return "\n".join(
        f"{name} can come to have {len(paths) or 'nothing more'}{':' if paths else ''}\n"
        + "".join(f"\n{power}\n{told(path)}\n" for power, path in paths.items())
        for name, paths in reached.items()
    )
