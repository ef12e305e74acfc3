"""Manifests: a folder of YAML as the objects that will be applied, all that is wrong said before a cluster sees any.

A folder is either plain (every YAML and JSON file below it), or holds a kustomization, which kubectl renders. Errors
name file, line and object either way: kustomize says which file an object came from.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.errors import CommandError, ManifestError, UsageError
from harness.kube import named_ports, own_pods, ports
from harness.kube.fields import of_source
from harness.kube.kubectl import JsonObject, Kubectl
from harness.kube.kustomizations import KUSTOMIZATIONS, kustomization_of, written
from harness.kube.schemas import UnknownKind, misplaced, problems
from harness.kube.sources import FieldPath, Source, read_file, read_text, subject_of

Render = Callable[[Path], str]
"""Renders the kustomization in a folder to YAML. Raises CommandError."""

_ORIGIN: Final = "config.kubernetes.io/origin"
_SUFFIXES: Final = {".yaml", ".yml", ".json"}


@dataclass(frozen=True)
class Manifest:
    """One object as it will be applied, the file and line it stands at, and what could not be checked, if anything.

    ``lines`` has the line of each of its fields, as far as they are written in ``file``.
    """

    object: JsonObject
    file: Path
    line: int
    note: str = ""
    lines: Mapping[FieldPath, int] = field(default_factory=dict, repr=False)

    @property
    def subject(self) -> str:
        """``Kind/name``."""
        return subject_of(self.object)

    def where(self, path: FieldPath = ()) -> str:
        """``file:line`` of a field, or of the nearest one above it that is written there."""
        return Source(self.object, self.file, self.line, self.lines).where(path)


def kustomize(kubectl: Kubectl) -> Render:
    """Rendering by ``kubectl kustomize``, which speaks to no cluster."""
    return lambda folder: kubectl.run("kustomize", str(folder))


def load(
    folder: Path,
    render: Render | None = None,
    *,
    images: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    served: Callable[[str], str] | None = None,
) -> list[Manifest]:
    """The objects of a folder (or of one file), in the order in which they can be applied: namespaces first.

    ``render`` is needed for a kustomization, and for ``images`` (name -> full reference) and ``labels`` (added to every
    object's metadata, never to selectors and pod templates). ``served`` says where a cluster serves a kind, for the
    message of one that Kubernetes has not in that version. Raises ManifestError, which lists everything that is wrong.
    """
    if not folder.exists():
        raise ManifestError(str(folder), "", "there is no such folder")
    kustomization = kustomization_of(folder) if folder.is_dir() else None
    sources = written(kustomization) if kustomization else _settled(_plain(folder))
    if render and (kustomization or images or labels):
        sources = _rendered(
            folder,
            sources,
            render,
            is_kustomization=kustomization is not None,
            images=images or {},
            labels=labels or {},
        )
    elif kustomization or images or labels:
        raise ManifestError(str(kustomization or folder), "", "needs kubectl to be rendered, and none is at hand")
    if not sources:
        raise ManifestError(str(folder), "", "holds no Kubernetes object")
    return _checked(sources, served)


def _plain(folder: Path) -> list[Source]:
    """The objects of every file below a folder; hidden files and files of kustomize and Helm are none."""
    if folder.is_file():
        return read_file(folder)
    if _is_chart(folder / "Chart.yaml"):
        raise _chart(folder)
    found: list[Source] = []
    for file in _files(folder):
        if file.name == "Chart.yaml" and _is_chart(file):
            raise _chart(file.parent)
        found += read_file(file)
    return found


def _is_chart(file: Path) -> bool:
    """Whether it is the file that a Helm chart begins with, and no object of that name."""
    return file.is_file() and not any("kind" in one.object for one in read_file(file))


def _chart(folder: Path) -> ManifestError:
    problem = "is a Helm chart: render it first (`helm template … > rendered.yaml`), and give that file"
    return ManifestError(str(folder), "", problem)


def _settled(sources: list[Source]) -> list[Source]:
    """The objects, less what their metadata leaves empty: to Kubernetes null is as good as nothing.

    Below, null stays as it is: the API server has a meaning for it, as an empty text in a ConfigMap's data.
    """
    for source in sources:
        meta = source.object.get("metadata")
        if isinstance(meta, dict):
            for name in [name for name, value in meta.items() if value is None or (name, value) == ("namespace", "")]:
                del meta[name]
    return sources


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in file.relative_to(folder).parts):  # Emacs' lock is a link to nothing
            continue
        if file.is_dir() and not os.access(file, os.R_OK | os.X_OK):  # rglob passes over it
            raise ManifestError(str(file), "", "cannot be read: Permission denied")
        if file.suffix in _SUFFIXES and file.name not in KUSTOMIZATIONS:
            if file.is_symlink() and not file.exists():
                problem = f"is a link to {file.readlink()}, which does not exist: fix or remove the link"
                raise ManifestError(str(file), "", problem)
            if file.is_file():  # and no pipe, which reading would wait on
                yield file


def _rendered(
    folder: Path,
    sources: Sequence[Source],
    render: Render,
    *,
    is_kustomization: bool,
    images: Mapping[str, str],
    labels: Mapping[str, str],
) -> list[Source]:
    """The objects as kustomize renders them under an overlay of ours, each with the place that it came from."""
    with tempfile.TemporaryDirectory(prefix="harness-") as name:
        overlay = Path(name).resolve()
        if is_kustomization:
            resources = [os.path.relpath(folder.resolve(), overlay)]
        else:
            resources = [f"{index}.yaml" for index in range(len(sources))]
            for resource, source in zip(resources, sources, strict=True):
                _write(overlay / resource, source.object)
        _write(overlay / "kustomization.yaml", _overlay(resources, images, labels))
        try:
            text = render(overlay)
        except CommandError as error:
            if not is_kustomization:
                _checked(sources, None)  # says it of the user's file, where kustomize speaks of our copy
            told = error.output.replace(f"{overlay}/", "").strip()
            raise ManifestError(str(kustomization_of(folder) or folder), "", f"cannot be rendered: {told}") from error
        bodies = [source.object for source in _settled(read_text(text, folder))]
        return [_placed(body, folder, overlay, sources) for body in bodies]


def _write(file: Path, body: JsonObject) -> None:
    """As JSON, which is YAML that no version of it reads otherwise.

    But for one thing: a character beyond the first 65,536 is two escapes in JSON, which YAML does not put together.
    """
    text = json.dumps(body)
    text = re.sub(
        r"(?<!\\)((?:\\\\)*)((?:\\ud[89ab]..\\ud[c-f]..)+)", lambda found: found[1] + json.loads(f'"{found[2]}"'), text
    )
    file.write_text(text, encoding="utf-8")


def _overlay(resources: Sequence[str], images: Mapping[str, str], labels: Mapping[str, str]) -> JsonObject:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(resources),
        "images": [_replaced(name, reference) for name, reference in sorted(images.items())],
        "labels": [{"pairs": dict(labels), "includeSelectors": False, "includeTemplates": False}] if labels else [],
        "sortOptions": {"order": "legacy"},  # namespaces first, webhooks last
        "buildMetadata": ["originAnnotations"],
    }


def _replaced(name: str, reference: str) -> JsonObject:
    new, _, tag = reference.rpartition(":")
    if not new or "/" in tag:
        raise UsageError(f"the image {reference!r} has no tag: give it as name:tag")
    return {"name": name, "newName": new, "newTag": tag}


def _placed(body: JsonObject, folder: Path, overlay: Path, sources: Sequence[Source]) -> Source:
    """A rendered object with the place of the document that it was made from; kustomize's note of it is taken off."""
    meta = body.get("metadata", {})
    origin = meta.get("annotations", {}).pop(_ORIGIN, "")
    if "annotations" in meta and not meta["annotations"]:
        del meta["annotations"]
    named = next(
        (line.partition(": ")[2] for line in origin.splitlines() if line.startswith(("path: ", "configuredIn: "))), ""
    )
    file = (overlay / named).resolve() if named else kustomization_of(folder) or folder
    if file.parent == overlay and file.stem.isdigit():  # a copy of a plain document
        source = sources[int(file.stem)]
        return Source(body, source.file, source.line, source.lines)
    for source in sources:
        if source.file.resolve() == file and subject_of(source.object) == subject_of(body):
            return Source(body, source.file, source.line, source.lines)
    shown = next((source.file for source in sources if source.file.resolve() == file), file)
    return Source(body, shown, 1)  # generated, or renamed by the kustomization


def _checked(sources: Sequence[Source], served: Callable[[str], str] | None) -> list[Manifest]:
    manifests: list[Manifest] = []
    wrong: list[ManifestError] = []
    seen: dict[tuple[str, ...], Source] = {}
    for source in sources:
        note = ""
        try:
            found = list(problems(source.object))
            there = f"; {served(source.object['kind'])}" if found and served and misplaced(source.object) else ""
            wrong += [_wrong(source, told + there, path) for path, told in found]
            if not found:
                wrong += _beyond_schemas(source)
        except UnknownKind as unknown:
            note = f"{unknown} is a custom resource: its fields could not be checked"
        if not wrong:
            first = seen.setdefault(_identity(source.object), source)
            if first is not source:
                wrong.append(_wrong(source, f"is defined already, at {first.where()}"))
        manifests.append(Manifest(source.object, source.file, source.line, note, source.lines))
    wrong = wrong or list(named_ports.of_folder([of_source(one) for one in sources]))
    if wrong:
        raise ManifestError.of(wrong)
    return manifests


def _beyond_schemas(source: Source) -> Iterator[ManifestError]:
    """What is wrong with a sound object of Kubernetes' own kinds that no schema can say."""
    fields = of_source(source)
    wrong = [*ports.problems(fields), *own_pods.problems(fields)]
    yield from wrong or named_ports.of_object(fields)


def _wrong(source: Source, problem: str, path: FieldPath = ()) -> ManifestError:
    return ManifestError(source.where(path), subject_of(source.object), problem)


def _identity(body: JsonObject) -> tuple[str, ...]:
    """Group, kind, namespace, name: what no two objects share."""
    group = body["apiVersion"].rpartition("/")[0]
    return group, body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]
