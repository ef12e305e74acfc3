"""The Go modules of the components: staged where Go may write, and what is copied out of modules that they require."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.clusters.embedded.gocommand import Go
from harness.clusters.embedded.programs import required
from harness.downloads import again
from harness.errors import BuildError

LEGO = "github.com/go-acme/lego/v4"
LEGO_SUM = "h1:2KrRKieG+VczT4zvVXKAY7Tp/S3XLvh/QImofBALRAM="
"""What go.sum would say of the required version: it says nothing of a module that is replaced by a folder."""
LEGO_LEFT_OUT = ("providers/dns", "cmd", "e2e")


@dataclass(frozen=True)
class Excerpt:
    """What is taken of a Go module that a component's module requires: the files below ``folder``."""

    name: str
    component: str
    module: str
    folder: str
    pattern: str = "**/*"


CALICO_CRDS = Excerpt(
    "calico-crds", "policy", "github.com/projectcalico/calico", "libcalico-go/config/crd", pattern="*.yaml"
)
MINIKUBE_FILES = Excerpt("minikube-files", "minikube", "k8s.io/minikube", "deploy/kicbase")
KIND_FILES = Excerpt("kind-files", "kind", "sigs.k8s.io/kind", "images/base/files")


def stage(go: Go, module: Path, target: Path) -> None:
    """Copy the folder ``module`` to ``target``, and what it replaces by folders: the trimmed copy of lego.

    A package's own folder may be read-only, and ``go mod tidy`` writes. What was at ``target`` is replaced.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(module, target, ignore=shutil.ignore_patterns("lego"), copy_function=shutil.copyfile)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    go_mod = (target / "go.mod").read_text()
    if f"{LEGO} => ./lego" in go_mod:
        copy_lego(go, required(go_mod, LEGO), target / "lego", target / "lego-dns")


def copy_lego(go: Go, version: str, target: Path, table: Path) -> None:
    """Copy that version of lego, its table of DNS providers replaced by the empty one in ``table``.

    The table imports a hundred clouds' clients, which take four minutes to compile, for certificates that the cluster's
    Ingress never asks for. Raises BuildError if the module is not the one whose sum is known.
    """
    with tempfile.TemporaryDirectory() as outside_any_module:
        module = download(go, f"{LEGO}@{version}", Path(outside_any_module))
    if module["Sum"] != LEGO_SUM:
        raise BuildError(
            f"{LEGO}@{version} has the sum {module['Sum']}, not {LEGO_SUM}: either it was tampered with, or go.mod"
            f" requires another version than the one whose sum is in {Path(__file__).name}"
        )
    source = Path(module["Dir"])
    left_out = {source / path for path in LEGO_LEFT_OUT}

    def skipped(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if Path(folder) / name in left_out or name.endswith("_test.go")}

    # Files of the module cache are read-only: their modes stay behind, and folders get theirs back.
    shutil.copytree(source, target, ignore=skipped, copy_function=shutil.copyfile)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    (target / "providers" / "dns").mkdir()
    for file in table.glob("*.go.txt"):
        shutil.copyfile(file, target / "providers" / "dns" / file.stem)


def excerpt_folder(excerpt: Excerpt, sources: Path, cache: Path) -> Path:
    """Where an excerpt of the version that is required is kept."""
    version = required((sources / excerpt.component / "go.mod").read_text(), excerpt.module)
    return cache / "components" / excerpt.name / version


def copy_excerpt(go: Go, excerpt: Excerpt, sources: Path, folder: Path) -> None:
    """Copy an excerpt out of its Go module to ``folder``, all of it or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fresh-") as fresh:
        module = download(go, excerpt.module, sources / excerpt.component)
        source, target = Path(module["Dir"]) / excerpt.folder, Path(fresh) / "excerpt"
        target.mkdir()
        for file in sorted(source.glob(excerpt.pattern)):
            if file.is_file():
                copied = target / file.relative_to(source)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copied)
        target.rename(folder)


def download(go: Go, module: str, folder: Path) -> dict[str, str]:
    """What ``go mod download -json`` run in ``folder`` says of a module: ``Dir``, ``Version``, ``Sum`` and more."""
    printed = again(lambda: go.run(["mod", "download", "-json", module], folder), lambda _: None)
    answer: dict[str, str] = json.loads(printed)
    return answer
