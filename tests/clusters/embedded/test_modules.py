import json
from pathlib import Path

import pytest

from harness.clusters.embedded import modules
from harness.clusters.embedded.gocommand import Go
from harness.clusters.embedded.gotoolchain import COMPONENTS
from harness.errors import BuildError

EMPTY_TABLE = "package dns // empty"


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """lego, as read-only as the module cache keeps it."""
    folder = tmp_path / "downloaded"
    for file in ("go.mod", "acme/acme.go", "providers/dns/cloud/cloud.go", "providers/dns/dns.go", "cmd/main.go"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file)
        (folder / file).chmod(0o444)
    (folder / "providers" / "http").mkdir()
    (folder / "acme").chmod(0o555)
    return folder


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    (folder / "lego-dns").mkdir(parents=True)
    (folder / "lego-dns" / "dns.go.txt").write_text(EMPTY_TABLE)
    (folder / "go.mod").write_text(
        "module a\n\nrequire github.com/go-acme/lego/v4 v4.33.0\n\nreplace github.com/go-acme/lego/v4 => ./lego\n"
    )
    (folder / "lego").mkdir()
    (folder / "lego" / "from-a-checkout.go").write_text("stale")
    return folder


def go_that_downloads(tmp_path: Path, downloaded: Path, checksum: str) -> Go:
    answer = json.dumps({"Dir": str(downloaded), "Sum": checksum})
    program = tmp_path / "go"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    return Go(program, "")


def test_lego_is_copied_with_an_empty_table_of_providers(tmp_path: Path, downloaded: Path, module: Path) -> None:
    staged = tmp_path / "staged"
    modules.stage(go_that_downloads(tmp_path, downloaded, modules.LEGO_SUM), module, staged)
    found = {str(path.relative_to(staged / "lego")) for path in (staged / "lego").rglob("*") if path.is_file()}
    assert found == {"go.mod", "acme/acme.go", "providers/dns/dns.go"}
    assert (staged / "lego" / "providers" / "dns" / "dns.go").read_text() == EMPTY_TABLE


def test_a_module_is_staged_anew_each_time(tmp_path: Path, downloaded: Path, module: Path) -> None:
    go = go_that_downloads(tmp_path, downloaded, modules.LEGO_SUM)
    staged = tmp_path / "staged"
    modules.stage(go, module, staged)
    (staged / "old.go").write_text("package old")
    modules.stage(go, module, staged)
    assert {path.name for path in staged.iterdir()} == {"go.mod", "lego", "lego-dns"}


def test_a_module_with_another_sum_than_the_known_one_is_refused(
    tmp_path: Path, downloaded: Path, module: Path
) -> None:
    with pytest.raises(BuildError, match=r"lego/v4@v4\.33\.0 has the sum h1:other=, not h1:2Kr.*tampered"):
        modules.stage(go_that_downloads(tmp_path, downloaded, "h1:other="), module, tmp_path / "staged")
    assert not (tmp_path / "staged" / "lego").exists()


@pytest.mark.parametrize(
    "excerpt", [modules.CALICO_CRDS, modules.KIND_FILES, modules.MINIKUBE_FILES], ids=lambda one: one.name
)
def test_an_excerpt_is_of_the_version_that_is_built(tmp_path: Path, excerpt: modules.Excerpt) -> None:
    source = tmp_path / "module" / excerpt.folder
    for name in ("ippools.yaml", "etc/default/kubelet"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
        (source / name).chmod(0o444)
    folder = modules.excerpt_folder(excerpt, COMPONENTS, tmp_path / "cache")
    modules.copy_excerpt(go_that_downloads(tmp_path, tmp_path / "module", ""), excerpt, COMPONENTS, folder)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == ({"ippools.yaml"} if excerpt is modules.CALICO_CRDS else {"ippools.yaml", "etc/default/kubelet"})
    assert folder.name in (COMPONENTS / excerpt.component / "go.mod").read_text()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
