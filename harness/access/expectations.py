"""Who shall be able to do what, as a person writes it down: subjects and tables in YAML. Pure, but for ``read``.

The file is read strictly: whatever it says that is not understood, or says twice, is an error with its line. What it
may hold is told in docs/how-to/expect-access.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.access.matrix import Who
from harness.access.request import ACCOUNT_PREFIX, ANONYMOUS, Identity
from harness.errors import ManifestError
from harness.kube.sources import Source
from harness.kube.strict import Line, did_you_mean, known_keys, mapping, read_one, tables, text, texts
from harness.mutation import Argument, arguments_of

NAMESPACE: Final = "namespace:"
CLUSTER: Final = "cluster"
CORNER: Final = f"{NAMESPACE}NAME or {CLUSTER}"
OTHERS: Final = "*"
"""The row of whatever no other row of the same place is about."""
NONE: Final = "-"
UNSAID: Final = "?"
READ: Final = "read"
ALL: Final = "all"
READING: Final = ("get", "list", "watch")

_SUBJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:@/-]*[A-Za-z0-9])?")
_ROW = re.compile(r"(?P<what>[^\s\[\]]+)(\[(?P<name>[^\s\[\]]+)\])?")
_WORD = re.compile(r"[a-z][a-z:-]*")  # impersonate:user-info
_ACCOUNT = re.compile(r"(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9.-]+)")


@dataclass(frozen=True)
class Entry:
    """What a cell of a table says: ``words`` are the verbs that ``subject`` has, None where nothing is said of them.

    ``namespace`` is empty in the cluster's table, ``what`` a resource as `Resource.what`, a path, or ``*``; ``name``
    that of one object, or empty. ``at`` is the row's ``file:line``.
    """

    namespace: str
    what: str
    name: str
    subject: str
    words: tuple[str, ...] | None
    at: str = field(default="", compare=False)

    @property
    def row(self) -> str:
        """As the row begins."""
        return f"{self.what}[{self.name}]" if self.name else self.what

    @property
    def scope(self) -> str:
        """As its table begins."""
        return scope(self.namespace)

    def verbs(self, known: Iterable[str]) -> frozenset[str]:
        """Those of the verbs that it allows."""
        words = self.words or ()
        if ALL in words:
            return frozenset(known)
        return frozenset(verb for verb in known if verb in words or (READ in words and verb in READING))


@dataclass(frozen=True)
class Expectations:
    """A whole file. ``entries`` come in its order."""

    subjects: Mapping[str, Who]
    entries: tuple[Entry, ...]
    equivalent: tuple[Argument, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that have a table, in the order of the file."""
        return tuple(dict.fromkeys(entry.namespace for entry in self.entries if entry.namespace))


def scope(namespace: str) -> str:
    """What the table of a namespace begins with, or that of the cluster where it is empty."""
    return f"{NAMESPACE}{namespace}" if namespace else CLUSTER


def read(file: Path) -> Expectations:
    """The expectations in a file. Raises ManifestError with file, line, and what is wrong there."""
    return parse(read_one(file, CORNER, "subjects, rights"))


def parse(source: Source) -> Expectations:
    """The expectations that a YAML document holds. Raises ManifestError with file, line, and what is wrong there."""
    body = source.object
    known_keys(source, (), body, required=("subjects", "rights"), optional=("equivalent",))
    subjects = _subjects(source)
    entries: dict[tuple[str, str, str, str], Entry] = {}
    for lines in tables(source, "rights", CORNER):
        for entry in _table(lines, subjects):
            said = entries.setdefault((entry.namespace, entry.what, entry.name, entry.subject), entry)
            if said is not entry:
                problem = f"is said already, at {said.at}: say it once"
                raise ManifestError(entry.at, f"row {entry.row}, column {entry.subject}", problem)
    positive = {entry.subject for entry in entries.values() if entry.words}
    for name, who in subjects.items():
        if name not in positive:
            problem = "is nowhere allowed anything: a typo would pass for a denial, so say at least one thing it may do"
            raise ManifestError(who.at, f"subject {name}", problem)
    return Expectations(subjects, tuple(entries.values()), tuple(arguments_of(source)))


# ------------------------------------------------------------------------------------------------------------ subjects


def _subjects(source: Source) -> dict[str, Who]:
    subjects: dict[str, Who] = {}
    known: dict[Identity, Who] = {}
    for name, value in mapping(source, ("subjects",), source.object["subjects"]).items():
        if not _SUBJECT.fullmatch(name):
            problem = "is no name for a subject: use letters, digits and . _ : @ / -, a letter or digit first and last"
            raise ManifestError(source.where(("subjects", name)), name, problem)
        who = _who(source, name, value)
        first = known.setdefault(who.identity, who)
        if first is not who:
            raise ManifestError(who.at, f"subject {name}", f"is the same as {first.name}, at {first.at}: name one")
        subjects[name] = who
    if not subjects:
        raise ManifestError(source.where(("subjects",)), "subjects", "is empty: name at least one who asks")
    return subjects


def _who(source: Source, name: str, value: object) -> Who:
    path = ("subjects", name)
    at = source.where(path)
    if value == "anonymous":
        return Who(name, Identity.anonymous(), at=at)
    if not isinstance(value, dict) or ("user" in value) == ("service-account" in value):
        problem = "must be `{user: …, groups: […]}`, `{service-account: namespace/name}` or `anonymous`"
        raise ManifestError(at, f"subject {name}", problem)
    if "user" in value:
        known_keys(source, path, value, required=("user",), optional=("groups", "home", "unbound"))
        user = text(source, (*path, "user"), value["user"])
        if user.startswith(ACCOUNT_PREFIX) or user == ANONYMOUS:
            problem = "is no user with a name of his own: write service-account: namespace/name, or anonymous"
            raise ManifestError(source.where((*path, "user")), f"subject {name}", f"{user} {problem}")
        identity = Identity.user(user, texts(source, (*path, "groups"), value.get("groups", [])))
    else:
        known_keys(source, path, value, required=("service-account",), optional=("home", "unbound"))
        account = text(source, (*path, "service-account"), value["service-account"])
        found = _ACCOUNT.fullmatch(account)
        if not found:
            problem = f"{account!r} is no ServiceAccount: write namespace/name"
            raise ManifestError(source.where((*path, "service-account")), f"subject {name}", problem)
        identity = Identity.account(found["namespace"], found["name"])
    unbound = value.get("unbound", False)
    if not isinstance(unbound, bool):
        raise ManifestError(source.where((*path, "unbound")), f"subject {name}", "unbound must be true or false")
    home = frozenset(texts(source, (*path, "home"), value["home"])) if "home" in value else None
    return Who(name, identity, unbound, home, at)


# -------------------------------------------------------------------------------------------------------------- tables


def _table(lines: Iterable[Line], subjects: Mapping[str, Who]) -> Iterator[Entry]:
    """The entries of one table."""
    (top, (corner, *header)), *rows = lines
    namespace = corner.removeprefix(NAMESPACE)
    if corner != CLUSTER and (namespace == corner or not namespace):
        raise ManifestError(top, "rights", f"a table begins with {CORNER} and its subjects, not with {corner!r}")
    for name in header:
        if name not in subjects:
            raise ManifestError(top, f"column {name}", f"is no subject{did_you_mean(name, subjects)}")
        if header.count(name) > 1:
            raise ManifestError(top, f"column {name}", "stands twice in this table")
    for at, (first, *cells) in rows:
        found = _ROW.fullmatch(first)
        if not found or (found["name"] and found["what"].startswith("/")):
            problem = "is no row: write resource, resource.group/subresource, resource[name], /path, * or *[name]"
            raise ManifestError(at, f"row {first}", problem)
        if len(cells) != len(header):
            problem = f"has {len(cells)} cells under {len(header)} subjects; write verbs with commas and no blanks"
            raise ManifestError(at, f"row {first}", f"{problem}, {NONE} for none, {UNSAID} where nothing is expected")
        for name, cell in zip(header, cells, strict=True):
            words = _words(at, f"row {first}, column {name}", cell)
            yield Entry("" if corner == CLUSTER else namespace, found["what"], found["name"] or "", name, words, at)


def _words(at: str, place: str, cell: str) -> tuple[str, ...] | None:
    if cell in (NONE, UNSAID):
        return () if cell == NONE else None
    words = cell.split(",")
    for word in words:
        if not _WORD.fullmatch(word):
            fix = f"write verbs with commas between them, {READ}, {ALL}, {NONE} or {UNSAID}"
            raise ManifestError(at, place, f"{word!r} in {cell!r} is no verb: {fix}")
        if words.count(word) > 1:
            raise ManifestError(at, place, f"says {word} twice")
    return tuple(words)
