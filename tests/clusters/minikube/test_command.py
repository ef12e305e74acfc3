"""Minikube for one cluster, as far as programs that only note what they are asked can show it."""

import signal
import threading
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest

from harness.clusters.container.node import NodeImage, Ports, Release
from harness.clusters.minikube import command
from harness.clusters.minikube.command import Minikube
from harness.engine import Engine
from harness.errors import ClusterError
from harness.kube.wait import wait_until
from harness.timeline import Timeline

from .programs import Programs

STOCK = NodeImage("kicbase:v0")

KUBECTL = """#!/bin/sh
[ "$1 $3 $4 $5" = "--kubeconfig config set-cluster a" ] && sed -i "s|https://[^\\"]*|${6#--server=}|" "$2"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)


@pytest.fixture
def minikube(programs: Programs, tmp_path: Path) -> Minikube:
    """For the cluster ``a``, whose folder is there."""
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    folder = tmp_path / "clusters" / "a"
    folder.mkdir(parents=True)
    engine = Engine("docker", {"DOCKER_HOST": "unix:///there"})
    return Minikube(folder, engine, programs.minikube, kubectl, tmp_path / "downloads")


def create(minikube: Minikube, image: NodeImage = STOCK, ports: Ports | None = None) -> str:
    minikube.prepare(image)
    return minikube.create(image, "calico", ports or Ports(), Timeline(StringIO()))


def test_its_steps_are_phases_and_the_kubeconfig_leads_to_the_loopback(minikube: Minikube) -> None:
    timeline = Timeline(StringIO())
    minikube.prepare(STOCK)
    assert minikube.create(STOCK, "calico", Ports(), timeline) == "http://127.0.0.1:32771"
    assert [(one.name, one.note) for one in timeline.phases] == [
        ("minikube start", ""),
        ("Initial Minikube Setup", "minikube v1"),
        ("Creating Container", "Creating docker container"),
    ]
    assert 'server: "https://127.0.0.1:32770"' in minikube.kubeconfig.read_text()
    assert "a log line" in minikube.log.read_text()


def test_ports_that_are_led_to_are_those_of_the_cluster(minikube: Minikube) -> None:
    assert create(minikube, ports=Ports(6001, 6002)) == "http://127.0.0.1:6002"
    assert 'server: "https://127.0.0.1:6001"' in minikube.kubeconfig.read_text()


def test_nothing_of_the_users_minikube_counts(
    minikube: Minikube, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIKUBE_HOME", "/the/users")
    monkeypatch.setenv("MINIKUBE_DRIVER", "kvm2")
    create(minikube)
    (start,) = [call for call in programs.calls if call.startswith("minikube start --profile=a")]
    assert start.endswith(f" HOME={minikube.folder}/minikube DRIVER= HOST=unix:///there")


def test_it_runs_where_the_engines_network_is(minikube: Minikube, programs: Programs, tmp_path: Path) -> None:
    enter = tmp_path / "bin" / "enter"
    enter.write_text(f'#!/bin/sh\necho "enter $1" >> {programs.log}\nshift\nexec "$@"\n')
    enter.chmod(0o755)

    def entered() -> Sequence[str]:
        return [str(enter), "there"]

    there = Minikube(minikube.folder, minikube.engine, minikube.minikube, minikube.kubectl, minikube.downloads, entered)
    create(there)
    assert "enter there" in programs.calls


def test_what_it_downloads_is_kept_for_all_clusters(minikube: Minikube) -> None:
    create(minikube)
    assert (minikube.home / "cache").resolve() == minikube.downloads


def test_it_finds_what_it_would_download_where_the_image_is_our_own(minikube: Minikube, tmp_path: Path) -> None:
    program = tmp_path / "kubenode"
    program.write_text("the program")
    create(minikube, NodeImage("own:1", release=Release("v1.36.3", program)))
    found = [one for one in (minikube.home / "cache").rglob("v1.36.3/*") if one.read_text() == "the program"]
    assert {one.name for one in found} == {"kubeadm", "kubelet", "kubectl"}
    assert not minikube.downloads.exists()


def test_why_it_failed_is_told_without_the_request_to_file_an_issue(minikube: Minikube, programs: Programs) -> None:
    programs.open("fail")
    with pytest.raises(ClusterError) as failed:
        create(minikube)
    assert str(failed.value) == "`minikube start` for the cluster a failed: GUEST_START: no luck"


def test_where_it_says_no_reason_the_last_of_its_log_is_told(minikube: Minikube, programs: Programs) -> None:
    programs.open("mute")
    with pytest.raises(ClusterError, match="failed: a log line"):
        create(minikube)


def test_a_start_that_hangs_is_ended(minikube: Minikube, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.open("hang")
    monkeypatch.setattr(command, "CREATE_SECONDS", 1.0)
    with pytest.raises(ClusterError, match="did not end within 1 s"):
        create(minikube)


def test_what_the_engine_was_asked_for_before_an_interrupt_is_waited_for(
    minikube: Minikube, programs: Programs
) -> None:
    programs.open("slow")
    begun = programs.gates / "begun"
    pid = minikube.folder / "minikube.pid"

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def meanwhile() -> None:
        wait_until("minikube to ask for a node", begun.exists, seconds=60)
        started = int(pid.read_text())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        wait_until("minikube to be killed", lambda: not Path(f"/proc/{started}").exists(), seconds=60)
        programs.open("go")

    before = signal.signal(signal.SIGUSR1, interrupt)
    other = threading.Thread(target=meanwhile)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            create(minikube)
    finally:
        other.join()
        signal.signal(signal.SIGUSR1, before)
    assert programs.clusters() == ["a"]
    assert not pid.exists()


def test_a_name_is_taken_where_the_engine_has_a_container_or_a_volume_of_it(
    minikube: Minikube, programs: Programs
) -> None:
    assert not minikube.taken()
    programs.open("volume")
    assert minikube.taken()
    (programs.gates / "volume").unlink()
    (programs.nodes / "a").touch()
    assert minikube.taken()


def test_it_is_deleted_by_its_profile(minikube: Minikube, programs: Programs) -> None:
    create(minikube)
    minikube.delete()
    assert programs.clusters() == []


def test_logs_are_minikubes_and_those_of_the_services_and_the_pods(
    minikube: Minikube, programs: Programs, tmp_path: Path
) -> None:
    create(minikube)
    logs = tmp_path / "logs"
    logs.mkdir()
    minikube.export_logs(logs)
    assert {one.name for one in logs.iterdir()} == {"minikube-logs.txt", "kubelet.log", "containerd.log", "pods"}
    assert f"docker cp a:/var/log/pods {logs}/pods" in programs.calls


def test_where_the_node_does_not_answer_its_logs_are_told_to_be_missing(
    minikube: Minikube, programs: Programs, tmp_path: Path
) -> None:
    programs.open("down")
    with pytest.raises(ClusterError, match="Cannot connect to the Docker daemon"):
        minikube.export_logs(tmp_path)
