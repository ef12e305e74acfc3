import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.clusters.lease import Lease

HOLDER = """\
import sys, time
from pathlib import Path
from harness.clusters.lease import Lease
with Lease(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "clusters" / "one"


@contextmanager
def another_process_that_holds(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_making_a_lease_touches_nothing(folder: Path) -> None:
    lease = Lease(folder)

    assert not lease.held()
    assert not lease.kept
    assert not folder.exists()


def test_several_users_hold_it_at_once(folder: Path) -> None:
    with another_process_that_holds(folder), Lease(folder).hold() as current:
        assert current


def test_nobody_is_alone_while_somebody_holds_it(folder: Path) -> None:
    with another_process_that_holds(folder):
        assert Lease(folder).held()
        with Lease(folder).alone() as free:
            assert not free


def test_whoever_is_alone_knows_that_there_is_no_user_left(folder: Path) -> None:
    with Lease(folder).hold():
        pass

    assert not Lease(folder).held()
    with Lease(folder).alone() as free:
        assert free


def test_this_process_counts_as_a_user(folder: Path) -> None:
    with Lease(folder).hold():
        assert Lease(folder).held()


def test_the_kernel_frees_it_when_its_holder_is_killed(folder: Path) -> None:
    with another_process_that_holds(folder) as holder:
        assert Lease(folder).held()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(timeout=60)

        assert not Lease(folder).held()


def test_no_child_of_a_holder_holds_it_too(folder: Path) -> None:
    with Lease(folder).hold():
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert not Lease(folder).held()
    finally:
        child.kill()
        child.wait()


def test_waiting_for_the_last_user_ends_with_the_lease_held_alone(folder: Path) -> None:
    with another_process_that_holds(folder) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        descriptor = Lease(folder).wait_until_unused()
    try:
        assert Lease(folder).held()
    finally:
        os.close(descriptor)


def test_a_lease_whose_cluster_was_torn_down_meanwhile_is_stale(folder: Path) -> None:
    lease = Lease(folder)
    folder.mkdir(parents=True)
    descriptor = lease.open()
    (folder / "lease").unlink()
    folder.rmdir()

    fcntl.flock(descriptor, fcntl.LOCK_SH)
    assert not lease._is_current(descriptor)
    os.close(descriptor)

    with lease.hold() as current:
        assert current


def test_a_lease_of_a_cluster_that_was_made_anew_is_stale_too(folder: Path) -> None:
    lease = Lease(folder)
    folder.mkdir(parents=True)
    descriptor = lease.open()
    (folder / "lease").rename(folder / "old")
    os.close(lease.open())

    assert not lease._is_current(descriptor)
    os.close(descriptor)


def test_a_cluster_is_kept_from_keep_to_release(folder: Path) -> None:
    lease = Lease(folder)
    with lease.hold():
        lease.keep()
        assert Lease(folder).kept
        lease.release()
        lease.release()
        assert not Lease(folder).kept


def test_only_its_owner_can_look_into_a_clusters_folder(folder: Path) -> None:
    with Lease(folder).hold():
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "lease").stat().st_mode & 0o777 == 0o600


def test_looking_at_a_lease_brings_no_folder_back(folder: Path) -> None:
    lease = Lease(folder)

    assert not lease.shared()
    assert not lease.held()
    with lease.alone() as free:
        assert not free
    assert not folder.exists()


def test_a_lease_is_shared_while_another_process_holds_it(folder: Path) -> None:
    with another_process_that_holds(folder) as holder:
        assert Lease(folder).shared()
        holder.kill()
        holder.wait(timeout=60)

        assert not Lease(folder).shared()


def test_a_teardown_is_waited_for_and_shares_nothing(folder: Path) -> None:
    folder.mkdir(parents=True)
    descriptor = Lease(folder).wait_until_unused()
    with ThreadPoolExecutor(1) as pool:
        shared = pool.submit(Lease(folder).shared)
        with pytest.raises(TimeoutError):
            shared.result(timeout=0.2)  # it waits for us
        shutil.rmtree(folder)
        os.close(descriptor)

        assert not shared.result(timeout=60)
    assert not folder.exists()


BECOMES_CAT = """
import os, sys
from pathlib import Path
from harness.clusters.lease import Lease
with Lease(Path(sys.argv[1])).hold(beyond_exec=sys.argv[2] == "beyond"):
    os.execvp("cat", ["cat"])
"""


@pytest.mark.parametrize(("how", "held"), [("beyond", True), ("not", False)])
def test_a_program_that_its_holder_becomes_holds_it_where_that_is_wanted(
    tmp_path: Path,
    how: str,
    held: bool,  # noqa: FBT001 -- the table's column
) -> None:
    command = [sys.executable, "-c", BECOMES_CAT, str(tmp_path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=CHECKOUT) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        cat.stdin.write(b"it is cat\n")
        assert cat.stdout.readline() == b"it is cat\n"
        assert Lease(tmp_path).held() is held
        cat.stdin.close()
    assert not Lease(tmp_path).held()
