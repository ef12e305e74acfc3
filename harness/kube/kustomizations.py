"""Kustomizations before kustomize sees them: what they name is read, and what they say wrongly has its line.

kustomize's own message names no line.
"""

from pathlib import Path
from typing import Final

from harness.errors import ManifestError
from harness.kube.sources import FieldPath, Source, read_file

KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names that kustomize looks for."""

_LISTS_OF_FILES: Final = ("resources", "components")
_GENERATORS: Final = ("configMapGenerator", "secretGenerator")


def kustomization_of(folder: Path) -> Path | None:
    """The kustomization file that a folder holds, if any."""
    return next((folder / name for name in KUSTOMIZATIONS if (folder / name).is_file()), None)


def written(kustomization: Path, above: tuple[Path, ...] = ()) -> list[Source]:
    """The objects of the files that a kustomization names, before it changes them. Raises ManifestError.

    kustomize's own message for a missing or broken file names no line; so they are read first. ``above`` are those
    that lead to this one.
    """
    found: list[Source] = []
    chain = (*above, kustomization.resolve())
    for document in read_file(kustomization):
        _check_literals(document)
        for kind in _LISTS_OF_FILES:
            entries = document.object.get(kind) or []
            if not isinstance(entries, list):
                problem = f"{kind} must be a list, not {entries!r}: write each file or folder behind a `- `"
                raise ManifestError(document.where((kind,)), "", problem)
            seen: dict[Path, int] = {}
            for index, entry in enumerate(entries):
                try:
                    named = _entry(document, (kind, index), entry, chain)
                except OSError as error:
                    problem = f"names {entry}, which cannot be read: {error.strerror}"
                    raise ManifestError(document.where((kind, index)), "", problem) from error
                target = (document.file.parent / entry).resolve()
                if named and kind == "resources" and seen.setdefault(target, index) != index:
                    first = document.where((kind, seen[target]))
                    problem = f"names {entry}, which is named already, at {first}: take one of the two out"
                    raise ManifestError(document.where((kind, index)), "", problem)
                found += named
    return found


def _entry(document: Source, path: FieldPath, entry: object, chain: tuple[Path, ...]) -> list[Source]:
    """What one entry of a kustomization's ``resources`` names."""
    if not isinstance(entry, str) or not entry:
        raise ManifestError(document.where(path), "", f"must name a file or folder, and is {entry!r}")
    target = document.file.parent / entry
    if target.is_file():
        return read_file(target)
    nested = kustomization_of(target)
    if nested:
        if nested.resolve() in chain:
            problem = f"names {entry}, which leads back to {nested.resolve()}: a kustomization cannot hold itself"
            raise ManifestError(document.where(path), "", problem)
        return written(nested, chain)
    if target.is_dir():
        problem = f"names the folder {entry}, which holds no kustomization"
    elif "://" in entry or "?ref=" in entry or entry.startswith(("github.com/", "git@")):
        return []  # somebody's repository: kustomize fetches it
    else:
        problem = f"names {entry}, which does not exist"
    raise ManifestError(document.where(path), "", problem)


def _check_literals(document: Source) -> None:
    """Raise ManifestError for literals of generators that are no texts ``KEY=value``. No value of a Secret is told."""
    wrong = []
    for kind in _GENERATORS:
        generators = document.object.get(kind)
        for index, one in enumerate(generators if isinstance(generators, list) else ()):
            literals = one.get("literals") if isinstance(one, dict) else None
            path: FieldPath = (kind, index, "literals")
            if literals is not None and not isinstance(literals, list):
                sort = "text" if isinstance(literals, str) else _sort(literals)
                problem = f"must be a list, and is {sort}: write each behind a `- `, as `- KEY=value`"
                wrong.append(ManifestError(document.where(path), "", f"{kind}[{index}].literals: {problem}"))
                continue
            for place, literal in enumerate(literals or ()):
                if not isinstance(literal, str) or literal.find("=") < 1:
                    problem = f"must be text with a key, and is {_sort(literal)}: write `- {_meant(kind, literal)}`"
                    where = document.where((*path, place))
                    wrong.append(ManifestError(where, "", f"{kind}[{index}].literals[{place}]: {problem}"))
    if wrong:
        raise ManifestError.of(wrong)


def _sort(value: object) -> str:
    """What sort of value it is."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text without one"
        case dict():
            return "a mapping"
        case _:
            return "a list"


def _meant(kind: str, literal: object) -> str:
    """What somebody may have meant by a literal that is a mapping, as ``PORT: 8082``."""
    if not isinstance(literal, dict) or len(literal) != 1:
        return "KEY=value"
    [(key, value)] = literal.items()
    plain = isinstance(value, str | int | float) and not isinstance(value, bool) and kind != _GENERATORS[1]
    return f"{key}={value}" if plain else f"{key}=…"
