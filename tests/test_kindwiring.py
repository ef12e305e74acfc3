"""Which kind, which engine and which node image a cluster of kind is made with."""

import os
from pathlib import Path

import pytest

from harness import containerwiring, engine, kindwiring
from harness.clusters.container.node import NodeImage
from harness.clusters.embedded.gotoolchain import COMPONENTS
from harness.clusters.embedded.programs import required
from harness.clusters.kind.config import STOCK_IMAGE
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


def test_without_an_engine_and_without_root_the_way_out_is_told(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(programs, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    settings = gather({"cluster": "kind", "kind_bin": "/bin/true"}, {})
    provider = kindwiring.kind_provider(settings, lambda _: Path("/bin/true"), ready)
    with pytest.raises(PrerequisiteError, match=r"neither Docker nor Podman answers.*As root on Linux"):
        provider.create("a", Timeline())


def test_a_node_image_of_an_engine_that_does_not_answer_is_refused(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(programs, "docker", "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    settings = gather({"cluster": "kind", "kind_bin": "/bin/true", "kind_image": "mine:1"}, {})
    provider = kindwiring.kind_provider(settings, lambda _: Path("/bin/true"), ready)
    with pytest.raises(UsageError, match="--kind-image=mine:1: neither Docker nor Podman answers, which would have it"):
        provider.create("a", Timeline())


def test_the_users_kind_is_taken_where_it_is_the_pinned_one(programs: Path) -> None:
    assert containerwiring.on_path("kind", kindwiring.PINNED) is None
    mine = add(programs, "kind", "echo 'kind v0.33.0 go1.26.0 linux/amd64'")
    assert containerwiring.on_path("kind", kindwiring.PINNED) == mine
    add(programs, "kind", "echo 'kind v0.33.01 go1.26.0 linux/amd64'")
    assert containerwiring.on_path("kind", kindwiring.PINNED) is None
    add(programs, "kind", "exit 1")
    assert containerwiring.on_path("kind", kindwiring.PINNED) is None


def test_the_stock_node_image_is_pulled_where_it_can_be(programs: Path) -> None:
    add(programs, "docker", 'case "$1" in image) exit 1;; esac')
    assert containerwiring.stock(Engine("docker"), STOCK_IMAGE, Timeline()) == NodeImage(STOCK_IMAGE)
    add(programs, "docker", "echo 'denied' >&2; exit 1")
    assert containerwiring.stock(Engine("docker"), STOCK_IMAGE, Timeline()) is None


def test_where_the_stock_node_image_cannot_be_pulled_one_of_our_own_is_loaded(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(programs, "docker", 'case "$1" in image | pull) exit 1;; esac')
    asked: list[str] = []

    def own(_: Timeline) -> NodeImage:
        asked.append("built")
        raise PrerequisiteError("base images can be made by root only")

    monkeypatch.setattr(kindwiring, "own_image", own)
    settings = gather({"cluster": "kind", "kind_bin": "/bin/true"}, {})
    provider = kindwiring.kind_provider(settings, lambda _: Path("/bin/true"), ready)
    with pytest.raises(
        PrerequisiteError, match=r"can neither find nor pull .* by root only\. Give one .* --kind-image"
    ):
        provider.create("a", Timeline())
    assert asked == ["built"]


def test_network_plugins_are_checked_before_anything_is_made() -> None:
    with pytest.raises(UsageError, match="not 'flannel'"):
        provider_of(gather({"cluster": "kind", "cluster_cni": "flannel"}, {}))
