import errno
import os
import shutil
from pathlib import Path

import pytest

from harness.clusters.embedded import cgroups
from harness.clusters.embedded.cgroups import Hierarchy, hierarchies
from harness.errors import WaitTimeout

# A line of proc_pid_mountinfo(5): id, parent, device, root, mount point, options, tags, "-", type, source, options.
OTHERS = """\
24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
25 24 0:22 / /proc rw,nosuid shared:5 - proc proc rw
30 24 0:26 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755
"""
CONTROLLERS_APART = """\
31 30 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
"""
SYSTEMD = """\
31 30 0:27 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,release_agent=/lib/systemd/agent,name=systemd
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 / /sys/fs/cgroup/cpuset rw,nosuid shared:11 - cgroup cgroup rw,seclabel,clone_children,cpuset,cpuset_v2_mode
"""
UNIFIED = "40 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
HYBRID = "41 30 0:31 / /sys/fs/cgroup/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_each_controller_mounted_by_itself_is_a_hierarchy() -> None:
    assert hierarchies(OTHERS + CONTROLLERS_APART) == [
        Hierarchy(Path("/sys/fs/cgroup/cpu"), ("cpu",)),
        Hierarchy(Path("/sys/fs/cgroup/memory"), ("memory",)),
    ]


def test_controllers_mounted_together_are_one_hierarchy_and_mount_options_are_none() -> None:
    assert hierarchies(OTHERS + SYSTEMD) == [
        Hierarchy(Path("/sys/fs/cgroup/systemd"), ("name=systemd",)),
        Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), ("cpu", "cpuacct")),
        Hierarchy(Path("/sys/fs/cgroup/cpuset"), ("cpuset",)),
    ]


def test_the_unified_hierarchy_has_no_controllers_in_its_mount_options() -> None:
    assert hierarchies(OTHERS + UNIFIED) == [Hierarchy(Path("/sys/fs/cgroup"), ())]


def test_a_hybrid_machine_has_both_kinds() -> None:
    assert [h.controllers for h in hierarchies(OTHERS + CONTROLLERS_APART + HYBRID)] == [("cpu",), ("memory",), ()]


def test_a_hierarchy_mounted_twice_counts_once_where_it_was_mounted_first() -> None:
    again = UNIFIED.replace("/sys/fs/cgroup ", "/elsewhere ")

    assert hierarchies(UNIFIED + again) == [Hierarchy(Path("/sys/fs/cgroup"), ())]


def test_a_machine_without_cgroups_has_no_hierarchy() -> None:
    assert hierarchies(OTHERS) == []


def test_removing_takes_what_is_below_and_leaves_what_is_beside(tmp_path: Path) -> None:
    mounted = [Hierarchy(tmp_path / "cpu", ("cpu",)), Hierarchy(tmp_path / "memory", ("memory",))]
    for hierarchy in mounted:
        (hierarchy.mount / "harness-1/kubepods/pod1").mkdir(parents=True)
        (hierarchy.mount / "harness-2/kubepods").mkdir(parents=True)

    cgroups.remove("harness-1", mounted)
    cgroups.remove("harness-1", mounted)

    assert [sorted(p.name for p in h.mount.iterdir()) for h in mounted] == [["harness-2"], ["harness-2"]]


def test_a_cgroup_that_stays_busy_is_named_when_the_deadline_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "harness-1").mkdir()

    def busy(path: str) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)

    monkeypatch.setattr(os, "rmdir", busy)

    with pytest.raises(WaitTimeout, match=r"cgroup .*/harness-1 to be empty.*busy"):
        cgroups.remove("harness-1", [Hierarchy(tmp_path, ())], seconds=0.05)


def test_what_is_frozen_is_thawed_before_any_hierarchy_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = [Hierarchy(tmp_path / "cpu", ("cpu",)), Hierarchy(tmp_path / "freezer", ("freezer",))]
    for hierarchy in mounted:
        (hierarchy.mount / "harness-1").mkdir(parents=True)
    state = tmp_path / "freezer/harness-1/freezer.state"
    state.write_text("FROZEN")
    seen = []

    def look(path: Path) -> None:
        seen.append(state.read_text())
        shutil.rmtree(path)

    monkeypatch.setattr(Path, "rmdir", look)

    cgroups.remove("harness-1", mounted)

    assert seen == ["THAWED", "THAWED"]


def test_a_cpuset_gets_its_parents_processors_and_memory_before_it_gets_the_process(tmp_path: Path) -> None:
    cpuset, unified = Hierarchy(tmp_path / "cpuset", ("cpuset",)), Hierarchy(tmp_path / "unified", ())
    for hierarchy in (cpuset, unified):
        folder = hierarchy.mount / "harness-1"
        folder.mkdir(parents=True)
        for place, value in ((hierarchy.mount, "0-1\n"), (folder, "\n")):
            (place / "cpuset.cpus").write_text(value)

    cgroups.join("harness-1", [cpuset, unified])

    assert (cpuset.mount / "harness-1/cpuset.cpus").read_text() == "0-1\n"
    assert (unified.mount / "harness-1/cpuset.cpus").read_text() == "\n"  # v2 inherits by itself
    assert (cpuset.mount / "harness-1/cgroup.procs").read_text() == str(os.getpid())
