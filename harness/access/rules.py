"""RBAC v1 as values: everything that decides who may do what, and nothing else.

The fields mirror ``rbac.authorization.k8s.io/v1``. The rules of matching are those of Kubernetes'
``pkg/apis/rbac/v1/evaluation_helpers.go`` and ``pkg/registry/rbac/validation/rule.go``. ``at`` is where something is
written, ``file:line``; it takes no part in equality.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.access.request import Identity, Request
from harness.kube.selectors import Selector

EVERY = "*"


class Kind(StrEnum):
    """What a binding can name."""

    USER = "User"
    GROUP = "Group"
    ACCOUNT = "ServiceAccount"


@dataclass(frozen=True)
class Rule:
    """One item of ``rules``: resources of groups, all of them or those of ``names``; or ``urls``. It only allows."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    at: str = field(default="", compare=False)

    def allows(self, request: Request) -> bool:
        """Whether it allows a request."""
        return (request.verb in self.verbs or EVERY in self.verbs) and self.covers(request)

    def covers(self, request: Request) -> bool:
        """Whether it is about what the request asks for, whatever the verb."""
        if request.url:
            return any(_is_url(url, request.url) for url in self.urls)
        return (
            (request.group in self.groups or EVERY in self.groups)
            and any(_is_resource(one, request) for one in self.resources)
            and (not self.names or request.name in self.names)
        )


def _is_resource(written: str, request: Request) -> bool:
    """``*`` is all, subresources too; ``*/scale`` that of all; ``pods`` not ``pods/log``; ``pods/*`` nothing."""
    if written in (EVERY, request.kind):
        return True
    return bool(request.subresource) and written == f"{EVERY}/{request.subresource}"


def _is_url(written: str, url: str) -> bool:
    if written in (EVERY, url):
        return True
    return written.endswith(EVERY) and url.startswith(written.rstrip(EVERY))


@dataclass(frozen=True)
class Role:
    """A Role; a ClusterRole where ``namespace`` is empty.

    ``aggregates``, if not empty: the controller writes the rules of every ClusterRole that one of these selects, in
    place of ``rules``.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    aggregates: tuple[Selector, ...] = ()
    at: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"Role {self.namespace}/{self.name}" if self.namespace else f"ClusterRole {self.name}"


@dataclass(frozen=True)
class Subject:
    """Whom a binding names. ``namespace`` is that of a ServiceAccount, and empty for others."""

    kind: Kind
    name: str
    namespace: str = ""
    at: str = field(default="", compare=False)

    def is_one(self, identity: Identity) -> bool:
        """Whether an identity is, or is a member of, this subject."""
        match self.kind:
            case Kind.USER:
                return self.name == identity.name
            case Kind.GROUP:
                return self.name in identity.groups
            case Kind.ACCOUNT:
                return identity.as_account == (self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Binding:
    """A RoleBinding, which grants a role in its namespace; a ClusterRoleBinding where ``namespace`` is empty.

    ``role_namespace`` is empty where it names a ClusterRole.
    """

    name: str
    role: str
    subjects: tuple[Subject, ...] = ()
    namespace: str = ""
    role_namespace: str = ""
    at: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"RoleBinding {self.namespace}/{self.name}" if self.namespace else f"ClusterRoleBinding {self.name}"


@dataclass(frozen=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str
    at: str = field(default="", compare=False)


@dataclass(frozen=True)
class Home:
    """A namespace. ``level`` is the Pod Security level that it enforces; empty where it enforces none."""

    name: str
    level: str = ""
    at: str = field(default="", compare=False)


@dataclass(frozen=True)
class Realm:
    """All that verdicts and escalations depend on. Of each kind no two have the same name in the same namespace."""

    roles: tuple[Role, ...] = ()
    bindings: tuple[Binding, ...] = ()
    accounts: tuple[Account, ...] = ()
    homes: tuple[Home, ...] = ()
