"""What failed in the parts of a run is run once more, alone, on a fresh cluster; then the whole run has its verdict.

``python -m harness.report.again FOLDER PART… [--failed NAME] [-- OPTION…]``: each part is a folder with the report.json
of a run of pytest, ``--failed`` names another part that failed, the options are those of the first run: the harness's
own and Hypothesis's are for the pytest that runs again, too, and others (``-k``, ``-x``) are not. Writes
``FOLDER/report.json``, and ``FOLDER/totals``, which is also printed: what was flaky, what is red, and last the line
with the totals. Exit status 1 where the run is red.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from harness.report.flaky import Verdict, causes, judge, to_repeat
from harness.report.results import TestResult, write_whole
from harness.settings import OPTIONS

AGAIN = "again"
_OF_THE_FIRST = ("HARNESS_RUN_ID", "HARNESS_CLUSTER_NAME")
FINE = (0, 1)
"""The exit statuses of a pytest that ran its tests to the end."""
INTERRUPT_SECONDS = 30.0
"""What a run that is interrupted has to let go of its cluster; then it is killed, and the supervisor sees to that."""


def main(arguments: Sequence[str]) -> int:
    """Judge the parts; the exit status."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(prog="harness.report.again")
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--failed", action="append", default=[])
    asked = parser.parse_args(arguments[:end])
    folder: Path = asked.folder
    reports = {part: _read(folder / part / "report.json") for part in asked.parts}
    tests = [test for report in reports.values() for test in _tests(report)]
    found = causes(tests)
    repeated = _run_again(folder / AGAIN, to_repeat(found), arguments[end + 1 :])
    verdict = judge(found, repeated)
    incomplete = [line for part, report in reports.items() if (line := _incomplete(part, report))]
    incomplete += [f"{part} failed" for part in asked.failed]
    verdict = Verdict(verdict.flaky, [*verdict.red, *incomplete])
    excused = {test.id for cause in verdict.flaky for test in cause.tests}
    outcomes: Counter[str] = Counter("passed" if test.id in excused else test.outcome for test in tests)
    totals = _totals(outcomes, len(incomplete))
    flaky = [
        {"tests": [test.id for test in cause.tests], "why": cause.why, "bundle": cause.tests[0].bundle}
        for cause in verdict.flaky
    ]
    about = {"totals": outcomes, "flaky": flaky, "red": verdict.red, "tests": [asdict(test) for test in tests]}
    write_whole(folder / "report.json", json.dumps(about, indent=2) + "\n")
    said = "\n".join((*verdict.lines, totals)) + "\n"
    write_whole(folder / "totals", said)
    print(said, end="", flush=True)  # noqa: T201 -- its answer
    return 1 if verdict.red else 0


def _read(file: Path) -> Mapping[str, Any]:
    try:
        report: Mapping[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    return report


def _tests(report: Mapping[str, Any]) -> list[TestResult]:
    known = {field.name for field in fields(TestResult)}
    return [TestResult(**{key: value for key, value in one.items() if key in known}) for one in report.get("tests", ())]


def _incomplete(part: str, report: Mapping[str, Any]) -> str:
    """Why a part says nothing of its tests; empty where it ran them all."""
    if not report.get("tests"):
        return f"{part} ran no test"
    status = report["exit_status"]
    if status not in FINE:
        return f"{part} did not run to its end: pytest ended with status {status}"
    return f"{part} did not run to its end: {report['stopped']}" if report.get("stopped") else ""


def _run_again(folder: Path, ids: Sequence[str], options: Sequence[str]) -> dict[str, TestResult]:
    """Run tests in one process of their own, whose cluster is its own; what became of them, by their ids."""
    shutil.rmtree(folder, ignore_errors=True)  # what an earlier run found out excuses nothing of this one
    if not ids:
        return {}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as chosen:
        chosen.write("\n".join(ids))
        chosen.flush()
        command = [sys.executable, "-m", "pytest", "-p", "no:xdist", *passed_on(options)]
        command += [f"--artifacts={folder}", "-m", "full or not full", f"@{chosen.name}"]
        ours = {name: value for name, value in os.environ.items() if name not in _OF_THE_FIRST}
        _to_its_end(command, ours)
    return {test.id: test for test in _tests(_read(folder / "report.json"))}


def passed_on(options: Sequence[str]) -> list[str]:
    """Those of pytest's options that say how a test is run, not which: a second run has them, too."""
    ours = {option.flag: option.is_flag for option in OPTIONS}
    kept: list[str] = []
    left = list(options)
    while left:
        option = left.pop(0)
        flag, given, _ = option.partition("=")
        if flag.startswith("--hypothesis-"):
            kept.append(option)
        elif flag in ours:
            kept.append(option)
            if not (given or ours[flag]) and left:
                kept.append(left.pop(0))
        elif flag == "-p" and left:
            kept += [option, left.pop(0)]
    return kept


def _to_its_end(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a program. Ctrl-C, which it gets as well, gives it time to end; ``subprocess.run`` would kill it at once."""
    with subprocess.Popen(command, env=environment) as running:
        try:
            running.wait()
        except KeyboardInterrupt:
            try:
                running.wait(INTERRUPT_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
            raise


def _totals(outcomes: Mapping[str, int], incomplete: int) -> str:
    passed = outcomes.get("passed", 0) + outcomes.get("xfailed", 0)
    failed = sum(outcomes.get(outcome, 0) for outcome in ("failed", "error", "xpassed")) + incomplete
    return f"{passed} passed, {failed} failed, {outcomes.get('skipped', 0)} skipped"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
