"""YAML files as the objects they hold, each field with its line.

Read as Kubernetes reads them, by the rules of YAML 1.1 (``0644`` is octal, ``yes`` is true), less what its parser
leaves out: times and numbers to the base of 60 stay text. A key given twice is an error here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode

from harness.errors import ManifestError
from harness.kube.kubectl import JsonObject

FieldPath: TypeAlias = tuple[str | int, ...]

NO_YAML = "is not YAML"
"""How the problem of a text begins that cannot be parsed."""
NO_OBJECT = "not a Kubernetes object (apiVersion, kind, metadata)"
"""How the problem of a document ends that is no mapping."""

_HELM = re.compile(r"\{\{-?\s*(?:\.Values|\.Release|\.Chart|\.Capabilities|include\s|template\s|toYaml\s|tpl\s)")
_HELM_FIX = (
    "holds Helm's template braces: render the chart first (`helm template … > rendered.yaml`), and give that file"
)
_FREE_TEXT = {"ConfigMap", "Secret"}  # whose values may well be somebody's templates


@dataclass(frozen=True)
class Source:
    """One YAML document: the object it holds, its file, its first line, and the line of each of its fields."""

    object: JsonObject
    file: Path
    line: int
    lines: Mapping[FieldPath, int] = field(default_factory=dict, repr=False)

    def where(self, path: FieldPath = ()) -> str:
        """``file:line`` of a field, or of the nearest one above it that is written here."""
        known = (self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines)
        return f"{self.file}:{next(known, self.line)}"


def subject_of(body: JsonObject) -> str:
    """``Kind/name``, as far as an object has them."""
    meta = body.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    return "/".join(str(part) for part in (body.get("kind"), name) if part)


def read_file(file: Path) -> list[Source]:
    """The objects of a YAML or JSON file. Raises ManifestError."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(str(file), "", f"is not UTF-8 text ({error})") from error
    except OSError as error:
        raise ManifestError(str(file), "", f"cannot be read: {error.strerror}") from error
    return read_text(text, file)


def read_text(text: str, file: Path) -> list[Source]:
    """The objects of a text that stands in ``file``; a ``List`` gives its items. Raises ManifestError."""
    yaml = YAML(typ="rt")
    yaml.Constructor = _Constructor
    yaml.version = "1.1"
    try:
        documents = [one for one in yaml.load_all(text) if one is not None]
        return [source for one in documents for source in _sources(one, file)]
    except (YAMLError, ValueError, _OddKey) as error:
        helm = _HELM.search(text)
        if helm:
            raise ManifestError(f"{file}:{text.count(chr(10), 0, helm.start()) + 1}", "", _HELM_FIX) from error
        line, problem = _complaint(error)
        raise ManifestError(f"{file}:{line}" if line else str(file), "", problem) from error


class _OddKey(Exception):
    """A mapping or a list stands as a key, in this line."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__("uses a mapping or a list as a key: braces that are meant as text need quotes around them")


def _complaint(error: Exception) -> tuple[int, str]:
    """(line or 0, what is wrong) of an error in reading YAML."""
    if isinstance(error, _OddKey):
        return error.line, str(error)
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        return mark.line + 1, f"{NO_YAML}: " + " ".join(filter(None, (error.context, error.problem)))
    return 0, f"{NO_YAML}: {error}"


class _Constructor(RoundTripConstructor):
    """Reads scalars as Kubernetes' YAML parser does."""

    def construct_text(self, node: ScalarNode) -> str:
        """A time stays the text that it was written as."""
        return str(node.value)

    def construct_integer(self, node: ScalarNode) -> int | str:
        """``22:22`` is text, not 1342."""
        return str(node.value) if ":" in node.value else int(self.construct_yaml_int(node))

    def construct_decimal(self, node: ScalarNode) -> float | str:
        """``1e3`` is a number though it has no point."""
        return (
            str(node.value) if ":" in node.value else float(node.value.replace("_", "").lower().replace(".inf", "inf"))
        )


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_text)
_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_integer)
_Constructor.add_constructor("tag:yaml.org,2002:float", _Constructor.construct_decimal)


def _sources(document: object, file: Path) -> Iterator[Source]:
    """The objects of one parsed document."""
    if not isinstance(document, CommentedMap):
        what = "a list" if isinstance(document, CommentedSeq) else "plain text"
        line = document.lc.line + 1 if isinstance(document, CommentedSeq) else 1
        raise ManifestError(f"{file}:{line}", "", f"is {what}, {NO_OBJECT}")
    kind = str(document.get("kind", ""))
    if kind.endswith("List") and isinstance(document.get("items"), CommentedSeq):
        for item in document["items"]:
            if kind != "List" and isinstance(item, CommentedMap):  # of a PodList the items need not say what they are
                item.setdefault("apiVersion", document.get("apiVersion"))
                item.setdefault("kind", kind.removesuffix("List"))
            yield from _sources(item, file)
        return
    lines: dict[FieldPath, int] = {}
    body = _plain(document, (), lines, file)
    source = Source(body, file, document.lc.line + 1, lines)
    if kind not in _FREE_TEXT:
        for path, text in _texts(body, ()):
            if _HELM.search(text):
                raise ManifestError(source.where(path), subject_of(body), _HELM_FIX)
    yield source


def _plain(value: Any, path: FieldPath, lines: dict[FieldPath, int], file: Path) -> Any:  # noqa: ANN401 -- any YAML value
    """A value as JSON would have it, noting the line of each field on the way."""
    if isinstance(value, CommentedMap):
        plain = {}
        for key, item in value.items():
            name = {True: "true", False: "false"}[key] if isinstance(key, bool) else str(key)
            line = value.lc.data[key][0] + 1 if key in (value.lc.data or {}) else value.lc.line + 1
            if not isinstance(key, str | int | float):
                raise _OddKey(line)
            lines[*path, name] = line
            plain[name] = _plain(item, (*path, name), lines, file)
        return plain
    if isinstance(value, CommentedSeq):
        for index in range(len(value)):
            lines[*path, index] = value.lc.data[index][0] + 1 if value.lc.data else value.lc.line + 1
        return [_plain(item, (*path, index), lines, file) for index, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    return str(value)


def _texts(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
