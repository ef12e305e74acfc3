"""The cells that a file of expectations speaks of, over what an API server serves; and whether its subjects exist.

Pure. What is wrong is said with the line of the row or of the subject, and with what may have been meant.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from harness.access.expectations import ALL, CLUSTER, NAMESPACE, OTHERS, READ, READING, Entry, Expectations
from harness.access.matrix import Cell, Who
from harness.access.request import ACCOUNTS, AUTHENTICATED, Identity, Request
from harness.access.resources import Resource, lying_in
from harness.access.rules import Kind, Realm
from harness.errors import ManifestError
from harness.kube.strict import did_you_mean

USUAL: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
"""The verbs of a custom resource, which a plain cluster cannot tell."""


@dataclass(frozen=True)
class Expected:
    """One cell of the complete matrix, and what is expected of it. ``at`` is the row that says so."""

    cell: Cell
    allowed: bool
    at: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.cell} is expected to be {'allowed' if self.allowed else 'denied'} ({self.at})"


def expected(
    expectations: Expectations,
    resources: Iterable[Resource],
    named: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> list[Expected]:
    """Every cell that the tables speak of, over the resources that are served, by subject, then place, then resource.

    ``named`` are objects by place and what: each is asked for as well, and expected to be as its row says.

    Raises ManifestError, which lists each row that speaks of what is not served, or not there.
    """
    served = tuple(resources)
    if wrong := list(_wrong(expectations, served)):
        raise ManifestError.of(wrong)
    return [
        one
        for who in expectations.subjects.values()
        for namespace in ("", *expectations.namespaces)
        for one in _of_subject(
            who,
            namespace,
            {
                (entry.what, entry.name): entry
                for entry in expectations.entries
                if entry.subject == who.name and entry.namespace == namespace
            },
            served,
            named or {},
        )
    ]


def _of_subject(
    who: Who,
    namespace: str,
    entries: Mapping[tuple[str, str], Entry],
    served: Sequence[Resource],
    also: Mapping[tuple[str, str], Sequence[str]],
) -> Iterator[Expected]:
    """The cells of a subject in one place. What names an object counts before its resource, and that before ``*``."""
    named: dict[str, list[str]] = {}
    for what, name in entries:
        named.setdefault(what, []).extend([name] if name else [])
    for resource in lying_in(served, namespace) if entries else ():
        names = (*named.get(resource.what, named.get(OTHERS, ())), *also.get((namespace, resource.what), ()))
        for name in names_of(resource, names, served):
            keys = ((resource.what, name), (resource.what, ""), (OTHERS, name), (OTHERS, ""))
            entry = next((entries[key] for key in keys if key in entries), None)
            if entry is None or entry.words is None:
                continue
            allowed = entry.verbs(resource.verbs)
            for cell in cells_of(who, resource, namespace, name):
                yield Expected(cell, cell.request.verb in allowed, entry.at)


def with_custom(resources: Iterable[Resource], entries: Iterable[Entry]) -> tuple[Resource, ...]:
    """The resources of a plain cluster, and the custom ones of the entries: of groups that such a cluster lacks.

    A custom resource lies where its rows say, and has the usual verbs beside those that they name.
    """
    plain = tuple(resources)
    groups = {one.group for one in plain}
    words: dict[tuple[str, bool], set[str]] = {}
    for entry in entries:
        group = entry.what.partition("/")[0].partition(".")[2]
        if group and group not in groups:
            words.setdefault((entry.what, bool(entry.namespace)), set()).update(entry.words or ())
    return (*plain, *(_custom(what, namespaced, more) for (what, namespaced), more in words.items()))


def _custom(what: str, namespaced: bool, words: Iterable[str]) -> Resource:  # noqa: FBT001 -- a key of `with_custom`
    whole, _, subresource = what.partition("/")
    name, _, group = whole.partition(".")
    return Resource(name, group, subresource, tuple(sorted({*USUAL, *words} - {READ, ALL})), namespaced)


def names_of(resource: Resource, named: Sequence[str], served: Iterable[Resource]) -> tuple[str, ...]:
    """By which names a resource is asked for, where a table has some ``named``: its own, or none (empty), and those.

    A name that is one of a namesake's own, as those of signers are, is asked for of that one alone.
    """
    own = resource.names or ("",)
    if not named:
        return own
    others = {name for one in served if one.what == resource.what for name in one.names}.difference(own)
    return tuple(dict.fromkeys((*own, *(name for name in named if name not in others))))


def cells_of(who: Who, resource: Resource, namespace: str, name: str) -> Iterator[Cell]:
    """What somebody can ask of a resource in a place, or of its object ``name``."""
    for verb in verbs_of(resource, name):
        request = Request(verb, resource.name, resource.group, resource.subresource, namespace, name, url=resource.url)
        yield Cell(who, request, resource.source)


def verbs_of(resource: Resource, name: str = "") -> tuple[str, ...]:
    """The verbs that can be asked for of a resource, or of its object ``name``: what is yet to be made has no name."""
    if not name or resource.subresource or resource.names:
        return resource.verbs
    return tuple(verb for verb in resource.verbs if verb != "create")


def _wrong(expectations: Expectations, served: Iterable[Resource]) -> Iterator[ManifestError]:
    known: dict[str, list[Resource]] = {}
    for resource in served:
        known.setdefault(resource.what, []).append(resource)
    told: set[tuple[str, str]] = set()
    for entry in expectations.entries:
        for problem in _problems(entry, known):
            if (entry.at, problem) not in told:  # once for a row, not for each of its columns
                told.add((entry.at, problem))
                yield ManifestError(entry.at, f"row {entry.row}", problem)


def _problems(entry: Entry, known: Mapping[str, list[Resource]]) -> Iterator[str]:
    everything = chain.from_iterable(known.values()) if entry.what == OTHERS else known.get(entry.what, ())
    inside = list(lying_in(everything, entry.namespace))
    if entry.name:
        inside = [one for one in inside if entry.name in names_of(one, (entry.name,), inside)]
    if entry.what not in (OTHERS, *known):
        yield f"is nothing that the API serves{did_you_mean(entry.what, known)}"
    elif not inside and entry.namespace:
        yield f"lies in no namespace: say it in a table that begins with {CLUSTER}"
    elif not inside:
        yield f"lies in namespaces: say it in a table that begins with {NAMESPACE} and one of them"
    else:
        has = list(dict.fromkeys(verb for one in inside for verb in verbs_of(one, entry.name)))
        for word in entry.words or ():
            if word == READ and not set(READING) & set(has):
                yield f"can not be read: it has {', '.join(has)}"
            elif word == "create" and word not in has and any(word in one.verbs for one in inside):
                yield "names one object, and what is yet to be made has no name: say create of the whole resource"
            elif word not in (*has, READ, ALL):
                yield f"has no verb {word}{did_you_mean(word, [*has, READ, ALL])}"


def unknown_subjects(expectations: Expectations, realm: Realm) -> list[ManifestError]:
    """What is wrong with the subjects where these roles and bindings are.

    A ServiceAccount that is not there; a user of whom no binding names the name or a group; one who is said to be
    ``unbound``, and whom a binding does name.
    """
    return [
        ManifestError(who.at, f"subject {who.name}", problem)
        for who in expectations.subjects.values()
        if (problem := _problem_of(who, realm))
    ]


def _problem_of(who: Who, realm: Realm) -> str:
    identity = who.identity
    accounts = [f"{one.namespace}/{one.name}" for one in realm.accounts]
    account = "/".join(identity.as_account or ())
    if account and account not in accounts:
        return f"there is no ServiceAccount {account}{did_you_mean(account, accounts)}"
    # What everybody is in, or every account, names nobody.
    own = Identity(identity.name, identity.groups - {AUTHENTICATED} - {ACCOUNTS})
    naming = [(binding, one) for binding in realm.bindings for one in binding.subjects if one.is_one(own)]
    if who.unbound and naming:
        binding, subject = naming[0]
        return f"is said to be unbound, but {binding} ({binding.at}) names {subject}"
    if who.unbound or account or AUTHENTICATED not in identity.groups:
        return ""
    if naming:
        groups = sorted({one.name for binding in realm.bindings for one in binding.subjects if one.kind is Kind.GROUP})
        lost = sorted(own.groups - {*groups})
        return f"no binding names group {lost[0]}{did_you_mean(lost[0], groups)} (or leave it out)" if lost else ""
    names = {
        kind: sorted({one.name for binding in realm.bindings for one in binding.subjects if one.kind is kind})
        for kind in (Kind.USER, Kind.GROUP)
    }
    said = [f"user {identity.name}{did_you_mean(identity.name, names[Kind.USER])}"]
    said += [f"group {one}{did_you_mean(one, names[Kind.GROUP])}" for one in sorted(own.groups)]
    return f"no binding names {', nor '.join(said)} (should it be so, write unbound: true)"


def unknown_namespaces(expectations: Expectations, realm: Realm) -> list[ManifestError]:
    """The tables, and the homes of subjects, that are about a namespace which is not there."""
    homes = [home.name for home in realm.homes]
    places = {entry.namespace: (entry.at, entry.scope) for entry in reversed(expectations.entries) if entry.namespace}
    wrong = [
        ManifestError(at, said, f"there is no such namespace{did_you_mean(name, homes)}")
        for name, (at, said) in reversed(places.items())
        if name not in homes
    ]
    return wrong + [
        ManifestError(
            who.at, f"subject {who.name}", f"is at home in {name}, which is no namespace{did_you_mean(name, homes)}"
        )
        for who in expectations.subjects.values()
        for name in sorted(who.home or ())
        if name not in homes
    ]
