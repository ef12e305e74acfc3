"""Who asks the API server, and for what: what an authorizer sees of a request. Pure values.

The fields are those of ``authorization.k8s.io/v1`` SubjectAccessReview: a request is for a resource, or for a path that
is none (``url``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
MASTERS = "system:masters"
ACCOUNTS = "system:serviceaccounts"
ACCOUNT_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True)
class Identity:
    """A user as the API server sees one once authenticated: ``groups`` are all groups, the implied ones among them."""

    name: str
    groups: frozenset[str] = frozenset()

    @classmethod
    def user(cls, name: str, groups: Iterable[str] = ()) -> "Identity":
        """A person or program with a certificate or token of its own; ``system:authenticated`` is implied."""
        return cls(name, frozenset({*groups, AUTHENTICATED}))

    @classmethod
    def account(cls, namespace: str, name: str) -> "Identity":
        """A ServiceAccount, in the groups that its token implies (``serviceaccount.MakeGroupNames`` of Kubernetes)."""
        return cls(
            f"{ACCOUNT_PREFIX}{namespace}:{name}", frozenset({ACCOUNTS, f"{ACCOUNTS}:{namespace}", AUTHENTICATED})
        )

    @classmethod
    def anonymous(cls) -> "Identity":
        """Whoever shows no credential."""
        return cls(ANONYMOUS, frozenset({UNAUTHENTICATED}))

    @cached_property
    def as_account(self) -> tuple[str, str] | None:
        """``(namespace, name)`` of a ServiceAccount; None for anybody else."""
        if not self.name.startswith(ACCOUNT_PREFIX):
            return None
        namespace, _, name = self.name.removeprefix(ACCOUNT_PREFIX).partition(":")
        return (namespace, name) if name else None

    def __str__(self) -> str:
        account = self.as_account
        return f"ServiceAccount {account[0]}/{account[1]}" if account else f"user {self.name}"


@dataclass(frozen=True)
class Request:
    """What is asked for. ``namespace`` is empty for what lies in none, ``name`` for all objects or one to be made.

    Of a list or watch ``name`` is that of a field selector ``metadata.name=…``, as the API server has it
    (``RequestInfoFactory`` of k8s.io/apiserver).
    """

    verb: str
    resource: str = ""
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    url: str = field(default="", kw_only=True)

    @property
    def kind(self) -> str:
        """``resource/subresource``, as rules name it; empty for a path."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def what(self) -> str:
        """The resource with its group, as tables and messages name it (``deployments.apps/scale``), or the path."""
        return self.url or qualified(self.resource, self.group, self.subresource)

    def __str__(self) -> str:
        if self.url:
            return f"{self.verb} {self.url}"
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {self.what}{named} {f'in {self.namespace}' if self.namespace else 'in the cluster'}"


def qualified(resource: str, group: str, subresource: str = "") -> str:
    """``resource.group/subresource``, the group left out where it is the core's."""
    return resource + (f".{group}" if group else "") + (f"/{subresource}" if subresource else "")
