"""The case's manifests as data, read file by file, so that a failure names a file and a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from ruamel.yaml import YAML

Json: TypeAlias = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "manifests"
TEAMS = {"invoice": "team-invoice", "payments": "team-payments"}
FOLDERS = {"invoice-app": "invoice", "payment-provider": "payments"}
DATABASES = {"invoice-app": "invoice-db", "payment-provider": "payments-db"}


@dataclass(frozen=True)
class Document:
    """One YAML document: what it says and where it stands."""

    where: str
    body: Json

    @property
    def kind(self) -> str:
        """The object's kind."""
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The object's namespace, a Namespace's own name, or empty."""
        own = self.name if self.kind == "Namespace" else ""
        return str(self.body["metadata"].get("namespace", own))

    @property
    def spec(self) -> Json:
        """The object's spec."""
        return cast("Json", self.body["spec"])

    @property
    def pod(self) -> Json:
        """The pod template of a Deployment or StatefulSet."""
        return cast("Json", self.spec["template"])

    def __str__(self) -> str:
        return f"{self.where} {self.kind}/{self.name}"


def _read(path: Path) -> Iterator[Document]:
    text = path.read_text()
    lines = [1, *(number + 1 for number, line in enumerate(text.splitlines(), 1) if line == "---")]
    bodies = list(YAML(typ="safe").load_all(text))
    for line, body in zip(lines, bodies, strict=True):
        yield Document(f"{path.relative_to(MANIFESTS)}:{line}", body)


KUSTOMIZATIONS = [document for path in sorted(MANIFESTS.rglob("kustomization.yaml")) for document in _read(path)]
"""The kustomization files, which have no name and are no objects of the cluster."""

DOCUMENTS = [
    document
    for path in sorted(MANIFESTS.rglob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in _read(path)
]
"""Every object of the case that stands in a file."""

WORKLOADS = [document for document in DOCUMENTS if document.kind in {"Deployment", "StatefulSet"}]
APPS = [document for document in WORKLOADS if document.kind == "Deployment"]


def of_kind(kind: str, namespace: str | None = None) -> list[Document]:
    """The documents of a kind, in one namespace or in all."""
    return [d for d in DOCUMENTS if d.kind == kind and namespace in {None, d.namespace}]


def only(kind: str, name: str) -> Document:
    """The one document of that kind and name; fails where there is none or more than one."""
    [found] = [document for document in DOCUMENTS if (document.kind, document.name) == (kind, name)]
    return found


def generated(folder: str, generator: str) -> dict[str, str]:
    """The literals of a folder's one ``configMapGenerator`` or ``secretGenerator``."""
    [kustomization] = [d for d in KUSTOMIZATIONS if d.where.startswith(f"{folder}/")]
    [entry] = kustomization.body[generator]
    return dict(literal.split("=", 1) for literal in entry["literals"])
