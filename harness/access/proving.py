"""Proofs on a cluster: a table of expectations held against all ways, and the ways held against each other."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from harness.access.drift import drift
from harness.access.expectations import Expectations, scope
from harness.access.export import asked
from harness.access.lab import Lab
from harness.access.matrix import Compared, Standing, State, Who
from harness.access.oracle import Oracle
from harness.access.parse import joined
from harness.access.resources import Resource
from harness.access.rules import Realm
from harness.access.table import Expected, expected, unknown_namespaces, unknown_subjects
from harness.access.whom import OF_SYSTEM, SYSTEM, named_objects
from harness.errors import ManifestError


@dataclass(frozen=True)
class Judged:
    """A cell of a table, and what every way says of it."""

    expected: Expected
    compared: Compared

    @property
    def holds(self) -> bool:
        """Whether every way that was gone says what is expected."""
        return self.compared.standing is Standing.AGREES and self.compared.model.allowed is self.expected.allowed

    def __str__(self) -> str:
        """Cell and row, then what the cluster says, then what the roles as written do, by file and line."""
        state = State.ALLOWED if self.expected.allowed else State.DENIED
        one = self.compared
        asked = "" if one.asked.state is State.UNTESTED else f", and a request met: {one.asked}"
        return (
            f"{self.expected.cell} must be {state} ({self.expected.at}), but its review says {one.reviewed}{asked}. "
            f"The roles as written say {one.model}"
        )


@dataclass(frozen=True)
class Proof:
    """A table held against a cluster.

    ``drift`` tells how the cluster's roles differ from the written ones, ``untold`` which rights of the table's
    subjects hold where it says nothing of them.
    """

    judged: Sequence[Judged]
    drift: Sequence[str]
    untold: Sequence[str]

    @property
    def broken(self) -> list[Judged]:
        """The cells that are not as expected."""
        return [one for one in self.judged if not one.holds]

    @property
    def compared(self) -> list[Compared]:
        """What every way says."""
        return [one.compared for one in self.judged]


def prove_table(lab: Lab, expectations: Expectations, written: Realm, owned: Collection[str]) -> Proof:
    """Settle every cell that a table speaks of, and hold it against the table.

    An object by whose name a rule restricts a right is asked for by that name, whether or not the table has its row.
    The model judges the roles as ``written`` in the namespaces ``owned``, whatever the cluster has there: so what is
    missing there, or more than written, shows as a difference. Raises ManifestError for a subject or a namespace that
    is not there, and for a row of what is not served.
    """
    live = lab.realm()
    realm = joined(written, live, owned)
    if unknown := [*unknown_namespaces(expectations, realm), *unknown_subjects(expectations, realm)]:
        raise ManifestError.of(unknown)
    named = _named((realm, live), lab.resources, expectations.namespaces, list(expectations.subjects.values()))
    wanted = expected(expectations, lab.resources, named)
    compared = lab.settle(realm, [one.cell for one in wanted])
    judged = [Judged(one, found) for one, found in zip(wanted, compared, strict=True)]
    return Proof(judged, drift(written, live, owned), untold(expectations, live))


def _named(
    realms: Iterable[Realm], resources: Sequence[Resource], places: Sequence[str], whom: Sequence[Who]
) -> dict[tuple[str, str], list[str]]:
    """The objects that rules of any of some realms name, by place and what."""
    found: dict[tuple[str, str], list[str]] = {}
    for realm in realms:
        for key, names in named_objects(realm, resources, places, whom).items():
            found.setdefault(key, []).extend(names)
    return found


def untold(expectations: Expectations, live: Realm) -> list[str]:
    """The rights that a table's subjects have in namespaces where it has nothing of them; each binding is told once.

    Whoever has a right in all namespaces has it in those that have a table, and it shows there. What a cluster gives to
    groups of its own in its own namespaces is left out.
    """
    oracle = Oracle(live)
    found: dict[str, None] = {}
    for who in expectations.subjects.values():
        tables = {entry.namespace for entry in expectations.entries if entry.subject == who.name}
        for grant in oracle.grants(who.identity):
            place = grant.namespace
            theirs = SYSTEM.fullmatch(place) and grant.subject.name.startswith(OF_SYSTEM)
            if place and place not in tables and not theirs:
                found[
                    f"{who.name} has rights in namespace {place}, of which no table says anything: {grant.binding} "
                    f"binds {grant.subject} to {grant.role}. Add a table that begins with {scope(place)}"
                ] = None
    return list(found)


def prove_ways(
    lab: Lab, everybody: Sequence[Who], written: Realm, owned: Collection[str]
) -> tuple[list[Compared], list[str]]:
    """Settle the complete matrix of some people in namespaces ``owned``, whatever anybody means by the roles.

    With how the cluster's roles differ from the ``written`` ones.
    """
    live = lab.realm()
    realm, places = joined(written, live, owned), sorted(owned)
    named = _named((realm, live), lab.resources, places, everybody)
    return lab.settle(realm, asked(everybody, lab.resources, places, named)), drift(written, live, owned)


def told(lines: Sequence[object], most: int = 20) -> str:
    """Sentences, one a line; of many the first ones, and how many more there are."""
    more = [f"… and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join(map(str, (*lines[:most], *more)))
