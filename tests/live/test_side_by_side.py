"""Two clusters at once, the second from a template that was broken and is built anew."""

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from harness import wiring
from harness.clusters.embedded import template
from harness.clusters.embedded.provider import EmbeddedCluster, EmbeddedProvider
from harness.clusters.lease import Lease
from harness.errors import CommandError
from harness.kube.kubectl import Kubectl
from harness.paths import Paths
from harness.timeline import Timeline

from .pods import Pods

Other = tuple[EmbeddedCluster, str]
"""A cluster, and what was shown while it was made."""


@pytest.fixture(scope="module")
def broken_cache(embedded: EmbeddedCluster, apart: Paths) -> Iterator[Path]:
    """A cache of its own with the real template in it, but for one file."""
    timeline = Timeline(io.StringIO())
    whole = template.ensure(apart.cache, apart.clusters, wiring.embedded_assets(timeline), timeline)
    assert template.is_whole(whole)
    cache = apart.state.with_name("cache")  # on one file system with the real one, as a template has to be
    copy = cache / "templates" / whole.name
    copy.parent.mkdir(parents=True)
    subprocess.run(["cp", "-al", "--", str(whole), str(copy)], check=True)
    assert template.is_whole(copy)  # so what breaks it is what comes now
    next((copy / "data/etcd/member/wal").iterdir()).unlink()
    assert template.is_whole(whole)
    yield cache
    shutil.rmtree(cache)


@pytest.fixture(scope="module")
def other(apart: Paths, broken_cache: Path) -> Iterator[Other]:
    """A second cluster beside the shared one."""
    shown = io.StringIO()
    provider = EmbeddedProvider(broken_cache, apart.state, wiring.embedded_assets, wiring.make_ready)
    with Lease(apart.cluster("second")).hold():
        second = provider.create("second", Timeline(shown))
        with closing(second):
            yield second, shown.getvalue()
    provider.delete("second")


def test_a_broken_template_is_told_of_and_built_anew(other: Other, broken_cache: Path) -> None:
    _, shown = other

    assert "is broken: building it anew" in shown
    [rebuilt] = [folder for folder in (broken_cache / "templates").iterdir() if folder.is_dir()]
    assert template.is_whole(rebuilt)


def test_both_work_at_different_ports(embedded: EmbeddedCluster, other: Other) -> None:
    second, _ = other
    servers = {server(one) for one in (embedded, second)}

    assert len(servers) == 2
    assert embedded.ingress_url != second.ingress_url
    for one in (embedded, second):
        assert "node1" in one.kubectl.run("get", "nodes", "-o", "name")


def test_a_pod_of_one_is_not_in_the_other_though_both_may_have_its_address(
    embedded: EmbeddedCluster, other: Other, pods: Pods, image: str
) -> None:
    second, _ = other
    pods.serve("here")
    second.api.post("/api/v1/namespaces", {"metadata": {"name": pods.namespace}})
    there = Pods(second.api, pods.namespace, image)
    there.serve("there")

    assert [p["metadata"]["name"] for p in pods.api.items(f"/api/v1/namespaces/{pods.namespace}/pods")] == ["here"]
    assert [p["metadata"]["name"] for p in second.api.items(f"/api/v1/namespaces/{pods.namespace}/pods")] == ["there"]
    assert pods.get("here")["status"]["hostIP"] == there.get("there")["status"]["hostIP"]


def test_a_credential_of_one_is_refused_by_the_other(embedded: EmbeddedCluster, other: Other, tmp_path: Path) -> None:
    second, _ = other
    for own, foreign in ((embedded, second), (second, embedded)):
        config = json.loads(own.kubeconfig.read_text())
        config["users"] = json.loads(foreign.kubeconfig.read_text())["users"]
        mixed = tmp_path / f"{own.name}.json"
        mixed.write_text(json.dumps(config))

        with pytest.raises(CommandError, match=r"Unauthorized|logged in"):
            replace(own.kubectl, kubeconfig=mixed).run("get", "namespaces")


def test_neither_believes_that_it_speaks_to_the_other(embedded: EmbeddedCluster, other: Other, tmp_path: Path) -> None:
    second, _ = other
    config = json.loads(embedded.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = server(second)
    mixed = tmp_path / "mixed.json"
    mixed.write_text(json.dumps(config))

    with pytest.raises(CommandError, match="certificate signed by unknown authority"):
        Kubectl(embedded.kubectl.binary, mixed).run("get", "namespaces")


def server(cluster: EmbeddedCluster) -> str:
    return str(json.loads(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])
