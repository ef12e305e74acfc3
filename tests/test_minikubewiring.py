"""Which Minikube, which engine and which base image a cluster of Minikube is made with."""

import os
from pathlib import Path

import pytest

from harness import engine, minikubewiring
from harness.clusters.container.node import NodeImage
from harness.clusters.provider import Cluster
from harness.errors import PrerequisiteError, UsageError
from harness.settings import gather
from harness.timeline import Timeline
from harness.wiring import provider_of


def ready(_cluster: Cluster, _timeline: Timeline) -> None:
    raise AssertionError("nothing is made here")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, with a minikube of the pinned version."""
    monkeypatch.setenv("PATH", str(tmp_path))
    engine.found.cache_clear()
    add(tmp_path, "minikube", "echo 'minikube version: v1.36.0'")
    return tmp_path


def add(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_minikube_is_a_provider() -> None:
    assert provider_of(gather({"cluster": "minikube"}, {})).name == "minikube"


def test_network_plugins_are_checked_before_anything_is_made() -> None:
    with pytest.raises(UsageError, match="not 'kindnet'"):
        provider_of(gather({"cluster": "minikube", "cluster_cni": "kindnet"}, {}))


def test_without_an_engine_and_without_root_the_way_out_is_told(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(programs, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    provider = minikubewiring.minikube_provider(gather({"cluster": "minikube"}, {}), lambda _: Path("/bin/true"), ready)
    with pytest.raises(PrerequisiteError, match="neither Docker nor Podman answers, and --cluster=minikube needs one"):
        provider.create("a", Timeline())


def test_where_the_stock_base_image_cannot_be_pulled_one_of_our_own_is_used(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(programs, "docker", 'case "$1" in image | pull) exit 1;; esac')
    asked: list[str] = []

    def own(_: Timeline) -> NodeImage:
        asked.append("built")
        raise PrerequisiteError("base images can be made by root only")

    monkeypatch.setattr(minikubewiring, "own_image", own)
    provider = minikubewiring.minikube_provider(gather({"cluster": "minikube"}, {}), lambda _: Path("/bin/true"), ready)
    with pytest.raises(PrerequisiteError, match=r"can neither find nor pull .*kicbase.* by root only"):
        provider.create("a", Timeline())
    assert asked == ["built"]
