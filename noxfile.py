"""Every task of the project as a session: ``nox -l`` lists them, ``nox -s e2e`` runs one; arguments after ``--`` go on.

All sessions share one virtual environment, made once and renewed when pyproject.toml changes.
"""

import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".nox" / "environment"
STAMP = ENVIRONMENT / "made-from"
CI_ARTIFACTS = Path("artifacts") / "ci"
FULL_ARTIFACTS = Path("artifacts") / "full"
ON_ONE_CLUSTER = ("-n", "2", "-p", "no:schemathesis")
"""Two workers share a cluster, as long as no test hurts it."""
TESTS = ("tests", "--ignore=tests/live", "-n", "auto")
EMBEDDED = "--cluster=embedded"
WITHOUT = ("-p", "no:schemathesis", "-p", "no:hypothesispytest")
"""Plugins that the scenarios do not use: each process would import them for a second or two."""
ON_ANY_MACHINE = ("--hypothesis-profile=ci",)
"""Hypothesis draws the same examples everywhere, and holds none to a time, which a busy machine would not keep."""
CHAOS_PLAN = "--chaos-plan=scenarios/chaos/ci.json"
"""20 s of chaos that strikes the case's own pods alone: other tests use the cluster at the same time."""
ENSURE_PACKAGES = """
import sys
from harness.choice import automatic
from harness.packages import ensure
from harness.timeline import Timeline
asked, *groups = sys.argv[1:]
provider = automatic() if asked == "auto" else asked
ensure(Timeline(), [*(("cluster", "build") if provider == "embedded" else ()), *groups])
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
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=8", "--timeout=60")
    session.run_always(*pip, "--editable", ".[kind]", *packages, external=True)
    STAMP.write_text(key)


def run(session: nox.Session, *command: str, success_codes: Sequence[int] = (0,)) -> None:
    """Run a program of the environment; Ctrl-C gives it time to end its cluster."""
    program = str(ENVIRONMENT / "bin" / command[0])
    arguments = (program, *command[1:])
    session.run(*arguments, external=True, success_codes=success_codes, interrupt_timeout=20, terminate_timeout=5)


def prepare_for_clusters(session: nox.Session, *groups: str, provider: str = "auto") -> None:
    """The environment, and the Debian packages that an embedded cluster and its images need, and those of more groups.

    Other clusters see to what they need by themselves. A provider that the user names comes before ``provider``.
    """
    prepare(session)
    asked = [one.partition("=")[2] for one in session.posargs if one.startswith("--cluster=")]
    run(session, "python", "-c", ENSURE_PACKAGES, asked[-1] if asked else provider, *groups)


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
    """The same scenarios on kind, Minikube and an existing cluster: not built yet."""
    session.error("not built yet: give `nox -s e2e` a provider, such as --cluster=kind")


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """The harness itself and the services, without a cluster."""
    prepare_for_clusters(session, "tests", provider="embedded")
    run(session, "pytest", *TESTS, *ON_ANY_MACHINE, *session.posargs)


@nox.session(python=False)
def live(session: nox.Session) -> None:
    """The harness itself, against real clusters: nothing is left, whatever is killed; `-- providers`: of the others."""
    providers = session.posargs[:1] == ["providers"]
    prepare_for_clusters(session, "tests", provider="embedded")
    folder = ("tests/live/providers",) if providers else ("tests/live", EMBEDDED)
    given = session.posargs[1:] if providers else session.posargs
    run(session, "pytest", *folder, "-m", "live or full", *ON_ANY_MACHINE, *given)


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Format, lint, types and spelling."""
    prepare(session)
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "mypy", "harness", "services", "scenarios", "tests", "noxfile.py", "conftest.py")
    run(session, "codespell", "--toml", "pyproject.toml")


class Parts:
    """The parts of a run of CI, one after the other: each is timed, and the next begins though one has failed."""

    def __init__(self, session: nox.Session, folder: Path) -> None:
        self.session, self.folder = session, folder
        self.times: list[str] = []
        self.failed: list[str] = []
        self.names: list[str] = []
        shutil.rmtree(ROOT / folder, ignore_errors=True)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what is done in the block."""
        self.session.log(f"{name} begins")
        began = time.monotonic()
        try:
            yield
        except CommandFailed:
            self.failed.append(name)
        self.times.append(f"{name} {time.monotonic() - began:.0f} s")

    def pytest(self, name: str, *arguments: str) -> None:
        """A part that is a run of pytest. Which of its failures count is for the end to say."""
        self.names.append(name)
        with self.part(name):
            artifacts = f"--artifacts={self.folder / name}"
            run(self.session, "pytest", *arguments, EMBEDDED, artifacts, *self.session.posargs, success_codes=[0, 1])

    def conclude(self, *options: str) -> None:
        """Run again what failed in the runs of pytest, say how long each part took, and how all went in one line."""
        with self.part("again"):
            judge = ("python", "-m", "harness.report.again", str(self.folder), *self.names)
            failed = (f"--failed={name}" for name in self.failed if name not in self.names)
            run(self.session, *judge, *failed, "--", EMBEDDED, *options, *self.session.posargs)
        print(", ".join(self.times), flush=True)
        if self.failed:
            self.session.error("not everything passed: the lines above say what failed")


def begin(session: nox.Session, folder: Path, *drawing: str) -> Parts:
    """Build everything, so that nothing is built beside tests; lint; tests, for which Hypothesis draws as is said."""
    parts = Parts(session, folder)
    with parts.part("prepare"):
        prepare_for_clusters(session, "tests", provider="embedded")
        run(session, "python", "-m", "harness", EMBEDDED, "build")
    with parts.part("lint"):
        lint(session)
    parts.pytest("tests", *TESTS, *drawing)
    return parts


@nox.session(python=False)
def ci(session: nox.Session) -> None:
    """All that a change must pass, on the embedded cluster: the README's test command."""
    parts = begin(session, CI_ARTIFACTS, *ON_ANY_MACHINE)
    chosen = ("-m", "not conformance", CHAOS_PLAN)
    parts.pytest("proofs", "scenarios", "tests/live", *ON_ONE_CLUSTER, *chosen, *ON_ANY_MACHINE)
    parts.conclude(*ON_ANY_MACHINE, CHAOS_PLAN)


@nox.session(python=False)
def full(session: nox.Session) -> None:
    """Everything: `ci` with examples drawn at random, what is too long for it, and the mutation score."""
    seed = secrets.randbelow(2**32)
    session.log(f"the examples of this run again: nox -s full -- --hypothesis-seed={seed}")
    drawing = ("--hypothesis-profile=full", f"--hypothesis-seed={seed}")
    parts = begin(session, FULL_ARTIFACTS, *drawing)
    parts.pytest("proofs", "scenarios", *ON_ONE_CLUSTER, "-m", "not chaos and (full or not full)", *drawing)
    parts.pytest(
        "hurting", "scenarios/chaos", "tests/live", "-p", "no:schemathesis", "-m", "full or not full", *drawing
    )
    session.notify("mutate", [])
    parts.conclude(*drawing)


@nox.session(python=False)
def bench(session: nox.Session) -> None:
    """The figures, merged into artifacts/bench.json; fails when a limit is not met. By name: `bench -- cold`."""
    prepare_for_clusters(session, provider="embedded")
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
