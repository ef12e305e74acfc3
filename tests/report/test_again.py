"""The second run of what failed, by pytest itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.report.again import main, passed_on

TESTS = """
import pytest
from pathlib import Path

def test_passes(): pass

def test_passes_the_second_time():
    first = not Path("seen").exists()
    Path("seen").touch()
    assert not first, "the first time"

def test_fails(): assert Path("fixed").exists()

@pytest.mark.promise
def test_promises(): assert not Path("broken").exists()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:schemathesis -p no:hypothesispytest")  # a second for each run's imports
    return tmp_path


def run(*options: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--artifacts=ci/tests", *options]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)


def test_what_is_flaky_is_told_before_the_totals_and_listed_in_the_report(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "fixed").touch()
    run()

    assert main(["ci", "tests", "--", "-p", "no:cacheprovider"]) == 0
    said = (
        "FLAKY test_it.py::test_passes_the_second_time: AssertionError: the first time\n4 passed, 0 failed, 0 skipped\n"
    )
    assert capfd.readouterr().out.endswith(said)
    assert (folder / "ci" / "totals").read_text() == said
    report = json.loads((folder / "ci" / "report.json").read_text())
    assert [one["tests"] for one in report["flaky"]] == [["test_it.py::test_passes_the_second_time"]]
    assert len(report["tests"]) == 4
    assert (folder / "ci" / "again" / "junit.xml").is_file()


def test_what_fails_again_is_red(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("-k", "fails or test_passes")

    assert main(["ci", "tests"]) == 1
    told = capfd.readouterr().out.splitlines()
    assert told[-3].startswith("FLAKY test_it.py::test_passes_the_second_time")
    assert told[-2].startswith("FAILED test_it.py::test_fails: ")
    assert told[-1] == "2 passed, 1 failed, 0 skipped"


def test_a_broken_promise_is_not_run_again(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "broken").touch()
    run("-k", "promises")
    (folder / "broken").unlink()

    assert main(["ci", "tests"]) == 1
    assert capfd.readouterr().out.startswith("BROKEN PROMISE test_it.py::test_promises: ")
    assert not (folder / "ci" / "again").exists()


def test_a_part_that_ran_nothing_or_not_to_its_end_is_red(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "test_it.py").write_text("def test_it(): raise KeyboardInterrupt\n")
    run()

    assert main(["ci", "tests", "proofs"]) == 1
    told = capfd.readouterr().out.splitlines()
    assert told[:2] == ["tests did not run to its end: pytest ended with status 2", "proofs ran no test"]
    assert told[-1].endswith(" 2 failed, 0 skipped")


def test_a_part_that_is_no_run_of_tests_counts_too(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("-k", "test_passes and not second")

    assert main(["ci", "tests", "--failed=lint"]) == 1
    assert capfd.readouterr().out.splitlines() == ["lint failed", "1 passed, 1 failed, 0 skipped"]


def test_a_part_that_stopped_at_its_first_failure_is_red_though_that_passes_again(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "fixed").touch()
    run("-x")

    assert main(["ci", "tests", "--", "-x"]) == 1
    told = capfd.readouterr().out.splitlines()
    assert told[-3].startswith("FLAKY test_it.py::test_passes_the_second_time")
    assert told[-2] == "tests did not run to its end: stopping after 1 failures"


def test_what_an_earlier_run_found_out_excuses_nothing(folder: Path) -> None:
    (folder / "fixed").touch()
    run()
    assert main(["ci", "tests"]) == 0
    (folder / "seen").unlink()
    (folder / "test_it.py").write_text(TESTS.replace('Path("seen").touch()', "raise SystemExit(9)"))

    assert main(["ci", "tests"]) == 1


def test_a_second_run_has_the_options_that_say_how_and_not_those_that_say_which() -> None:
    given = ["--patience=3", "-k", "paid", "--cluster-name", "dev", "-x", "--keep-cluster", "-p", "no:cov", "scenarios"]

    assert passed_on([*given, "--hypothesis-seed=1"]) == [
        "--patience=3",
        "--cluster-name",
        "dev",
        "--keep-cluster",
        "-p",
        "no:cov",
        "--hypothesis-seed=1",
    ]
