"""Which folders the embedded node can use."""

from pathlib import Path

import pytest

from harness.errors import PrerequisiteError
from harness.paths import Mount, Paths, file_system_of, parse_mounts, require_fit, unfitness

MOUNTS = parse_mounts(
    "/dev/vda / ext4 rw 0 0\n"
    "tmpfs /mnt tmpfs rw 0 0\n"
    "overlay /mnt/with\\040space overlay rw 0 0\n"
    "/dev/vdb /mnt/disk xfs rw 0 0\n"
)  # fmt: skip


def test_a_space_in_a_mount_point_is_read() -> None:
    assert Mount("/mnt/with space", "overlay") in MOUNTS


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/srv", "ext4"), ("/mnt/x", "tmpfs"), ("/mntx", "ext4"), ("/mnt/disk/a", "xfs"), ("/mnt/with space", "overlay")],
)
def test_the_nearest_mount_decides_the_file_system(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_of_two_mounts_on_one_point_the_later_counts() -> None:
    assert file_system_of(Path("/a/b"), [Mount("/a", "ext4"), Mount("/a", "overlay")]) == "overlay"


def test_folders_that_cannot_hold_a_cluster_are_refused_with_the_fix(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    with pytest.raises(PrerequisiteError, match="bytes too long to hold sockets: set XDG_STATE_HOME to a shorter path"):
        require_fit(Paths(tmp_path, deep), "one")


def test_a_folder_in_memory_is_refused() -> None:
    [problem, *_] = unfitness(Paths(Path("/dev/shm/harness"), Path("/dev/shm/harness")), "one")  # noqa: S108 -- the point
    assert "lies on tmpfs: set XDG_CACHE_HOME to a folder on a disk" in problem
