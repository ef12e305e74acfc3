"""Reading a file that people write, strictly: whatever it says that is not understood is an error with its line.

Tables stand in such a file as texts: a line with a corner and the columns, below it a line for each row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from harness.errors import ManifestError
from harness.kube.sources import NO_OBJECT, NO_YAML, FieldPath, Source, read_file

Body: TypeAlias = Mapping[str, Any]
Line: TypeAlias = tuple[str, list[str]]
"""A line of a table: ``file:line``, and its words."""

FEW = 10
"""So many known names are told."""


def read_one(file: Path, corner: str, keys: str) -> Source:
    """The one document of a file. ``corner`` is what its tables begin with, ``keys`` what it holds: for messages.

    Raises ManifestError with file, line, and what is wrong there.
    """
    must = f"and must be a file that holds one mapping: {keys}"
    if file.is_dir():
        raise ManifestError(str(file), "", f"is a folder, {must}")
    try:
        documents = read_file(file)
    except ManifestError as error:
        if error.problem.endswith(NO_OBJECT):
            raise ManifestError(error.where, error.subject, error.problem.removesuffix(NO_OBJECT) + must) from error
        if not error.problem.startswith(NO_YAML):
            raise
        hint = f" (should this be a table: its first line begins with {corner}, just above the names of the rows)"
        raise ManifestError(error.where, error.subject, error.problem + hint) from error
    if len(documents) != 1:
        raise ManifestError(str(file), "", f"holds {len(documents)} documents, and must hold one: {keys}")
    return documents[0]


def known_keys(
    source: Source, path: FieldPath, body: Body, *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> None:
    """Raise ManifestError for a key that is none of these, or a required one that is not there."""
    for key in body:
        if key not in (*required, *optional):
            problem = f"is not known here: there are {', '.join((*required, *optional))}"
            raise ManifestError(source.where((*path, key)), _dotted((*path, key)), problem)
    for key in required:
        if key not in body:
            raise ManifestError(source.where(path), _dotted((*path, key)), "is missing")


def mapping(source: Source, path: FieldPath, value: object) -> Body:
    """A value that is a mapping. Raises ManifestError for another one."""
    if not isinstance(value, dict):
        raise ManifestError(source.where(path), _dotted(path), "must be a mapping")
    return value


def text(source: Source, path: FieldPath, value: object) -> str:
    """A value that is a text with something in it. Raises ManifestError for another one."""
    if not isinstance(value, str) or not value:
        raise ManifestError(source.where(path), _dotted(path), f"must be text, not {value!r}: put it in quotes")
    return value


def texts(source: Source, path: FieldPath, value: object) -> tuple[str, ...]:
    """A value that is a list of texts. Raises ManifestError for another one."""
    if not isinstance(value, list):
        raise ManifestError(source.where(path), _dotted(path), f"must be a list, not {value!r}: put it in [ ]")
    return tuple(text(source, (*path, index), one) for index, one in enumerate(value))


def tables(source: Source, key: str, corner: str) -> Iterator[list[Line]]:
    """The tables under a key of the document, which holds one or a list: of each the lines that say something.

    ``corner`` is what a table begins with, for the message. ``#`` begins a comment. Raises ManifestError.
    """
    value = source.object[key]
    several = isinstance(value, list)
    for index, written in enumerate(value if several else [value]):
        path: FieldPath = (key, index) if several else (key,)
        if not isinstance(written, str) or "\n" not in written.strip():
            problem = f"must be a table, or a list of tables: a `|`, below it {corner} with the columns, then the rows"
            raise ManifestError(source.where(path), _dotted(path), problem)
        first = source.lines[path] + 1  # a literal block begins below the line with the `|`
        lines = (
            (f"{source.file}:{number}", line.partition("#")[0].split())
            for number, line in enumerate(written.splitlines(), first)
        )
        yield [(at, words) for at, words in lines if words] or [(f"{source.file}:{first}", [""])]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What somebody may have meant by a name that is not known, for the end of a message."""
    names = list(dict.fromkeys(known))
    near = get_close_matches(name, names, n=3)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f": there are {', '.join(names)}" if 0 < len(names) <= FEW else ""


def _dotted(path: FieldPath) -> str:
    return ".".join(str(part) for part in path)
