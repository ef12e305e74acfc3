"""Every task of the project as a session: ``nox -l`` lists them, ``nox -s e2e`` runs one; arguments after ``--`` go on.

All sessions share one virtual environment, made once and renewed when pyproject.toml changes.
"""

import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import nox

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".nox" / "environment"
STAMP = ENVIRONMENT / "made-from"
CI_ARTIFACTS = Path("artifacts") / "ci"
FULL_ARTIFACTS = Path("artifacts") / "full"
CI = ("lint", "tests", "live", "e2e", "isolation", "access")
EMBEDDED = "--cluster=embedded"
WITHOUT = ("-p", "no:schemathesis", "-p", "no:hypothesispytest")
"""Plugins that the scenarios do not use: each process would import them for a second or two."""
ON_ANY_MACHINE = ("--hypothesis-profile=ci",)
"""Hypothesis draws the same examples everywhere, and holds none to a time, which a busy machine would not keep."""
ENSURE_PACKAGES = """
import sys
from harness.packages import ensure
from harness.timeline import Timeline
ensure(Timeline(), sys.argv[1:])
"""

nox.options.sessions = ["lint", "tests"]
nox.needs_version = ">=2025.2.9"


def prepare(session: nox.Session) -> None:
    """Make the shared environment if pyproject.toml or Python changed since it was made, and use it in this session."""
    project = (ROOT / "pyproject.toml").read_bytes()
    key = hashlib.sha256(project + sys.version.encode()).hexdigest()  # not where it lies: `bench` calls nox from within
    python = ENVIRONMENT / "bin" / "python"
    session.env["PATH"] = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    session.env["VIRTUAL_ENV"] = str(ENVIRONMENT)
    if STAMP.exists() and STAMP.read_text() == key:
        return
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    session.run_always(sys.executable, "-m", "virtualenv", "--quiet", str(ENVIRONMENT), external=True)
    content = nox.project.load_toml("pyproject.toml")
    packages = nox.project.dependency_groups(content, "test", "lint")
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    session.run_always(*pip, "--editable", ".", *packages, external=True)
    STAMP.write_text(key)


def run(session: nox.Session, *command: str) -> None:
    """Run a program of the environment; Ctrl-C gives it time to end its cluster."""
    program = str(ENVIRONMENT / "bin" / command[0])
    session.run(program, *command[1:], external=True, interrupt_timeout=20, terminate_timeout=5)


def prepare_for_clusters(session: nox.Session, *groups: str) -> None:
    """The environment, and the Debian packages that a cluster and its images need, and those of more groups."""
    prepare(session)
    run(session, "python", "-c", ENSURE_PACKAGES, "cluster", "build", *groups)


@nox.session(python=False)
def e2e(session: nox.Session) -> None:
    """Every invoice paid, once: the case from end to end on a cluster of its own."""
    prepare_for_clusters(session)
    run(session, "pytest", "scenarios", "-m", "e2e", *WITHOUT, "-n", "2", *session.posargs)


@nox.session(python=False)
def isolation(session: nox.Session) -> None:
    """Who can talk to whom; `-- --manifests=DIR` asks it of your own services."""
    prepare_for_clusters(session)
    run(session, "pytest", "scenarios", "-m", "isolation", *WITHOUT, *session.posargs)


@nox.session(python=False)
def access(session: nox.Session) -> None:
    """Who may do what through the API; `-- --access-expectations=FILE` asks it of your own subjects."""
    prepare_for_clusters(session)
    run(session, "pytest", "scenarios", "-m", "access", *WITHOUT, *session.posargs)


@nox.session(python=False)
def chaos(session: nox.Session) -> None:
    """Exactly once while pods die; `-- --chaos-seed=N` draws other faults, `-- --chaos-plan=FILE` replays them."""
    prepare_for_clusters(session)
    run(session, "pytest", "scenarios", "-m", "chaos", *WITHOUT, *session.posargs)


@nox.session(python=False)
def mutate(session: nox.Session) -> None:
    """Would a table of expectations notice a slip: every single mutation of policies and roles against it."""
    prepare_for_clusters(session)
    run(session, "python", "-m", "harness.score", *session.posargs)


@nox.session(python=False)
def providers(session: nox.Session) -> None:
    """The same scenarios on kind and Minikube: not built yet."""
    session.error("not built yet: it comes with the providers kind and minikube")


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """The harness itself and the services, without a cluster."""
    prepare_for_clusters(session, "tests")
    run(session, "pytest", "tests", "--ignore=tests/live", "-n", "auto", *ON_ANY_MACHINE, *session.posargs)


@nox.session(python=False)
def live(session: nox.Session) -> None:
    """The harness itself, against real clusters: nothing is left behind, whatever is killed; the longest in `full`."""
    prepare_for_clusters(session, "tests")
    run(session, "pytest", "tests/live", *ON_ANY_MACHINE, *session.posargs)


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Format, lint, types and spelling."""
    prepare(session)
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "mypy", "harness", "services", "scenarios", "tests", "noxfile.py", "conftest.py")
    run(session, "codespell", "--toml", "pyproject.toml")


def run_all(session: nox.Session, *to_tests: str, of_live: Sequence[str] = ()) -> None:
    """Have all sessions of CI run, with ``to_tests`` for those where Hypothesis draws, then the arguments given."""
    shutil.rmtree(ROOT / CI_ARTIFACTS, ignore_errors=True)
    for name in CI:
        drawing = to_tests if name in ("tests", "live") else ()
        chosen = of_live if name == "live" else ()
        to_pytest = [EMBEDDED, f"--artifacts={CI_ARTIFACTS / name}", *drawing, *chosen, *session.posargs]
        session.notify(name, to_pytest if name != "lint" else [])
    session.notify("totals", [])


@nox.session(python=False)
def ci(session: nox.Session) -> None:
    """All that a change must pass, on the embedded cluster: the README's test command."""
    run_all(session)


@nox.session(python=False, default=False)
def totals(session: nox.Session) -> None:
    """The sum of what the sessions of `ci` ran, in one line; an error if one of them ran nothing."""
    outcomes: dict[str, int] = {}
    for name in CI[1:]:
        file = ROOT / CI_ARTIFACTS / name / "report.json"
        counted = json.loads(file.read_text())["totals"] if file.exists() else {}
        if not counted:
            session.warn(f"{name} ran no test")
            outcomes["error"] = outcomes.get("error", 0) + 1
        for outcome, number in counted.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + number
    passed = outcomes.get("passed", 0) + outcomes.get("xfailed", 0)
    failed = sum(outcomes.get(outcome, 0) for outcome in ("failed", "error", "xpassed"))
    line = f"{passed} passed, {failed} failed, {outcomes.get('skipped', 0)} skipped"
    (ROOT / CI_ARTIFACTS).mkdir(parents=True, exist_ok=True)
    (ROOT / CI_ARTIFACTS / "totals").write_text(line + "\n")
    print(line, flush=True)
    if failed:
        session.error("not everything passed")


@nox.session(python=False)
def full(session: nox.Session) -> None:
    """All of `ci` with random examples, all of `live`, the catalogue of policies, broken builds, the mutations."""
    seed = secrets.randbelow(2**32)
    session.log(f"the examples of this run again: nox -s full -- --hypothesis-seed={seed}")
    prepare_for_clusters(session)
    whole = [EMBEDDED, f"--artifacts={FULL_ARTIFACTS}", *session.posargs]
    run(session, "pytest", "scenarios", "-m", "(isolation or chaos) and full", *WITHOUT, *whole)
    session.notify("mutate", [])
    run_all(session, "--hypothesis-profile=full", f"--hypothesis-seed={seed}", of_live=("-m", "live or full"))


@nox.session(python=False)
def bench(session: nox.Session) -> None:
    """The figures, merged into artifacts/bench.json; fails when a must is missed. By name: `bench -- cold`."""
    prepare_for_clusters(session)
    run(session, "python", "-m", "harness.bench", *session.posargs)


@nox.session(python=False)
def doctor(session: nox.Session) -> None:
    """Check what this machine needs, and name the fix for what it lacks."""
    prepare(session)
    run(session, "python", "-m", "harness", "doctor", *session.posargs)


@nox.session(python=False)
def up(session: nox.Session) -> None:
    """Create a cluster that stays."""
    prepare_for_clusters(session)
    run(session, "python", "-m", "harness", "up", *session.posargs)


@nox.session(python=False)
def down(session: nox.Session) -> None:
    """End a cluster."""
    prepare(session)
    run(session, "python", "-m", "harness", "down", *session.posargs)


@nox.session(python=False)
def deploy(session: nox.Session) -> None:
    """Deploy one service or all on a running cluster."""
    prepare_for_clusters(session)
    run(session, "python", "-m", "harness", "deploy", *session.posargs)


@nox.session(python=False)
def destroy(session: nox.Session) -> None:
    """Remove one service or all from a running cluster."""
    prepare(session)
    run(session, "python", "-m", "harness", "destroy", *session.posargs)
