"""What the API server refused when manifests were applied, object by object: its words, less what nobody can read.

kubectl says which objects it applied, and of the others what the server said, in the order in which they were sent. It
names kind and name, and no namespace: so an object is found by what is left.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.errors import CommandError, ObjectsRefused
from harness.kube.homes import home_of
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest
from harness.kube.sources import FieldPath

_APPLIED: Final = re.compile(r"([a-z0-9]+)(?:\.\S+)?/(\S+) serverside-applied")
_BEGINNING: Final = re.compile(r"(Error from server|error: |The \S+ \"|[Uu]nable to |Warning: )")
_SERVER: Final = re.compile(r"Error from server(?: \(\w+\))?: ")
_NAMED: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9]*)(?:\.[a-z0-9.-]+)? \"([^\"]+)\" (is invalid|is forbidden|not found|)"
)
_CONVERTED: Final = re.compile(r"\((?:([^/;()\s]+)/)?([^/;()\s]+); [^)]*Kind=(\w+)\)")
_SAID_ALREADY: Final = re.compile(r"^(The )?\S+ \"[^\"]+\" is (invalid|(?=forbidden)):? *")
_DUMP: Final = re.compile(r"(?:Invalid|Unsupported) value: [\w.*&\[\]]*(?=\{)")
_QUOTED_OR_BRACE: Final = re.compile(r'"(?:\\.|[^"\\])*"|[{}]')
_PATTERN: Final = re.compile(r" \(e\.g\. .*?regex used for validation is '.*?'\)")
_FIELD: Final = re.compile(r"\[?([A-Za-z]\w*(?:\.\w+|\[\d+\])*): ")
_IMMUTABLE: Final = re.compile(r"immutable|cannot change roleRef|fields other than .*|may not be changed")
_LONGEST: Final = 400
_KEEPS: Final = frozenset({"Namespace", "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition"})
"""Kinds that nobody should delete for a change: something else goes with them."""


@dataclass(frozen=True)
class Sent:
    """An object that was sent, and its path on the API server."""

    manifest: Manifest
    path: str

    @property
    def home(self) -> str:
        """Its namespace; empty for a cluster-scoped one."""
        return home_of(self.path)

    @property
    def names(self) -> tuple[set[str], str]:
        """What the server may call its kind, in small letters, and its name."""
        body = self.manifest.object
        return {body["kind"].lower(), self.path.split("/")[-2]}, body["metadata"]["name"]


def refused(error: CommandError, sent: Sequence[Sent], later: int = 0) -> ObjectsRefused | None:
    """The error that tells what kubectl's failure means of the objects that were sent; None where it is about none.

    ``later`` objects were still to be sent.
    """
    applied = _APPLIED.findall(error.output)
    said = list(_entries(error.output))
    about = _attributed(said, sent, set(applied))
    if not any(about):
        return None
    told = [_told(words, ones) for words, ones in zip(said, about, strict=True)]
    others = f"{len(applied)} {'was' if len(applied) == 1 else 'were'} applied"
    waiting = f", and {later} that need these first were not sent" if later else ""
    return ObjectsRefused(
        "\n".join((f"the API server refused {len(told)} of {len(sent)} objects; {others}{waiting}:", *told))
    )


def _entries(output: str) -> Iterator[str]:
    """What was said of each object that was not applied, in one line each."""
    entry = ""
    for line in output.splitlines():
        if _APPLIED.fullmatch(line) or not line.strip():
            continue
        if _BEGINNING.match(line):
            if entry:
                yield entry
            entry = "" if line.startswith("Warning: ") else line.strip()
        elif entry:
            entry += ("; " if entry[-1] != ":" and line.startswith("* ") else " ") + line.removeprefix("* ").strip()
    if entry:
        yield entry


def _attributed(said: Sequence[str], sent: Sequence[Sent], applied: set[tuple[str, str]]) -> Sequence[tuple[Sent, ...]]:
    """The object that each entry is about, or the few that it can be about; none where that cannot be told."""
    about = [tuple(one for one in sent if _is_about(words, one)) for words in said]
    chosen = []
    for index, ones in enumerate(about):
        alike = [other for other, others in enumerate(about) if others == ones]
        chosen.append((ones[alike.index(index)],) if len(alike) == len(ones) else ones)
    missing = [
        one
        for one in sent
        if (one.manifest.object["kind"].lower(), one.names[1]) not in applied and not any(one in ones for ones in about)
    ]
    nameless = [index for index, ones in enumerate(chosen) if not ones and _SERVER.match(said[index])]
    if len(nameless) == len(missing):
        for index, one in zip(nameless, missing, strict=True):
            chosen[index] = (one,)
    return chosen


def _is_about(words: str, one: Sent) -> bool:
    kinds, name = one.names
    if found := _CONVERTED.search(words):
        return (found[1] or one.home, found[2], found[3].lower() in kinds) == (one.home, name, True)
    found = _NAMED.search(words)
    if not found:
        return False
    if found[1] == "namespaces" and found[3] == "not found":
        return one.home == found[2]
    inside = re.search(r'in the namespace "([^"]+)"', words)
    return found[1].lower() in kinds and found[2] == name and (not inside or inside[1] == one.home)


def _told(words: str, ones: Sequence[Sent]) -> str:
    """The line for one entry."""
    said = _readable(words)
    if not ones:
        return said
    places = " or ".join(one.manifest.where(_field(said)) for one in ones)
    return f"{places}: {ones[0].manifest.subject}: {said}" + _fix(said, ones[0].manifest.object, ones[0].home)


def _field(said: str) -> FieldPath:
    """The field that the server names first."""
    found = _FIELD.match(said)
    parts = re.findall(r"\w+|\[\d+\]", found[1]) if found else ()
    return tuple(int(part[1:-1]) if part.startswith("[") else part for part in parts)


def _readable(words: str) -> str:
    """The server's words without what was said already, the dumps of its structures and its regular expressions."""
    said = _SAID_ALREADY.sub("", _SERVER.sub("", words))
    while found := _DUMP.search(said):
        rest = said[_end_of_dump(said, found.end()) :]
        said = said[: found.start()] + rest.removeprefix(": ")
    said = _PATTERN.sub("", said)
    if said.startswith("[") and said.endswith("]"):
        said = said[1:-1]
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _end_of_dump(text: str, start: int) -> int:
    """Where the braces that open at ``start`` are closed; the end of the text where they never are."""
    depth = 0
    for found in _QUOTED_OR_BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return len(text)


def _fix(said: str, body: JsonObject, home: str) -> str:
    """What to do about it, where that can be told."""
    if not _IMMUTABLE.search(said):
        return ""
    kind, name = body["kind"], body["metadata"]["name"]
    if kind in _KEEPS:
        return f": leave it as it was, or give the new {kind} another name"
    scope = f" -n {home}" if home else ""
    return f": delete it (`kubectl delete {kind.lower()} {name}{scope}`{_with_it(body)}), and deploy again"


def _with_it(body: JsonObject) -> str:
    """What becomes of a StatefulSet's data when it is deleted."""
    if body["kind"] != "StatefulSet":
        return ""
    policy = (body["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get("whenDeleted")
    return "; its claims and all data in them go with it" if policy == "Delete" else "; its claims stay"
