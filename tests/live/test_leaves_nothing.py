"""However a cluster ends, it leaves the machine as it was: processes at once, cgroups and files in time."""

import signal

import pytest

from .holding import Holding
from .machine import AT_ONCE

pytestmark = pytest.mark.promise


def test_a_run_that_ends_normally_leaves_nothing(holding: Holding) -> None:
    holding.until_ready()

    holding.leave()

    assert holding.pytest.wait() == 0, holding.pytest.output.read_text()
    holding.nothing_is_left()
    holding.files_are_gone()


def test_ctrl_c_leaves_nothing(holding: Holding) -> None:
    holding.until_ready()

    holding.pytest.interrupt()

    assert holding.pytest.wait() == pytest.ExitCode.INTERRUPTED
    holding.nothing_is_left()
    holding.files_are_gone()


@pytest.mark.parametrize("moment", ["its supervisor starts", "its components start"])
def test_ctrl_c_while_the_cluster_is_created_leaves_nothing(holding: Holding, moment: str) -> None:
    sign = {
        "its supervisor starts": holding.layout.logs / "supervisor.log",
        "its components start": holding.layout.logs / "kubelet.log",
    }
    holding.until(moment, sign[moment])

    holding.pytest.interrupt()

    assert holding.pytest.wait() == pytest.ExitCode.INTERRUPTED
    holding.nothing_is_left()
    holding.files_are_gone()


def test_a_killed_run_leaves_nothing(holding: Holding) -> None:
    holding.until_ready()

    holding.pytest.kill()

    assert holding.pytest.wait() == -signal.SIGKILL
    holding.nothing_is_left(AT_ONCE)
    holding.other_command("down")
    holding.nothing_is_left()
    holding.files_are_gone()


def test_a_killed_supervisor_takes_its_cluster_with_it(holding: Holding) -> None:
    holding.until_ready()

    holding.kill_supervisor()

    holding.only_these_are_left([holding.pytest.pid])
    holding.leave()
    assert holding.pytest.wait() == pytest.ExitCode.TESTS_FAILED
    assert f"the supervisor of cluster {holding.name} ended" in holding.pytest.output.read_text()
    holding.other_command("down")
    holding.nothing_is_left()
    holding.files_are_gone()


def test_a_component_that_dies_takes_the_cluster_with_it_and_is_named(holding: Holding) -> None:
    holding.until_ready()

    holding.kill_component("etcd")

    holding.only_these_are_left([holding.pytest.pid])
    holding.leave()
    assert holding.pytest.wait() == pytest.ExitCode.TESTS_FAILED
    said = holding.pytest.output.read_text()
    assert f"etcd of cluster {holding.name} was killed by SIGKILL; the last lines of its log:" in said
    holding.nothing_is_left()
    holding.files_are_gone()


def test_a_component_that_dies_while_the_cluster_is_created_is_named_and_nothing_is_left(holding: Holding) -> None:
    holding.until("the kubelet to start", holding.layout.logs / "kubelet.log")

    holding.kill_program("/run/node/bin/etcd ")

    assert holding.pytest.wait() == pytest.ExitCode.TESTS_FAILED
    said = holding.pytest.output.read_text()
    assert f"ComponentDied: etcd of cluster {holding.name} was killed by SIGKILL; the last lines of its log:" in said
    holding.nothing_is_left()
    holding.files_are_gone()
