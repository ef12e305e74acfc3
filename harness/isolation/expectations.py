"""Who shall reach whom, as a person writes it down: a YAML file with actors and tables. Pure, but for ``read``.

The file is read strictly: whatever it says that is not understood, or says twice, is an error with its line. What it
may hold is told in docs/how-to/expect-isolation.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from harness.errors import ManifestError
from harness.kube.protocol import Protocol
from harness.kube.sources import FieldPath, Source
from harness.kube.strict import Body, Line, known_keys, mapping, read_one, tables, text
from harness.mutation import Argument, arguments_of

LAST_PORT = 65535
CORNER = "from/to"
"""What a table begins with: YAML does not take a text whose first line stands further right than the others."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE = re.compile(r"service:(?P<id>[a-z0-9-]+/[a-z0-9-]+):(?P<port>\d+)(?:/(?P<protocol>\w+))?")
_ACTOR = re.compile(r"(?P<id>[^:/\s]+):(?P<port>\d+)(?:/(?P<protocol>\w+))?")


class Kind(StrEnum):
    """What an actor is."""

    PODS = "pods"  # that run, by namespace and labels
    STAND_IN = "stand-in"  # a pod that the harness makes
    EXTERNAL = "external"  # an address outside the cluster
    NODE = "node"


class Word(StrEnum):
    """What a cell can say; ``-`` says nothing."""

    ALLOW = "allow"
    DENY = "deny"
    TWICE = "twice"  # denied by the source's egress and by the destination's ingress: either alone would do


@dataclass(frozen=True)
class Actor:
    """Somebody in the tables. A stand-in without ``namespace`` lives in one that the harness makes, without policies.

    ``labels`` of a stand-in are those that its pod gets, the copied ones among them. ``at`` is ``file:line``.
    """

    name: str
    kind: Kind
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    at: str = field(default="", compare=False)

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a pod that runs is this actor. Of a stand-in no pod is: who makes its pod knows it."""
        return (
            self.kind is Kind.PODS
            and namespace == self.namespace
            and all(labels.get(key) == value for key, value in self.labels.items())
        )


@dataclass(frozen=True)
class Column:
    """A destination: a port of an ``actor``, or of a ``service`` (``namespace/name``) by its own address."""

    port: int
    protocol: Protocol = Protocol.TCP
    actor: str = ""
    service: str = ""

    def __str__(self) -> str:
        """As the header has it."""
        suffix = "" if self.protocol is Protocol.TCP else f"/{self.protocol.lower()}"
        return f"{f'service:{self.service}' if self.service else self.actor}:{self.port}{suffix}"


@dataclass(frozen=True)
class Expected:
    """One cell: every pod that ``source`` means reaches every pod that ``destination`` means, or none does.

    ``twice``: the source's egress denies it, and so does the destination's ingress. ``at`` is the row's ``file:line``.
    """

    source: str
    destination: Column
    allowed: bool
    at: str = field(default="", compare=False)
    twice: bool = False

    @property
    def word(self) -> Word:
        """What the cell says."""
        return Word.ALLOW if self.allowed else Word.TWICE if self.twice else Word.DENY

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination}"


@dataclass(frozen=True)
class Expectations:
    """A whole file. ``cells`` come in its order, without those that say nothing."""

    actors: Mapping[str, Actor]
    cells: tuple[Expected, ...]
    equivalent: tuple[Argument, ...] = ()


def read(file: Path) -> Expectations:
    """The expectations in a file. Raises ManifestError with file, line, and what is wrong there."""
    return parse(read_one(file, CORNER, "actors, connections"))


def parse(source: Source) -> Expectations:
    """The expectations that a YAML document holds. Raises ManifestError with file, line, and what is wrong there."""
    body = source.object
    known_keys(source, (), body, required=("actors", "connections"), optional=("equivalent",))
    actors = _actors(source, mapping(source, ("actors",), body["actors"]))
    cells: dict[tuple[str, Column], Expected] = {}
    for lines in tables(source, "connections", CORNER):
        for cell in _table(lines, actors):
            said = cells.setdefault((cell.source, cell.destination), cell)
            if said is not cell:
                raise ManifestError(cell.at, str(cell), f"is expected already, at {said.at}: say it once")
    for allowed, verb, passes in (
        (True, "allowed", "a network that is down"),
        (False, "denied", "a cluster without policies"),
    ):
        if not any(cell.allowed is allowed for cell in cells.values()):
            problem = f"expects no connection to be {verb}: {passes} would meet it, so that it proves nothing"
            raise ManifestError(source.where(("connections",)), "connections", problem)
    return Expectations(actors, tuple(cells.values()), tuple(arguments_of(source)))


# -------------------------------------------------------------------------------------------------------------- actors


def _actors(source: Source, body: Body) -> dict[str, Actor]:
    actors: dict[str, Actor] = {}
    for name, value in body.items():
        path = ("actors", name)
        if not _NAME.fullmatch(name):
            problem = "is no name for an actor: use at most 63 of a-z, 0-9 and -, and begin and end with none of -"
            raise ManifestError(source.where(path), name, problem)
        actors[name] = _actor(source, path, value, actors)
    return actors


def _actor(source: Source, path: tuple[str, ...], value: object, before: Mapping[str, Actor]) -> Actor:
    name, at = path[-1], source.where(path)
    if value in (Kind.EXTERNAL.value, Kind.NODE.value):
        return Actor(name, Kind(str(value)), at=at)
    if not isinstance(value, dict):
        problem = "must be `external`, `node`, `{namespace: …, labels: {…}}` or `{stand-in: {…}}`"
        raise ManifestError(at, f"actor {name}", problem)
    if "stand-in" not in value:
        known_keys(source, path, value, required=("namespace", "labels"))
        labels = _labels(source, (*path, "labels"), value["labels"])
        if not labels:
            raise ManifestError(source.where((*path, "labels")), f"actor {name}", "says by no label which pods it is")
        return Actor(name, Kind.PODS, text(source, (*path, "namespace"), value["namespace"]), labels, at)
    known_keys(source, path, value, required=("stand-in",))
    inner = (*path, "stand-in")
    body = mapping(source, inner, value["stand-in"])
    known_keys(source, inner, body, optional=("namespace", "labels", "labels-of"))
    copied: Mapping[str, str] = {}
    if "labels-of" in body:
        other = before.get(text(source, (*inner, "labels-of"), body["labels-of"]))
        if other is None or not other.labels:
            problem = f"copies the labels of {body['labels-of']}, which is no actor with labels that stands above it"
            raise ManifestError(source.where((*inner, "labels-of")), f"actor {name}", problem)
        copied = other.labels
    own = _labels(source, (*inner, "labels"), body.get("labels", {}))
    namespace = text(source, (*inner, "namespace"), body["namespace"]) if "namespace" in body else ""
    return Actor(name, Kind.STAND_IN, namespace, {**copied, **own}, at)


def _labels(source: Source, path: FieldPath, value: object) -> dict[str, str]:
    return {key: text(source, (*path, key), one) for key, one in mapping(source, path, value).items()}


# -------------------------------------------------------------------------------------------------------------- tables


def _table(lines: Iterable[Line], actors: Mapping[str, Actor]) -> Iterator[Expected]:
    """The cells of one table."""
    (top, (corner, *header)), *rows = lines
    if corner != CORNER:
        raise ManifestError(top, "connections", f"a table begins with {CORNER} and its columns, not with {corner!r}")
    columns = [_column(top, word, actors) for word in header]
    for column in columns:
        if columns.count(column) > 1:
            raise ManifestError(top, f"column {column}", "stands twice in this table")
    known: dict[str, str] = {}
    for at, (row, *cells) in rows:
        if row not in actors:
            raise ManifestError(at, f"row {row}", f"begins with no actor: there are {', '.join(actors)}")
        if row in known:
            raise ManifestError(at, f"row {row}", f"stands twice in this table: first at {known[row]}")
        if len(cells) != len(columns):
            problem = f"has {len(cells)} cells under {len(columns)} columns; write - where nothing is expected"
            raise ManifestError(at, f"row {row}", problem)
        known[row] = at
        yield from _row(at, row, zip(columns, cells, strict=True))


def _row(at: str, row: str, cells: Iterable[tuple[Column, str]]) -> Iterator[Expected]:
    for column, word in cells:
        if word not in (*Word, "-"):
            raise ManifestError(at, f"row {row}, column {column}", f"{word!r} is none of {', '.join(Word)}, -")
        if word != "-":
            yield Expected(row, column, word == Word.ALLOW, at, twice=word == Word.TWICE)


def _column(at: str, word: str, actors: Mapping[str, Actor]) -> Column:
    found = _SERVICE.fullmatch(word) or _ACTOR.fullmatch(word)
    if found is None:
        problem = "is no column: write actor:port, actor:port/udp, actor:port/sctp or service:namespace/name:port"
        raise ManifestError(at, f"column {word}", problem)
    name, port, protocol = found["id"], int(found["port"]), found["protocol"] or "tcp"
    if not 1 <= port <= LAST_PORT:
        raise ManifestError(at, f"column {word}", f"{port} is no port: they go from 1 to {LAST_PORT}")
    if protocol not in [one.lower() for one in Protocol]:
        raise ManifestError(at, f"column {word}", f"{protocol} is no protocol: write tcp, udp or sctp")
    if word.startswith("service:"):
        return Column(port, Protocol(protocol.upper()), service=name)
    if name not in actors:
        raise ManifestError(at, f"column {word}", f"names {name}, which is no actor: there are {', '.join(actors)}")
    return Column(port, Protocol(protocol.upper()), actor=name)
