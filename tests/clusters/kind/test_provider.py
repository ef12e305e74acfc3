"""Clusters of kind as far as programs that only note what they are asked can show it."""

import json
import shutil
import signal
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.clusters.container.contained import Parts
from harness.clusters.container.made import Made
from harness.clusters.container.node import NodeImage, Ports, Release
from harness.clusters.container.provider import ContainerProvider, Means
from harness.clusters.furnishing import Furniture
from harness.clusters.kind import command
from harness.clusters.kind.config import NETWORKS
from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster, Node
from harness.engine import Engine
from harness.errors import ClusterError, ClusterGone, ComponentDied, UsageError
from harness.kube.wait import wait_until
from harness.paths import KIND_MADE
from harness.timeline import Timeline

from .programs import Programs

BARE = NodeImage("harness.dev/kind-node:h1", dns="v1.15.0", release=Release("v1.37.0", Path("/kubenode")))


def kind(folder: Path, made: Made) -> command.Kind:
    return command.Kind(folder, made.engine, Path(made.program), Path(made.kubectl))


@dataclass
class Here:
    """A provider, the programs that it calls, and what it did with a new cluster."""

    clusters: Path
    programs: Programs
    image: NodeImage = field(default_factory=lambda: NodeImage("kindest/node:v1"))
    furnished: list[str] = field(default_factory=list)
    failure: BaseException | None = None
    archives: list[Path] = field(default_factory=list)
    own: bool = False
    """Whether each cluster gets an engine of its own."""

    def provider(self, cni: str | None = None) -> ContainerProvider:
        engine = Engine("docker", {"DOCKER_HOST": "unix:///there"})
        means = Means(
            engine=lambda: None if self.own else engine,
            parts=lambda _: Parts("/packages", "/capped", "/forward"),
            program=lambda _: self.programs.kind,
            kubectl=lambda _: Path("/bin/true"),
            image=lambda _engine, _timeline: self.image,
            maker=kind,
            furniture=self.furniture,
            make_ready=self.make_ready,
        )
        return ContainerProvider(self.clusters, KIND_MADE, NETWORKS, means, cni)

    def furniture(self, cni: str, _: Timeline) -> Furniture:
        """Notes who is given it."""
        made = self

        class Noted(Furniture):
            def give(self, cluster: Cluster, _: Timeline) -> None:
                made.furnished.append(f"{cluster.name} {cni}")

        return Noted([], self.archives)

    def make_ready(self, _cluster: Cluster, _timeline: Timeline) -> None:
        if self.failure:
            raise self.failure

    def config(self, cluster: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.clusters / cluster / "kind-config.json").read_text())
        return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(tmp_path / "clusters", Programs(tmp_path, monkeypatch))


def test_a_cluster_is_made_found_by_its_name_and_ended(here: Here) -> None:
    made = here.provider().create("a", Timeline())
    assert made.ingress_url == "http://127.0.0.1:32769"
    assert here.programs.clusters() == ["a"]
    found = here.provider().attach("a")
    assert found is not None
    assert (found.name, found.provider, found.ingress_url) == ("a", "kind", made.ingress_url)
    found.check()
    assert not isinstance(found, Node)
    here.provider().delete("a")
    assert here.programs.clusters() == []
    assert not (here.clusters / "a").exists()
    assert here.provider().attach("a") is None


def test_pytest_kind_leaves_nothing_where_it_is_called(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    here.provider().create("a", Timeline())
    assert list(elsewhere.iterdir()) == []


def test_a_name_that_is_somebody_elses_is_refused_and_left_alone(here: Here) -> None:
    (here.programs.nodes / "theirs").write_text("running")
    with pytest.raises(UsageError, match="a cluster of kind named theirs on docker already"):
        here.provider().create("theirs", Timeline())
    here.provider().delete("theirs")
    assert here.provider().attach("theirs") is None
    assert here.programs.clusters() == ["theirs"]


def test_a_name_that_somebody_takes_in_the_same_moment_is_left_alone(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here.programs.nodes / "theirs").write_text("running")
    monkeypatch.setattr(command.Kind, "taken", lambda _: False)
    with pytest.raises(UsageError, match="a cluster of kind named theirs"):
        here.provider().create("theirs", Timeline())
    assert here.programs.clusters() == ["theirs"]


def test_what_kind_says_is_told_where_it_fails_and_nothing_is_left(here: Here) -> None:
    here.programs.open("fail", "could not find a log line that matches")
    with pytest.raises(ClusterError) as failed:
        here.provider().create("a", Timeline())
    assert str(failed.value).startswith(
        "`kind create cluster` for the cluster a failed: ERROR: failed to create cluster: could not find a log line"
    )
    assert "line 40" in str(failed.value)
    assert "line 20" not in str(failed.value)
    assert "Stack Trace" not in str(failed.value)
    assert here.programs.clusters() == []
    assert not (here.clusters / "a").exists()


def test_a_kind_that_hangs_is_ended(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.programs.open("hang")
    monkeypatch.setattr(command, "CREATE_SECONDS", 1.0)
    with pytest.raises(ClusterError, match="did not end within 1 s: Creating cluster"):
        here.provider().create("a", Timeline())
    assert here.programs.clusters() == []


def test_what_the_engine_was_asked_for_before_an_interrupt_is_waited_for_and_removed(here: Here) -> None:
    here.programs.open("slow")
    begun = here.programs.gates / "begun"
    pid = here.clusters / "a" / "kind.pid"

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def meanwhile() -> None:
        wait_until("kind to ask for a node", begun.exists, seconds=60)
        kind = int(pid.read_text())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        wait_until("kind to be killed", lambda: not Path(f"/proc/{kind}").exists(), seconds=60)
        here.programs.open("go")

    before = signal.signal(signal.SIGUSR1, interrupt)
    other = threading.Thread(target=meanwhile)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            here.provider().create("a", Timeline())
    finally:
        other.join()
        signal.signal(signal.SIGUSR1, before)
    assert here.programs.clusters() == []
    assert not (here.clusters / "a").exists()


def test_a_cluster_that_does_not_become_ready_is_removed(here: Here) -> None:
    here.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        here.provider().create("a", Timeline())
    assert here.programs.clusters() == []
    assert not (here.clusters / "a").exists()


def test_while_its_engine_does_not_answer_a_cluster_stays_to_be_removed_later(here: Here) -> None:
    here.provider().create("a", Timeline())
    here.programs.open("down")
    assert here.provider().attach("a") is None
    with pytest.raises(
        ClusterError, match="docker does not answer, so that cluster a can be neither used nor removed: start it"
    ):
        here.provider().delete("a")
    swept = here.provider()
    assert swept.sweep() == []
    with pytest.raises(ClusterError, match="docker does not answer"):
        swept.attach("a")
    (here.programs.gates / "down").unlink()
    assert here.provider().sweep() == ["a"]
    assert here.programs.clusters() == []


def test_a_node_that_stops_is_told(here: Here) -> None:
    made = here.provider().create("a", Timeline())
    (here.programs.nodes / "a").write_text("exited")
    with pytest.raises(ClusterGone, match="the container a-control-plane, is exited"):
        made.check()
    (here.programs.nodes / "a").unlink()
    with pytest.raises(ClusterGone, match="is gone, or its engine does not answer"):
        made.check()


def test_a_poll_of_something_else_does_not_ask_the_engine_each_time(here: Here) -> None:
    made = here.provider().create("a", Timeline())
    before = len(here.programs.calls)
    for _ in range(50):
        made.check()
    assert len(here.programs.calls) - before == 1


def test_what_a_crashed_run_left_is_swept_and_what_is_held_or_kept_is_not(here: Here) -> None:
    for name in ("crashed", "held", "kept", "unfinished"):
        here.provider().create(name, Timeline())
        Lease(here.clusters / name).file.touch()
    note = here.clusters / "unfinished" / KIND_MADE
    note.write_text(json.dumps({**json.loads(note.read_text()), "ingress_url": ""}))
    Lease(here.clusters / "unfinished").keep()
    Lease(here.clusters / "kept").keep()
    with Lease(here.clusters / "held").hold():
        assert here.provider().sweep() == ["crashed", "unfinished"]
    assert here.programs.clusters() == ["held", "kept"]


def test_kinds_own_network_plugin_stays_where_nobody_asks_for_another(here: Here) -> None:
    here.provider().create("a", Timeline())
    assert here.furnished == ["a kindnet"]
    assert here.config("a")["networking"] == {
        "ipFamily": "ipv4",
        "apiServerAddress": "127.0.0.1",
        "apiServerPort": 0,
        "podSubnet": "10.244.0.0/16",
        "disableDefaultCNI": False,
    }


def test_calico_takes_the_place_of_kinds_own(here: Here) -> None:
    here.provider("calico").create("a", Timeline())
    assert here.furnished == ["a calico"]
    networking = here.config("a")["networking"]
    assert isinstance(networking, dict)
    assert networking["disableDefaultCNI"]


def test_a_node_image_without_a_plugin_gets_calico(here: Here) -> None:
    here.image = BARE
    here.provider().create("a", Timeline())
    assert here.furnished == ["a calico"]
    patches = here.config("a")["kubeadmConfigPatches"]
    assert patches == ['{"kind": "ClusterConfiguration", "dns": {"imageTag": "v1.15.0"}}']
    with pytest.raises(UsageError, match=r"harness\.dev/kind-node:h1 does not have kindnet"):
        here.provider("kindnet").create("b", Timeline())


def test_a_plugin_that_nobody_knows_is_refused(here: Here) -> None:
    with pytest.raises(UsageError, match="kind has kindnet, its own, and calico, and not 'flannel'"):
        here.provider("flannel")


def test_logs_are_those_of_kind_and_its_engine_is_the_clusters(here: Here, tmp_path: Path) -> None:
    made = here.provider().create("a", Timeline())
    made.export_logs(tmp_path / "logs")
    assert (tmp_path / "logs" / "kind-version.txt").read_text() == "unix:///there\n"


class MadeUp:
    """An engine of a cluster's own: a mark in its folder, and programs that note what they are asked."""

    def __init__(self, folder: Path, parts: Parts) -> None:
        self.mark, self.parts = folder / "dockerd", parts
        self.engine = Engine("docker")

    def start(self, _: Timeline) -> Ports:
        self.mark.touch()
        return Ports(6001, 6002)

    def check(self) -> None:
        if not self.mark.exists():
            raise ComponentDied("dockerd of cluster a was killed by SIGKILL")

    def wait_for_its_end(self) -> None:
        self.mark.unlink()
        self.check()

    def end(self) -> None:
        shutil.rmtree(self.mark.parent)

    def export_logs(self, folder: Path) -> None:
        (folder / "dockerd.log").touch()


@pytest.fixture
def on_its_own(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """Where no engine answers."""
    for module in ("provider", "made"):
        monkeypatch.setattr(f"harness.clusters.container.{module}.Contained", MadeUp)
    archive = tmp_path / "node.tar"
    archive.touch()
    here.own, here.image = True, replace(BARE, archive=archive)
    return here


def test_where_no_engine_answers_a_cluster_has_one_of_its_own_which_ends_with_it(on_its_own: Here) -> None:
    made = on_its_own.provider().create("a", Timeline())
    networking = on_its_own.config("a")["networking"]
    assert isinstance(networking, dict)
    assert networking["apiServerPort"] == 6001
    assert '"hostPort": 6002' in json.dumps(on_its_own.config("a")["nodes"])
    made.check()
    found = on_its_own.provider().attach("a")
    assert found is not None
    (on_its_own.clusters / "a" / "dockerd").unlink()
    with pytest.raises(ComponentDied):
        found.check()
    on_its_own.provider().delete("a")
    assert not (on_its_own.clusters / "a").exists()


def test_an_engine_of_its_own_that_has_not_quite_ended_is_told_as_what_went_wrong(on_its_own: Here) -> None:
    made = on_its_own.provider().create("a", Timeline())
    on_its_own.programs.open("down")
    with pytest.raises(ComponentDied):
        made.check()


def test_the_engines_log_is_beside_those_of_kind(on_its_own: Here, tmp_path: Path) -> None:
    made = on_its_own.provider().create("a", Timeline())
    made.export_logs(tmp_path / "logs")
    assert {"dockerd.log", "kind-version.txt"} <= {file.name for file in (tmp_path / "logs").iterdir()}


def test_an_engine_of_its_own_that_does_not_answer_is_ended_all_the_same(on_its_own: Here) -> None:
    on_its_own.provider().create("a", Timeline())
    on_its_own.programs.open("down")
    on_its_own.provider().delete("a")
    assert not (on_its_own.clusters / "a").exists()


def test_a_node_image_that_the_engine_does_not_have_is_loaded(here: Here, tmp_path: Path) -> None:
    archive = tmp_path / "node.tar"
    here.image = replace(BARE, archive=archive)
    here.provider().create("a", Timeline())
    load = f"docker load --quiet --input {archive}"
    assert load not in here.programs.calls
    here.programs.open("lacking")
    here.provider().create("b", Timeline())
    assert load in here.programs.calls
