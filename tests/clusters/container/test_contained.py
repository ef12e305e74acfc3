"""A Docker of the harness's own, as far as it can be told without one: what is placed for it, and how it is asked."""

from pathlib import Path

import pytest

from harness.clusters.container import contained
from harness.clusters.container.contained import DAEMON, PROGRAMS, Contained, Parts
from harness.clusters.embedded import process
from harness.clusters.embedded.layout import Layout
from harness.engine import Engine
from harness.timeline import Timeline


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Files with their own names for content."""
    packages = tmp_path / "packages"
    for name in (*PROGRAMS, "usr/bin/docker", "lib/aarch64-linux-gnu/libdevmapper.so.1.02.1", "capped", "kubenode"):
        file = packages / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.name)
    (packages / "forward").symlink_to("kubenode")
    return Parts(str(packages), str(packages / "capped"), str(packages / "forward"))


def test_it_is_asked_by_its_own_client_and_by_its_socket(tmp_path: Path, parts: Parts) -> None:
    engine = Contained(tmp_path / "c", parts).engine
    assert engine == Engine("docker", {"DOCKER_HOST": f"unix://{tmp_path}/c/docker.sock"}, f"{parts.packages}/usr/bin")
    assert engine.environment["PATH"].startswith(f"{parts.packages}/usr/bin:")


def test_all_that_runs_in_there_is_linked_to_where_it_is_looked_for(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[dict[str, object]] = []

    def launch(_where: Layout, spec: dict[str, object]) -> None:
        launched.append(spec)

    monkeypatch.setattr(process, "launch", launch)
    monkeypatch.setattr(process, "wait_for", lambda *_, **__: None)
    folder = tmp_path / "c"
    ports = Contained(folder, parts).start(Timeline())
    programs = {file.name for file in (folder / "bin").iterdir()}
    assert programs == {"capped", "forward", *(Path(name).name for name in PROGRAMS)}
    assert (folder / "bin/forward").read_text() == "kubenode"
    assert not (folder / "bin/forward").is_symlink()
    assert (folder / "lib/libdevmapper.so.1.02.1").is_file()
    (spec,) = launched
    commands = spec["commands"]
    assert isinstance(commands, dict)
    forwarded = [one.partition("=")[2] for one in commands["forward"]["arguments"][1:]]
    assert forwarded == [f"127.0.0.1:{ports.api}", f"127.0.0.1:{ports.ingress}"]


def test_its_socket_is_in_the_clusters_folder_and_all_else_in_the_machine_that_goes_with_it() -> None:
    assert DAEMON["hosts"] == [f"unix:///run/node/{contained.SOCKET}"]
    assert all(str(DAEMON[name]).startswith("/run/") for name in ("data-root", "exec-root", "pidfile"))
