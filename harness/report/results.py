"""report.json: every test with its outcome, and what the run was made of."""

import json
import os
import platform
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.errors import SettingsError
from harness.timeline import Phase

LEFT = "the end of the run"
"""Stands for a test that finds what is left behind."""

Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]


@dataclass
class TestResult:
    """One test: ``seconds`` is setup, call and teardown together, ``reason`` why it did not pass.

    ``promise_broken``: what failed is what the test proves, not the means of proving it.
    """

    __test__ = False  # pytest would take the name for a test class

    id: str
    outcome: Outcome = "passed"
    seconds: float = 0.0
    reason: str = ""
    markers: tuple[str, ...] = ()
    bundle: str = ""
    promise_broken: bool = False


@dataclass
class Results:
    """The tests of a run by id, gathered from pytest's reports in whatever order they come."""

    tests: dict[str, TestResult] = field(default_factory=dict)

    def add(self, report: pytest.TestReport) -> None:
        """Take in one report: of a test's setup, call or teardown."""
        test = self.tests.setdefault(report.nodeid, TestResult(report.nodeid))
        test.seconds += report.duration
        properties: Mapping[str, Any] = dict(report.user_properties)
        test.markers = tuple(str(properties.get("harness.markers", "")).split()) or test.markers
        test.bundle = str(properties.get("harness.bundle", test.bundle))
        test.promise_broken |= properties.get("harness.promise") == "broken"
        outcome = outcome_of(report)
        if outcome != "passed" and test.outcome not in ("failed", "error"):
            test.outcome = outcome
            test.reason = _reason(report)

    def add_collection_error(self, file: str, reason: str) -> None:
        """Take in a file that could not be collected."""
        self.tests[file] = TestResult(file, "error", reason=reason)

    def add_left(self, what: str) -> None:
        """Take in what the end of the run could not clear away: no second run excuses that."""
        self.tests[LEFT] = TestResult(LEFT, "error", reason=what, promise_broken=True)

    def totals(self) -> dict[str, int]:
        """How many tests had each outcome."""
        return dict(Counter(test.outcome for test in self.tests.values()))


def outcome_of(report: pytest.TestReport) -> Outcome:
    """What a report says of its test; a failure outside the test's own call is an error."""
    if hasattr(report, "wasxfail"):
        return "xpassed" if report.passed else "xfailed"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "skipped" if report.skipped else "passed"


def _reason(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail)
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longreprtext)


def versions(packages: Iterable[str] = ("k8s-harness", "pytest", "pytest-xdist", "kubernetes")) -> dict[str, str]:
    """The versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def require_writable(folder: Path, files: Iterable[str] = ("report.json",)) -> None:
    """Raise SettingsError where the artifacts folder, or one of the files in it, could not be written in the end.

    Makes nothing: where there is no folder yet, the nearest one above it must take it in.
    """
    try:
        there = next(one for one in (folder, *folder.parents) if _is_there(one))
        if not there.is_dir():
            raise _unwritable(folder, f"{there} is no folder")
        with tempfile.TemporaryFile(dir=there):
            pass  # root may do what the modes forbid, and not what the file system does: only trying tells
        if wrong := next((folder / name for name in files if (folder / name).is_dir()), None):
            raise _unwritable(folder, f"{wrong} is a folder, and a file of that name is to be written")
        if _is_there(folder / "runs") and not (folder / "runs").is_dir():
            raise _unwritable(folder, f"{folder / 'runs'} is no folder")
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise _unwritable(folder, reason) from None


def _is_there(path: Path) -> bool:
    """Whether anything has that name, also a link to nothing. Raises OSError and ValueError for an impossible one."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _unwritable(folder: Path, reason: str) -> SettingsError:
    return SettingsError(
        f"the artifacts folder {folder} cannot be written: {reason}; put that right, or give another folder "
        "with --artifacts, HARNESS_ARTIFACTS or ini key harness_artifacts"
    )


def write_report(
    file: Path, results: Results, phases: Iterable[Phase], exit_status: int, run: Mapping[str, Any]
) -> None:
    """Write report.json, whole or not at all. ``run`` is what the caller knows: id, cluster, provider, versions."""
    text = json.dumps(
        {
            **run,
            "exit_status": exit_status,
            "totals": results.totals(),
            "phases": [asdict(phase) for phase in phases],
            "tests": [asdict(test) for test in results.tests.values()],
        },
        indent=2,
    )
    write_whole(file, text + "\n")


def write_whole(file: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or the one that was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as part:
        part.write(text)
    os.chmod(part.name, 0o644)  # noqa: PTH101 -- the name is a string
    os.replace(part.name, file)  # noqa: PTH105 -- the same
