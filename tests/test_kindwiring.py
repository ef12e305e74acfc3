"""Which kind, which engine and which node image a cluster of kind is made with."""

from pathlib import Path

import pytest

from harness import engine, kindwiring
from harness.clusters.embedded.gotoolchain import COMPONENTS
from harness.clusters.embedded.programs import required
from harness.clusters.kind.config import STOCK_IMAGE, NodeImage
from harness.clusters.provider import Cluster
from harness.engine import Engine
from harness.errors import PrerequisiteError, UsageError
from harness.settings import gather
from harness.timeline import Timeline
from harness.wiring import provider_of


def ready(_cluster: Cluster, _timeline: Timeline) -> None:
    raise AssertionError("nothing is made here")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    engine.found.cache_clear()
    return tmp_path


def add(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_kind_is_a_provider() -> None:
    assert provider_of(gather({"cluster": "kind"}, {})).name == "kind"


def test_the_kind_that_is_built_is_the_pinned_one() -> None:
    assert required((COMPONENTS / "kind" / "go.mod").read_text(), "sigs.k8s.io/kind") == kindwiring.PINNED


def test_without_an_engine_the_way_out_is_told(programs: Path) -> None:
    add(programs, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    settings = gather({"cluster": "kind", "kind_bin": "/bin/true"}, {})
    provider = kindwiring.kind_provider(settings, lambda _: Path("/bin/true"), ready)
    with pytest.raises(PrerequisiteError, match=r"neither Docker nor Podman answers.*--cluster=embedded"):
        provider.create("a", Timeline())


def test_the_users_kind_is_taken_where_it_is_the_pinned_one(programs: Path) -> None:
    assert kindwiring.on_path() is None
    mine = add(programs, "kind", "echo 'kind v0.33.0 go1.26.0 linux/amd64'")
    assert kindwiring.on_path() == mine
    add(programs, "kind", "echo 'kind v0.33.01 go1.26.0 linux/amd64'")
    assert kindwiring.on_path() is None
    add(programs, "kind", "exit 1")
    assert kindwiring.on_path() is None


def test_the_stock_node_image_is_pulled_where_it_can_be(programs: Path) -> None:
    add(programs, "docker", 'case "$1" in image) exit 1;; esac')
    assert kindwiring.stock(Engine("docker"), Timeline()) == NodeImage(STOCK_IMAGE)
    add(programs, "docker", "echo 'denied' >&2; exit 1")
    with pytest.raises(PrerequisiteError, match=r"can neither find nor pull the node image docker\.io/kindest/node:v"):
        kindwiring.stock(Engine("docker"), Timeline())


def test_network_plugins_are_checked_before_anything_is_made() -> None:
    with pytest.raises(UsageError, match="not 'flannel'"):
        provider_of(gather({"cluster": "kind", "cluster_cni": "flannel"}, {}))
