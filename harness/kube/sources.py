"""YAML files as the objects they hold, each field with its line.

Read as Kubernetes reads them: ``harness.kube.scalars`` has the rules. A key given twice is an error here.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, NodeEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.tag import Tag

from harness.errors import ManifestError
from harness.kube import scalars
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
_HALVES = re.compile("[\ud800-\udfff]")
_MOST_FIELDS = 500_000
"""More than fit into an object as the API server takes it, of 1.5 MB: only aliases of aliases make as many."""
_NO_BRACES = {"name", "generateName", "namespace", "labels"}  # of the metadata: Kubernetes takes none there


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


def dotted(path: FieldPath) -> str:
    """A path as people write it: ``spec.ingress[0].from``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


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
    yaml.Composer = _Composer
    yaml.version = "1.1"
    try:
        documents = [one for one in yaml.load_all(text) if one is not None]
        return [source for one in documents for source in _sources(one, file)]
    except (YAMLError, ValueError, _NotJson) as error:
        line, problem = _complaint(error)
        helm = _HELM.search(text)
        if helm and _may_be_braces(error):
            told = f"{_HELM_FIX} (as it stands it {problem}{f', line {line}' if line else ''})"
            raise ManifestError(f"{file}:{text.count(chr(10), 0, helm.start()) + 1}", "", told) from error
        raise ManifestError(f"{file}:{line}" if line else str(file), "", problem) from error
    except RecursionError as error:
        raise ManifestError(str(file), "", "is nested too deeply to be read") from error


class _NotJson(Exception):
    """What stands in this line has no place in JSON, and so none in a Kubernetes object."""

    def __init__(self, line: int, problem: str, *, braces: bool = False) -> None:
        self.line = line
        self.braces = braces
        super().__init__(problem)


class _NoValue(MarkedYAMLError):
    """YAML that has no value: a tag that does not fit, an anchor that contains itself."""


def _may_be_braces(error: Exception) -> bool:
    """Whether an error may come from a template's braces: YAML takes ``{{ x }}`` for a mapping as a key."""
    if isinstance(error, _NotJson):
        return error.braces
    return isinstance(error, YAMLError) and not isinstance(error, (_NoValue, DuplicateKeyError))


def _complaint(error: Exception) -> tuple[int, str]:
    """(line or 0, what is wrong) of an error in reading YAML."""
    if isinstance(error, _NotJson):
        return error.line, str(error)
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        return mark.line + 1, f"{NO_YAML}: " + " ".join(filter(None, (error.context, error.problem)))
    return 0, f"{NO_YAML}: {error}"


_PLAIN = Tag(suffix="plain")
"""Of a scalar without quotes and tag."""
_TEXT = Tag(suffix="tag:yaml.org,2002:str")


class _Composer(Composer):
    """Leaves it to the constructor what a scalar without quotes means, but for the key of a merge.

    An alias inside of what it stands for is refused: no JSON has such a value.
    """

    def __init__(self, loader: Any = None) -> None:  # noqa: ANN401 -- as declared
        super().__init__(loader)
        self.warn_double_anchors = False  # an anchor may be set anew, and the last one before an alias counts
        self._open: set[str] = set()  # the anchors of the mappings and lists that are not at their end yet

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 -- as declared
        event = self.parser.peek_event()
        anchor = event.anchor if isinstance(event, NodeEvent) else None
        if isinstance(event, AliasEvent) and anchor in self._open:
            raise _NoValue(problem=f"the value of the anchor {anchor} contains itself", problem_mark=event.start_mark)
        if anchor is None or isinstance(event, AliasEvent):
            return super().compose_node(parent, index)
        if isinstance(event, ScalarEvent):
            self._open.discard(anchor)  # from here on the name stands for the scalar
        else:
            self._open.add(anchor)
        node = super().compose_node(parent, index)
        self._open.discard(anchor)
        return node

    def compose_scalar_node(self, anchor: Any) -> Any:  # noqa: ANN401 -- as declared
        event = self.parser.peek_event()
        node = super().compose_scalar_node(anchor)
        if event.ctag is None and event.implicit[0] and event.value != "<<":
            node.ctag = _PLAIN
        elif str(event.ctag) == "!" and event.value != "<<":  # says that it is text
            node.ctag = _TEXT
        return node


class _Constructor(RoundTripConstructor):
    """Reads scalars as Kubernetes' YAML parser does; like that, it passes over the tags of mappings and lists."""

    def construct_non_recursive_object(self, node: Any, tag: Any = None) -> Any:  # noqa: ANN401, ARG002 -- as declared
        if isinstance(node, MappingNode):
            return super().construct_non_recursive_object(node, "tag:yaml.org,2002:map")
        if not isinstance(node, ScalarNode):
            return super().construct_non_recursive_object(node, "tag:yaml.org,2002:seq")
        if node.ctag is _PLAIN:
            return scalars.plain(node.value)
        try:
            return scalars.tagged(str(node.tag), node.value)
        except ValueError as error:
            raise _NoValue(problem=str(error), problem_mark=node.start_mark) from error


def _sources(document: object, file: Path) -> Iterator[Source]:
    """The objects of one parsed document."""
    if not isinstance(document, CommentedMap):
        what = "a list" if isinstance(document, CommentedSeq) else "plain text"
        line = document.lc.line + 1 if isinstance(document, CommentedSeq) else 1
        raise ManifestError(f"{file}:{line}", "", f"is {what}, {NO_OBJECT}")
    kind = str(document.get("kind", ""))
    items = document.get("items")
    if kind.endswith("List") and "items" in document and items is None:
        return
    if kind.endswith("List") and isinstance(items, CommentedSeq):
        for index, item in enumerate(items):
            if not isinstance(item, CommentedMap):
                held = "null" if item is None else "a list" if isinstance(item, CommentedSeq) else f"the text {item}"
                line = items.lc.data[index][0] + 1 if items.lc.data else document.lc.line + 1
                raise ManifestError(f"{file}:{line}", kind, f"holds {held} among its items, {NO_OBJECT}")
            if kind != "List" and not item.get("apiVersion") and not item.get("kind"):
                item["apiVersion"] = document.get("apiVersion")  # of a PodList the items need not say what they are
                item["kind"] = kind.removesuffix("List")
            yield from _sources(item, file)
        return
    lines: dict[FieldPath, int] = {}
    body = _plain(document, (), lines, file)
    source = Source(body, file, document.lc.line + 1, lines)
    for path, text in _texts(body, ()):
        if _is_no_place_for_braces(path) and _HELM.search(text):
            raise ManifestError(source.where(path), subject_of(body), _HELM_FIX)
    yield source


def _is_no_place_for_braces(path: FieldPath) -> bool:
    """Whether Kubernetes refuses braces there. Any other text may hold somebody's templates, and not Helm's."""
    if path[0] == "metadata":
        return len(path) > 1 and path[1] in _NO_BRACES
    return path[-1] == "image" and len(path) > 2 and path[-3] in ("containers", "initContainers")  # noqa: PLR2004


def _plain(value: Any, path: FieldPath, lines: dict[FieldPath, int], file: Path) -> Any:  # noqa: ANN401 -- any YAML value
    """A value as JSON would have it, noting the line of each field on the way."""
    if len(lines) > _MOST_FIELDS:
        raise _NotJson(_line_of(path[:1], lines), f"holds more than {_MOST_FIELDS:,} fields, by aliases of aliases")
    if isinstance(value, CommentedMap):
        plain = {}
        for key, item in value.items():
            line = value.lc.data[key][0] + 1 if key in (value.lc.data or {}) else value.lc.line + 1
            name = _key(key, line)
            lines[*path, name] = line
            plain[name] = _plain(item, (*path, name), lines, file)
        return plain
    if isinstance(value, CommentedSeq):
        for index in range(len(value)):
            lines[*path, index] = value.lc.data[index][0] + 1 if value.lc.data else value.lc.line + 1
        return [_plain(item, (*path, index), lines, file) for index, item in enumerate(value)]
    if isinstance(value, str) and _HALVES.search(value):
        try:
            return value.encode("utf-16", "surrogatepass").decode("utf-16")  # JSON writes such a character as two
        except UnicodeDecodeError as error:
            raise _NotJson(_line_of(path, lines), "holds half of a character (\\ud800 to \\udfff alone)") from error
    if isinstance(value, float) and not math.isfinite(value):
        line = _line_of(path, lines)
        raise _NotJson(line, f"holds the number {value}, which JSON does not have: put quotes around it if it is text")
    return value


def _line_of(path: FieldPath, lines: Mapping[FieldPath, int]) -> int:
    return next(lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines)


def _key(key: object, line: int) -> str:
    name = scalars.key(key)
    if name is not None:
        return name
    if key is None or isinstance(key, int):
        raise _NotJson(line, f"uses {'null' if key is None else key} as a key: put quotes around it if it is text")
    problem = "uses a mapping or a list as a key: braces that are meant as text need quotes around them"
    raise _NotJson(line, problem, braces=True)


def _texts(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
