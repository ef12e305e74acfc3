from io import StringIO

from harness.clusters.embedded.progress import TENTHS, PackageProgress
from harness.timeline import Timeline


def test_a_build_without_a_terminal_tells_a_line_for_every_tenth() -> None:
    shown = StringIO()
    with PackageProgress(Timeline(shown), 200) as progress:
        for number in range(200):
            progress.heard(f"example.com/module/package{number}")
    lines = shown.getvalue().splitlines()
    assert len(lines) == TENTHS
    assert lines[0] == "  compiling: 20 of 200 packages"
    assert lines[-1] == "  compiling: 200 of 200 packages"


def test_only_lines_that_name_a_package_count() -> None:
    with PackageProgress(Timeline(StringIO()), 10) as progress:
        for line in ("go: downloading example.com/a v1.0.0", "# example.com/a", "a.go:3:1: undefined: b", "", "std/io"):
            progress.heard(line)
    assert progress.done == 1


def test_packages_that_an_earlier_batch_compiled_count_when_their_batch_is_done() -> None:
    with PackageProgress(Timeline(StringIO()), 30) as progress:
        progress.heard("example.com/a")
        progress.finish(10)
        assert progress.done == 10
        progress.heard("example.com/b")
        assert progress.done == 11
        progress.finish(20)
    assert progress.done == 30


def test_no_more_is_done_than_there_is() -> None:
    with PackageProgress(Timeline(StringIO()), 1) as progress:
        progress.heard("example.com/a")
        progress.heard("example.com/b")
    assert progress.done == 1
