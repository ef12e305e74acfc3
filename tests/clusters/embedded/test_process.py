import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clusters.embedded import inside, process
from harness.clusters.embedded.layout import Layout
from harness.errors import ClusterGone, ComponentDied


@pytest.fixture
def where(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "clusters" / "one")
    layout.logs.mkdir(parents=True)
    return layout


@pytest.fixture
def process_of_the_folder(where: Layout) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the cluster's folder on its command line, as its supervisor has."""
    script = "import sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, process.SUPERVISOR, str(where.folder)], stdin=-1, stdout=-1
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"ready\n"
        yield one
        one.kill()


def say_that_the_supervisor_is(where: Layout, pid: int) -> None:
    where.state.write_text(json.dumps({"supervisor": pid, "unshare": pid}))


def test_a_cluster_that_was_never_started_has_no_supervisor(where: Layout) -> None:
    assert process.supervisor(where) is None


def test_a_living_supervisor_is_found_by_what_it_said_of_itself(
    where: Layout, process_of_the_folder: subprocess.Popen[bytes]
) -> None:
    say_that_the_supervisor_is(where, process_of_the_folder.pid)

    assert process.supervisor(where) == process_of_the_folder.pid


def test_another_process_that_has_the_folder_on_its_command_line_is_not_the_supervisor(where: Layout) -> None:
    with subprocess.Popen(["tail", "-f", "/dev/null", str(where.folder)]) as other:
        say_that_the_supervisor_is(where, other.pid)
        found = process.supervisor(where)
        other.kill()

    assert found is None


def test_ending_a_cluster_ends_a_supervisor_that_has_not_said_who_it_is(
    where: Layout, process_of_the_folder: subprocess.Popen[bytes]
) -> None:
    process.end(where)

    assert process_of_the_folder.wait(timeout=60) == -signal.SIGTERM
    assert not where.folder.exists()


def test_another_process_that_got_its_id_is_not_the_supervisor(where: Layout) -> None:
    say_that_the_supervisor_is(where, os.getpid())

    assert process.supervisor(where) is None


def test_a_supervisor_that_ended_is_none_even_before_its_parent_collects_it(
    where: Layout, process_of_the_folder: subprocess.Popen[bytes]
) -> None:
    say_that_the_supervisor_is(where, process_of_the_folder.pid)
    process_of_the_folder.kill()
    os.waitid(os.P_PID, process_of_the_folder.pid, os.WEXITED | os.WNOWAIT)

    assert process.supervisor(where) is None


def test_a_cluster_whose_supervisor_was_killed_is_gone_and_its_log_is_shown(where: Layout) -> None:
    say_that_the_supervisor_is(where, os.getpid())
    (where.logs / "supervisor.log").write_text("the last words\n")

    with pytest.raises(ClusterGone, match=r"(?s)supervisor of cluster one ended.*the last words"):
        process.check(where)


def test_a_component_that_died_is_named_with_its_status_and_the_last_lines_of_its_log(where: Layout) -> None:
    where.death.write_text(json.dumps({"component": "kubelet", "status": 3, "at": 0}))
    (where.logs / "kubelet.log").write_text("".join(f"line {number}\n" for number in range(100)))

    with pytest.raises(ComponentDied) as died:
        process.check(where)

    text = str(died.value)
    assert "kubelet of cluster one ended with status 3" in text
    assert "line 99" in text
    assert f"line {100 - process.LOG_LINES}" in text
    assert f"line {99 - process.LOG_LINES}\n" not in text


def test_a_component_that_was_killed_is_named_with_the_signal(where: Layout) -> None:
    where.death.write_text(json.dumps({"component": "etcd", "status": -signal.SIGKILL, "at": 0}))

    with pytest.raises(ComponentDied, match=r"etcd of cluster one was killed by SIGKILL.*\n +\(nothing\)"):
        process.check(where)


def test_a_condition_that_fails_because_a_component_died_is_reported_as_that(where: Layout) -> None:
    where.death.write_text(json.dumps({"component": "etcd", "status": 1, "at": 0}))

    with pytest.raises(ComponentDied, match="etcd of cluster one"):
        process.wait_for(where, "something else", lambda: False, seconds=60)


def test_a_wait_that_times_out_says_for_what_and_shows_the_nodes_log(where: Layout) -> None:
    (where.logs / "node.log").write_text("mount: permission denied\n")

    with pytest.raises(Exception, match=r"(?s)for the node to set itself up.*mount: permission denied"):
        process.wait_for(where, "the node to set itself up", lambda: False, seconds=0.05)


def test_a_log_with_bytes_that_are_no_text_is_shown_all_the_same(where: Layout) -> None:
    (where.logs / "felix.log").write_bytes(b"\xff\xfe broken\n")

    assert "broken" in process.tail(where, "felix")


def test_ending_a_cluster_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    process.end(Layout(tmp_path / "clusters" / "none"))


def test_ending_a_dead_cluster_removes_its_folder(where: Layout) -> None:
    say_that_the_supervisor_is(where, os.getpid())

    process.end(where)
    process.end(where)

    assert not where.folder.exists()


def test_ids_inside_are_translated_to_ids_outside() -> None:
    script = "echo $$; exec sleep 60"
    command = ["unshare", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", script]
    if os.geteuid() != 0:
        command.insert(1, "--map-root-user")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        inner = int(outer.stdout.readline())
        found = [pid for pid, parent, nested in inside.processes() if parent == outer.pid and nested[-1] == inner]
        outer.kill()

    assert inner == 1
    assert len(found) == 1
