"""The oracle: what RBAC says of a request, and why. Additive: whatever no rule allows is denied.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/, and ``pkg/registry/rbac/validation/rule.go``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from harness.access.request import MASTERS, Identity, Request
from harness.access.rules import Binding, Realm, Role, Rule, Subject
from harness.reason import Reason

NEAR = 3
"""How many rules that nearly allow a request are told."""


@dataclass(frozen=True)
class Decision:
    """Whether a request is allowed, with its reasons, the most telling first."""

    allowed: bool
    reasons: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        return f"{'allow' if self.allowed else 'deny'}: " + "; ".join(map(str, self.reasons))


@dataclass(frozen=True)
class Grant:
    """A rule that an identity has by a binding. In a namespace only, where the binding is in one."""

    binding: Binding
    subject: Subject
    role: Role
    rule: Rule

    @property
    def namespace(self) -> str:
        """Where it holds; empty for everywhere."""
        return self.binding.namespace

    def reaches(self, request: Request) -> bool:
        """Whether it holds where the request asks."""
        return not self.namespace or (request.namespace == self.namespace and not request.url)

    @property
    def reason(self) -> Reason:
        """The grant in words."""
        bound = f"{self.binding} ({self.binding.at}) binds {self.subject}"
        return Reason(f"{bound} to {self.role}, which allows it", self.rule.at)


_MASTERS = Decision(allowed=True, reasons=(Reason(f"group {MASTERS} passes by every authorizer"),))


class Oracle:
    """Judges requests by the roles and bindings of one realm."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._roles = {(role.namespace, role.name): role for role in aggregated(realm.roles)}
        self._granted: dict[Identity, tuple[Grant, ...]] = {}

    def decide(self, identity: Identity, request: Request) -> Decision:
        """Whether RBAC allows a request, with the reasons."""
        if MASTERS in identity.groups:
            return _MASTERS
        grants = [grant for grant in self.grants(identity) if grant.reaches(request)]
        allowing = tuple(grant.reason for grant in grants if grant.rule.allows(request))
        return Decision(bool(allowing), allowing or self._denied(identity, request))

    def grants(self, identity: Identity) -> tuple[Grant, ...]:
        """Every rule that an identity has. A binding whose role is not there grants nothing."""
        if identity not in self._granted:
            self._granted[identity] = tuple(self._grants(identity))
        return self._granted[identity]

    def role_of(self, binding: Binding) -> Role | None:
        """The role that a binding refers to, with the rules that it aggregates; None where it is not there."""
        return self._roles.get((binding.role_namespace, binding.role))

    def _grants(self, identity: Identity) -> Iterator[Grant]:
        for binding in self.realm.bindings:
            subject = next((one for one in binding.subjects if one.is_one(identity)), None)
            role = self.role_of(binding)
            if subject and role:
                yield from (Grant(binding, subject, role, rule) for rule in role.rules)

    def _denied(self, identity: Identity, request: Request) -> tuple[Reason, ...]:
        """Why nothing allows it: rules that nearly do, in the order of how little is missing."""
        lost = [
            Reason(f"{binding} binds {_named(binding)}, which is not there", binding.at)
            for binding in self.realm.bindings
            if self.role_of(binding) is None and any(one.is_one(identity) for one in binding.subjects)
        ]
        near = list(islice(self._near(identity, request), NEAR))
        return (Reason(f"no rule that {identity} has allows it"), *lost, *near)

    def _near(self, identity: Identity, request: Request) -> Iterator[Reason]:
        grants = self.grants(identity)
        for grant in grants:
            if grant.reaches(request) and grant.rule.covers(request):
                yield Reason(
                    f"{grant.role} has {request.what}, but only to {', '.join(grant.rule.verbs)}", grant.rule.at
                )
        for grant in grants:
            if not grant.reaches(request) and grant.rule.allows(request):
                yield Reason(f"{grant.role} allows it, but only in namespace {grant.namespace}", grant.rule.at)
        for grant in grants:
            named = replace(grant.rule, names=())
            if grant.reaches(request) and grant.rule.names and named.allows(request):
                yield Reason(f"{grant.role} allows it, but only of {', '.join(grant.rule.names)}", grant.rule.at)
        if request.subresource:
            whole = replace(request, subresource="")
            for grant in grants:
                if grant.reaches(whole) and grant.rule.allows(whole):
                    yield Reason(f"{grant.role} allows {whole.what}, which is not {request.what}", grant.rule.at)


def _named(binding: Binding) -> str:
    where = binding.role_namespace
    return f"Role {where}/{binding.role}" if where else f"ClusterRole {binding.role}"


def aggregated(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    """The roles with what the aggregation controller makes of them: the rules of all that a role selects, but itself.

    A role that is selected may aggregate others in turn: the controller comes to rest where nothing is added any more.
    Each rule keeps the place at which it is written. Source: ``pkg/controller/clusterroleaggregation`` of Kubernetes.
    """
    found = {role.name: (() if role.aggregates else role.rules) for role in roles if not role.namespace}
    everywhere = sorted((role for role in roles if not role.namespace), key=lambda one: one.name)
    selected = {
        role.name: [one.name for one in everywhere if one is not role and _selects(role, one)]
        for role in everywhere
        if role.aggregates
    }
    changed = True
    while changed:
        changed = False
        for name, parts in selected.items():
            rules = tuple(dict.fromkeys(rule for part in parts for rule in found[part]))
            if set(rules) != set(found[name]):
                found[name], changed = rules, True
    return tuple(
        replace(role, rules=() if role.namespace else found[role.name]) if role.aggregates else role for role in roles
    )


def _selects(role: Role, other: Role) -> bool:
    return any(selector.matches(other.labels) for selector in role.aggregates)
