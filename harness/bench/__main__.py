"""``python -m harness.bench [NAME…]``: exit status 1 for a failed limit or a failed measurement, 2 for a wrong name."""

import os
import subprocess
import sys
from collections.abc import Sequence

from rich.console import Console

from harness.bench import figures
from harness.bench.measurements import BY_NAME, MEASUREMENTS
from harness.errors import HarnessError, UsageError
from harness.inifile import ini_values
from harness.kube.kubectl import child_environment
from harness.report.results import require_writable, write_whole
from harness.settings import gather
from harness.timeline import Timeline


def machine() -> figures.Machine:
    """The machine that measures, as it is now."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD") + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return figures.Machine(len(os.sched_getaffinity(0)), round(os.getloadavg()[0], 2), commit)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=True,
        env=child_environment(),
    )
    return done.stdout.strip()


def main(names: Sequence[str]) -> int:
    """Measure what is named, or everything but what is only run by name."""
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise UsageError(f"there is no measurement {unknown[0]!r}: choose from {', '.join(BY_NAME)}")
    settings = gather({"cluster": "embedded"}, ini=ini_values())
    require_writable(settings.artifacts.absolute(), ["bench.json"])
    timeline = Timeline()
    file = settings.artifacts / "bench.json"
    before = figures.parse(file.read_text(encoding="utf-8"), str(file)) if file.exists() else []
    new = []
    failures = []
    for name in names or MEASUREMENTS:
        where = machine()
        try:
            new += [
                figures.entry(target, value, samples, where)
                for target, value, samples in BY_NAME[name](settings, timeline)
            ]
        except HarnessError as error:
            failures.append(f"{name}: {error}")
    merged = figures.merge(before, new)
    write_whole(file, figures.to_json(merged))
    Console(soft_wrap=True, highlight=False).print(figures.table(merged))
    failures += figures.failures(new)
    for failure in failures:
        print(failure, file=sys.stderr)  # noqa: T201 -- a command speaks to its user
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 -- a command speaks to its user
        sys.exit(2)
