"""Whether the artifacts folder can be written is known before anything runs."""

from pathlib import Path

import pytest

from harness.errors import SettingsError
from harness.report.results import require_writable


def test_a_folder_that_is_there_or_can_be_made_is_fine_and_is_not_made(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_folder_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    require_writable(tmp_path / "link" / "below")


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("file", "/file is no folder"),
        ("file/a/b", "/file is no folder"),
        ("dangling", "/dangling is no folder"),
        ("loop", "/loop is no folder"),
        ("loop/a", "symbolic links"),
        ("n" * 300, "File name too long"),
        ("nul\0", "null byte"),
        ("/proc/self/artifacts", "cannot be written: No such file or directory"),
        ("/dev/null/a", "/dev/null is no folder"),
        ("taken", "/taken/report.json is a folder, and a file of that name is to be written"),
        ("blocked", "/blocked/runs is no folder"),
    ],
)
def test_what_stands_in_the_way_is_named(tmp_path: Path, folder: str, said: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "taken" / "report.json").mkdir(parents=True)
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "runs").touch()

    with pytest.raises(SettingsError, match="or give another folder with --artifacts") as raised:
        require_writable(tmp_path / folder)
    assert said in str(raised.value)
