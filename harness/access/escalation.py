"""The closure of steps: from an identity, every power that it can come to have, by the fewest steps.

A step is open where its requests are allowed to the identity itself, or to anybody that it can be by then. So powers
are found in the order of the steps that they take, by Dijkstra's algorithm for steps with several premises (Knuth, "A
generalization of Dijkstra's algorithm", 1977). Whoever gains everybody has everything: nothing behind that is sought.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from harness.access.oracle import Grant, Oracle
from harness.access.powers import ANYBODY, Act, Being, Path, Power, Rewriting, Rights, Secrets, Step, Whole
from harness.access.request import AUTHENTICATED, MASTERS, UNAUTHENTICATED, Identity, Request
from harness.access.rules import EVERY, Binding, Kind, Realm, Role, Rule, Subject
from harness.access.steps import REFERENCE, Opening, Part, Together, openings

_ANYTHING: Final = (Rule((EVERY,), (EVERY,), (EVERY,)), Rule((EVERY,), urls=(EVERY,)))
_ALL: Final = tuple(Subject(Kind.GROUP, group) for group in (AUTHENTICATED, UNAUTHENTICATED))

Steps: TypeAlias = tuple[Step, ...]
Found: TypeAlias = Mapping[Power, Path]


class Escalation:
    """What can be reached in a realm. ``upgrades`` is that of ``steps.openings``."""

    def __init__(self, realm: Realm, *, upgrades: bool = False) -> None:
        self._realm = realm
        self._openings = tuple(openings(realm, upgrades=upgrades))

    def reached(self, identity: Identity) -> Found:
        """Every power that an identity can come to have, each with a shortest path to it, the nearest first."""
        if MASTERS in identity.groups:
            return {Whole.EVERYBODY: Path((Step(Whole.EVERYBODY, f"is in group {MASTERS}", (), REFERENCE),))}
        found: dict[Power, Path] = {}
        while Whole.EVERYBODY not in found:
            state = _State(self._realm, identity, found)
            rest = [one for one in self._openings if one.gain not in found and not _is_had(one.gain, identity)]
            paths = [path for one in rest if (path := state.path(one))]
            if not paths:
                break
            fewest = min(map(len, paths))
            for path in paths:
                if len(path) == fewest:
                    found.setdefault(path.power, path)
        full = {(role.namespace, role.name) for role in self._realm.roles if _ANYTHING[0] in role.rules}
        return {power: path for power, path in found.items() if not _is_less(power, path, found, full)}


class _State:
    """What is open with what was found so far: the roles and bindings that were made, and all who one can be."""

    def __init__(self, realm: Realm, identity: Identity, found: Found) -> None:
        self._found = found
        self._made: dict[str, Steps] = {}  # by the place that tells what was made
        oracle = Oracle(self._with(realm))
        self._actors = [_Actor(identity, (), oracle.grants(identity), self._steps)]
        known = [self._actors[0].grants.keys()]
        for power, path in sorted(found.items(), key=lambda item: len(item[1])):
            if isinstance(power, Being):
                actor = _Actor(power.identity, path.steps, oracle.grants(power.identity), self._steps)
                if not any(actor.grants.keys() <= one for one in known):  # else somebody nearer can do all of it
                    self._actors.append(actor)
                    known.append(actor.grants.keys())
        self._oracle = oracle
        every = {key: grant for actor in self._actors for key, grant in actor.grants.items()}
        self._unnamed = [(grant.namespace, replace(grant.rule, names=())) for grant in every.values()]
        self._scopes: dict[tuple[str, str, str], set[str]] = {}
        self._taken: dict[Part, tuple[Steps, tuple[Act, ...]] | None] = {}

    def path(self, opening: Opening) -> Path | None:
        """The shortest path by one step more; None where that is not open, or gains nothing."""
        before: list[Steps] = []
        for power in opening.needs:
            if power not in self._found:
                return None
            before.append(self._found[power].steps)
        acts: list[Act] = []
        for part in opening.parts:
            taken = self._take(part)
            if taken is None:
                return None
            before.append(taken[0])
            acts += (act for act in taken[1] if act not in acts)
        if isinstance(opening.gain, Rights) and self._has(opening.gain):
            return None
        return Path((*_merged(before), Step(opening.gain, opening.sentence, tuple(acts), opening.source)))

    def _with(self, realm: Realm) -> Realm:
        """The realm with what was made: bindings for everybody, and roles that say everything."""
        roles = {(role.namespace, role.name): role for role in realm.roles}
        bindings = list(realm.bindings)
        for power, path in self._found.items():
            at = f"made before: {power}"
            if isinstance(power, Rewriting):
                self._made[at] = path.steps
                role = roles[power.namespace, power.role]
                rules = tuple(replace(rule, at=at) for rule in _ANYTHING)
                roles[power.namespace, power.role] = replace(role, rules=(*role.rules, *rules), aggregates=())
            elif isinstance(power, Rights):
                self._made[at] = path.steps
                bindings.append(Binding("made", power.role, _ALL, power.namespace, power.role_namespace, at))
        return replace(realm, roles=tuple(roles.values()), bindings=tuple(bindings))

    def _steps(self, grant: Grant) -> Steps:
        """The steps that made what a grant stands on."""
        return _merged(self._made.get(at, ()) for at in (grant.binding.at, grant.rule.at))

    def _has(self, rights: Rights) -> bool:
        """Whether one of those who one can be has the rights already."""
        role = self._oracle.role_of(Binding("", rights.role, (), rights.namespace, rights.role_namespace))
        return role is None or any(actor.has(role, rights.namespace) for actor in self._actors)

    def _take(self, part: Part) -> tuple[Steps, tuple[Act, ...]] | None:
        """How a part can be done with the fewest steps before: those steps, and the acts."""
        if part not in self._taken:
            likely = [either for either in part.either if all(map(self._is_likely, either))]
            ways = (way for actor in self._actors for either in likely if (way := actor.take(either, part)))
            self._taken[part] = min(ways, key=lambda way: len(way[0]), default=None)
        return self._taken[part]

    def _is_likely(self, request: Request) -> bool:
        """Whether anybody may do such a thing there, be it to something of one name: looked up once for all places."""
        key = (request.verb, request.kind, request.group)
        if key not in self._scopes:
            self._scopes[key] = {scope for scope, rule in self._unnamed if rule.allows(request)}
        return "" in self._scopes[key] or request.namespace in self._scopes[key]


class _Actor:
    """Somebody whom one can be after ``steps``. ``made`` tells the steps that a grant stands on."""

    def __init__(
        self, identity: Identity, steps: Steps, grants: Iterable[Grant], made: Callable[[Grant], Steps]
    ) -> None:
        self._identity = identity
        self._steps = steps
        self._made = made
        self._scopes: dict[str, list[Grant]] = {}
        for grant in sorted(grants, key=lambda grant: len(made(grant))):
            self._scopes.setdefault(grant.namespace, []).append(grant)
        every = [grant for scope in self._scopes.values() for grant in scope]
        self.grants = {(id(grant.binding), id(grant.rule)): grant for grant in every}
        self._restricted = [grant.rule for grant in every if grant.rule.names]
        self._names_of: dict[tuple[str, str], tuple[str, ...]] = {}
        self._known: dict[tuple[str, ...], Grant | None] = {}

    def has(self, role: Role, namespace: str) -> bool:
        """Whether all rules of a role are his in a namespace, or everywhere where that is empty."""
        rules = {grant.rule for scope in {"", namespace} for grant in self._scopes.get(scope, ())}
        return _ANYTHING[0] in rules or {*role.rules} <= rules

    def take(self, together: Together, part: Part) -> tuple[Steps, tuple[Act, ...]] | None:
        """The steps before, and the acts, if all of some requests are allowed to him."""
        for name in ("", *self._names(together)) if part.one_will_do else ("",):
            if pairs := self._allowed(together, name):
                before = (self._steps, *(self._made(grant) for _, grant in pairs))
                acts = tuple(Act(self._identity, request, grant.reason) for request, grant in pairs)
                return _merged(before), acts
        return None

    def _names(self, together: Together) -> Iterator[str]:
        """The names by which rules let him do some of what is asked without a name."""
        for request in together:
            key = (request.group, request.kind)
            if key not in self._names_of:
                names = ((rule, name) for rule in self._restricted for name in rule.names)
                found = {name for rule, name in names if rule.covers(replace(request, name=name))}
                self._names_of[key] = tuple(sorted(found))
            if not request.name:
                yield from self._names_of[key]

    def _allowed(self, together: Together, name: str) -> list[tuple[Request, Grant]]:
        """The requests, those without a name for ``name``, with what allows each; empty if not all are allowed."""
        pairs = []
        for request in together:
            some = [one for one in _named(request, name) if all(map(self._grant, one))]
            if not some:
                return []
            pairs += [(one, grant) for one in some[0] if (grant := self._grant(one))]
        return pairs

    def _grant(self, request: Request) -> Grant | None:
        """The grant that allows a request, with the fewest steps before."""
        scopes = ("", request.namespace) if request.namespace in self._scopes else ("",)
        grants = [grant for scope in dict.fromkeys(scopes) if (grant := self._grant_of(scope, request))]
        return min(grants, key=lambda grant: len(self._made(grant)), default=None)

    def _grant_of(self, scope: str, request: Request) -> Grant | None:
        key = (scope, request.verb, request.kind, request.group, request.name)
        if key not in self._known:
            grants = self._scopes.get(scope, ())
            self._known[key] = next((one for one in grants if one.reaches(request) and one.rule.allows(request)), None)
        return self._known[key]


def _named(request: Request, name: str) -> Iterator[Together]:
    """How a request is made for a name.

    What is created by POST has none yet for an authorizer. It has one if it is created by a server-side apply, which
    asks for ``patch`` and then for ``create`` (``pkg/endpoints/handlers/patch.go`` of k8s.io/apiserver).
    """
    if request.name or not name:
        yield (request,)
    elif request.verb == "create" and not request.subresource:
        yield (request,)
        yield tuple(replace(request, verb=verb, name=name) for verb in ("patch", "create"))
    else:
        yield (replace(request, name=name),)


def _merged(several: Iterable[Steps]) -> Steps:
    """Steps one after the other, each once."""
    return tuple({step.gain: step for steps in several for step in steps}.values())


def _is_had(power: Power, identity: Identity) -> bool:
    """Whether a power is to be who one is already."""
    if not isinstance(power, Being):
        return False
    member = power.identity.name == ANYBODY and power.identity.groups != {AUTHENTICATED}
    return (member or power.identity.name == identity.name) and power.identity.groups <= identity.groups


def _is_less(power: Power, path: Path, found: Found, full: Collection[tuple[str, str]]) -> bool:
    """Whether no more steps lead to a power that has this one in it."""
    match power:
        case Secrets(namespace, name) if name:
            more: list[Power] = [Secrets(namespace)]
        case Rights(role, namespace, role_namespace) if (role_namespace, role) not in full:
            more = [Rights(name, namespace, of) for of, name in full]
        case _:
            more = []
    return any(one in found and len(found[one]) <= len(path) for one in more)
