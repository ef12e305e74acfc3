"""``python -m harness.access.score``: how many mutants of the roles and bindings a table of expectations notices.

Offline: the oracle judges each cell of the table under each mutant. Mutants are held against the table alone, never
against what the oracle says of the original. What a cluster has beside the manifests are its default roles and
bindings. Exit status 0: every mutant is killed, or argued to be equivalent; 1: one survived, or an argument is stale;
2: an option, a manifest or the table is wrong.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from harness.access.defaults import defaults
from harness.access.expectations import read
from harness.access.matrix import Who
from harness.access.meaning import Meanings
from harness.access.mutate import Mutant, mutants
from harness.access.oracle import Decision, Oracle
from harness.access.parse import joined, realm_of
from harness.access.request import MASTERS, Identity, Request
from harness.access.resources import Resource, beyond, questions, served
from harness.access.rules import Kind, Realm, Rule, Subject
from harness.access.table import Expected, expected, unknown_namespaces, unknown_subjects, with_custom
from harness.errors import ManifestError
from harness.kube.manifests import load
from harness.mutation import Argument, Score, judge
from harness.proofs import render
from harness.scoring import inputs, run, say, settings_of, tell
from harness.settings import Settings

USED = frozenset({"manifests", "access_expectations", "artifacts"})
SHOWN = 20
"""How many cells that the roles do not meet are told."""


class Reach:
    """Which of some requests an identity may make. What a rule allows is worked out once: mutants share their rules."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._places: dict[str, list[Request]] = {"": []}
        for request in dict.fromkeys(requests):
            self._places[""].append(request)
            if request.namespace:
                self._places.setdefault(request.namespace, []).append(request)
        self._allowed: dict[tuple[Rule, str], frozenset[Request]] = {}

    def allowed(self, oracle: Oracle, identity: Identity) -> frozenset[Request]:
        """Those of the requests that are allowed, as `Oracle.decide` has it."""
        if MASTERS in identity.groups:
            return frozenset(self._places[""])
        return frozenset().union(*(self._by(grant.rule, grant.namespace) for grant in oracle.grants(identity)))

    def _by(self, rule: Rule, namespace: str) -> frozenset[Request]:
        key = (rule, namespace)
        if key not in self._allowed:
            self._allowed[key] = frozenset(one for one in self._places.get(namespace, ()) if rule.allows(one))
        return self._allowed[key]


@dataclass(frozen=True)
class Breach:
    """A cell that roles and bindings do not meet."""

    expected: Expected
    decision: Decision

    def __str__(self) -> str:
        return f"{self.expected}, but the roles say {self.decision}"


class Judge:
    """Holds realms against the cells of a table."""

    def __init__(self, cells: Iterable[Expected]) -> None:
        self._cells: dict[Who, list[Expected]] = {}
        for one in cells:
            self._cells.setdefault(one.cell.who, []).append(one)
        self._sides = {
            who: [frozenset(one.cell.request for one in mine if one.allowed is side) for side in (True, False)]
            for who, mine in self._cells.items()
        }
        self._reach = Reach(one.cell.request for mine in self._cells.values() for one in mine)

    def breaches(self, oracle: Oracle, base: Oracle | None = None) -> Iterator[Breach]:
        """The cells that are not met, in order. ``base`` meets them all: whoever has the same there is passed over."""
        for who, mine in self._cells.items():
            if base and oracle.grants(who.identity) == base.grants(who.identity):
                continue
            allowed = self._reach.allowed(oracle, who.identity)
            yes, no = self._sides[who]
            wrong = (yes - allowed) | (no & allowed)
            for one in mine if wrong else ():
                if one.cell.request in wrong:
                    yield Breach(one, oracle.decide(who.identity, one.cell.request))


def score(
    written: Realm,
    cells: Sequence[Expected],
    arguments: Sequence[Argument] = (),
    *,
    around: Realm,
    resources: Sequence[Resource],
) -> Score:
    """Judge every mutant of what is written; ``around`` is what a cluster has beside it, ``resources`` what it serves.

    Raises ManifestError where what is written misses a cell itself.
    """
    judging, base = Judge(cells), Oracle(joined(written, around))
    if missed := list(islice(judging.breaches(base), SHOWN)):
        told = "\n".join(map(str, missed))
        raise ManifestError(missed[0].expected.at, "", f"the roles do not meet the expectations:\n{told}")

    def breach(mutant: Mutant) -> str:
        return str(next(judging.breaches(Oracle(joined(mutant.realm, around)), base), ""))

    whom = list(dict.fromkeys(one.cell.who for one in cells))
    hint = partial(unnoticed, written, around=around, resources=resources, whom=whom)
    return judge(mutants(written, around, resources), breach, hint, arguments)


def unnoticed(
    written: Realm, mutant: Mutant, *, around: Realm, resources: Sequence[Resource], whom: Sequence[Who]
) -> str:
    """A request of somebody that a mutant changes, in words: what a cell could expect something of.

    It is one of ``whom``, if it changes any of theirs, or else of somebody whom a binding names.
    """
    before, after = (Oracle(joined(realm, around)) for realm in (written, mutant.realm))
    homes = dict.fromkeys(home.name for home in (*written.homes, *mutant.realm.homes, *around.homes))
    homes |= dict.fromkeys(
        one.namespace for realm in (written, mutant.realm) for one in realm.bindings if one.namespace
    )
    requests = [question.request for question in questions(resources, homes)]
    reach = Reach(requests)
    named = dict.fromkeys(
        one for realm in (written, mutant.realm) for binding in realm.bindings for one in binding.subjects
    )
    everybody = [(one.name, one.identity) for one in whom] + [(f"{one}", _one_of(one)) for one in named]
    for name, identity in everybody:
        had, has = (reach.allowed(oracle, identity) for oracle in (before, after))
        for request in requests:
            if (request in had) != (request in has):
                now, not_so = ("allowed", "denied") if request in has else ("denied", "allowed")
                return f"no cell notices that {name}: {request} is {now}, not {not_so}"
    return "no request without the name of an object changes: say it of the object, as resource[name] or *[name]"


def _one_of(subject: Subject) -> Identity:
    """Somebody whom a binding of this subject is for."""
    match subject.kind:
        case Kind.USER:
            return Identity.user(subject.name)
        case Kind.GROUP:
            return Identity("somebody", frozenset({subject.name}))
        case Kind.ACCOUNT:
            return Identity.account(subject.namespace, subject.name)


def unreached(written: Realm, resources: Iterable[Resource]) -> Iterator[str]:
    """The rules that speak of nothing which is served, so that no mutant of theirs can be judged."""
    meanings = Meanings(resources)
    for role in written.roles:
        for index, rule in enumerate(role.rules):
            if not role.aggregates and meanings.reaches_nothing(rule):
                yield f"{rule.at}: {role} rule {index + 1}: a plain cluster serves nothing that it speaks of"


def score_of(settings: Settings) -> Score:
    """Score the expectations that the settings name; tell of it, but for the total. Raises UsageError."""
    folder, file = inputs(settings, "access", "who may do what")
    expectations = read(file)
    written = realm_of(load(folder, render))
    resources = with_custom((*served(), *beyond()), expectations.entries)
    everything = joined(written, defaults())
    if wrong := [*unknown_namespaces(expectations, everything), *unknown_subjects(expectations, everything)]:
        raise ManifestError.of(wrong)
    cells = expected(expectations, resources)
    said = score(written, cells, expectations.equivalent, around=defaults(), resources=resources)
    for line in unreached(written, resources):
        say(f"not judged {line}")
    tell(said, settings.run_folder / "access")
    return said


def main(arguments: Sequence[str]) -> int:
    """Score the expectations; the exit status."""
    said = score_of(settings_of("python -m harness.access.score", arguments, USED))
    say(f"mutation score {said}")
    return 0 if said.complete else 1


if __name__ == "__main__":
    sys.exit(run(main))
