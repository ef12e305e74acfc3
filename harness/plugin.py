"""The pytest plugin: options, markers and fixtures. Wiring only: what they do lies in the modules that they name."""

import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.junitxml import xml_key

from harness.clusters.provider import Cluster
from harness.errors import HarnessError, PolicyNotEnforced, UsageError
from harness.kube.wait import be_patient
from harness.planloop import PlanLoop
from harness.prober.client import Prober
from harness.proofs import HERE as PROOFS
from harness.proofs import check, own_proofs
from harness.records import Records as AnyRecords
from harness.records import said_in
from harness.report.results import Results, require_writable, versions, write_report
from harness.run import Run
from harness.settings import OPTIONS, PYTEST_KIND_OPTIONS, Settings, add_options, from_ini, gather
from harness.signals import end_as_by_ctrl_c
from harness.timeline import Phase

if TYPE_CHECKING:  # pytest loads this file in every run: the Kubernetes client only where a cluster is used
    from harness.access.lab import Lab as AccessLab
    from harness.case import Case
    from harness.chaos.runner import Run as ChaosRun
    from harness.chaos.scene import Scene
    from harness.chaoscase import Chaos
    from harness.isolation.lab import Lab
    from harness.isolation.recording import Records

MARKERS = {
    "e2e": "the case from end to end, through the Ingress",
    "isolation": "who can talk to whom",
    "access": "who may do what through the API",
    "chaos": "promises while things break",
    "live": "the harness itself, against real clusters",
}
"""Markers by folder: a test in ``scenarios/<marker>/`` has it, and one in ``tests/live/``."""

PROMISE = "promise: what the system promises; where an assertion of it fails, no second run excuses that"
PACKAGE = Path(__file__).parent
TIMED_OUT = "Timeout ("
"""How the words of pytest-timeout begin where it fails a test."""
PROMISES = ("promise", "isolation", "access", "chaos")
"""The markers of tests that prove what the system promises."""

CONFORMANCE = "conformance: whether the network plugin does as Kubernetes says; what the case needs is proved without"
FULL = "full: too long for every run; only with -m '… and full', as nox -s full does"
OTHERS = {
    "xdist": "xdist_group(name): has no effect without pytest-xdist",
    "timeout": "timeout(seconds): has no effect without pytest-timeout",
}
"""Markers of other plugins that proofs carry: with ``-p no:xdist`` they mean nothing, and are no mistake."""
SCENARIOS = Path(__file__).parent.parent / "scenarios"

TIMEOUT_SECONDS = 300.0
"""What bounds a test where the user has set no timeout."""

SETTINGS = pytest.StashKey[Settings]()
RUN = pytest.StashKey[Run]()
AMBIENT = pytest.StashKey[str | None]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Register every option, but pytest-kind's own where it is loaded: pytest refuses to have one twice.

    Which of two installed plugins comes first is chance, so pytest-kind is let in before, unless it is switched off.
    """
    if not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        pluginmanager.load_setuptools_entrypoints("pytest11", name="pytest-kind")
    kind_is_there = any(pluginmanager.hasplugin(name) for name in ("pytest-kind", "pytest_kind.plugin"))
    group = parser.getgroup("harness", "proofs on a real Kubernetes cluster")
    add_options(group.addoption, without=PYTEST_KIND_OPTIONS if kind_is_there else frozenset())
    for option in OPTIONS:
        parser.addini(option.ini, f"{option.help} (as {option.flag})", type="string", default=None)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check all options before anything is changed, and set what other plugins read when they are configured."""
    for marker, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")
    for line in (PROMISE, CONFORMANCE, FULL):
        config.addinivalue_line("markers", line)
    for plugin, line in OTHERS.items():
        if not config.pluginmanager.hasplugin(plugin):
            config.addinivalue_line("markers", line)
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    try:
        settings = gather(
            {option.field: config.getoption(option.field, None) for option in OPTIONS},
            ini=from_ini(_written(config, (option.ini for option in OPTIONS)), _ini_folder(config)),
            run_id=worker["harness_run_id"] if worker else None,
            default_artifacts=config.rootpath / "artifacts",
        )
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    settings = settings.model_copy(update={"artifacts": settings.artifacts.absolute()})
    be_patient(settings.patience)
    config.stash[SETTINGS] = settings
    config.stash[RUN] = Run(settings)
    config.stash[AMBIENT] = os.environ.pop("KUBECONFIG", None)
    _bound_every_test(config, settings.patience)
    end_as_by_ctrl_c(config.add_cleanup)
    if worker is None:
        try:
            require_writable(settings.artifacts, ("report.json", *(["junit.xml"] if _writes_junit(config) else [])))
            check(settings)
            _check_entrance(settings)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
        (_plan if settings.plan else _record)(config, settings)
    else:
        config.option.loadgroup = worker["harness_loadgroup"]


def _plan(config: pytest.Config, settings: Settings) -> None:
    """Take the place of pytest's loop; nothing is recorded, so that a report of before stays."""
    if config.getoption("dist", "no") != "no":
        raise pytest.UsageError("--plan runs no test, and needs no workers: leave out -n")
    config.pluginmanager.register(PlanLoop(settings, MARKERS, _shown(config)), "harness-plan")


def _record(config: pytest.Config, settings: Settings) -> None:
    """Have the reports of the run written, and its tests spread over workers by what they share."""
    config.pluginmanager.register(Recorder(config), "harness-recorder")
    if _writes_junit(config):
        config.option.xmlpath = str(settings.artifacts / "junit.xml")
    if config.getoption("dist", "no") == "load":
        config.option.dist = "loadgroup"


def _check_entrance(settings: Settings) -> None:
    """Raise UsageError for a context that a run may not use, before anything is asked of its cluster."""
    if settings.cluster == "existing":
        from harness.clusters.contexts import entrance_of  # noqa: PLC0415 -- the reader of YAML, for those who need it

        if entrance := entrance_of(settings):
            entrance.read()


def _writes_junit(config: pytest.Config) -> bool:
    """Whether junit.xml is ours to place."""
    return config.pluginmanager.hasplugin("junitxml") and not config.option.xmlpath


def _written(config: pytest.Config, keys: Iterable[str]) -> dict[str, object]:
    """What stands in the ini file or behind ``-o``, of whatever type.

    ``getini`` raises TypeError for a value of a type of TOML's own that is not the one registered, and what an option
    may be (``harness_cluster_name = 101``) is ours to say, as for the commands.
    """
    written = config._inicfg  # noqa: SLF001 -- pytest's own name for it warns
    return {key: written[key].value for key in keys if key in written}


def _ini_folder(config: pytest.Config) -> Path:
    """Where paths of the ini file are seen from, as pytest sees its own."""
    return config.inipath.parent if config.inipath else config.invocation_params.dir


def _bound_every_test(config: pytest.Config, patience: float) -> None:
    """Give pytest-timeout a default where none is set, as a wheel's user has no pyproject.toml of ours; be patient."""
    if not config.pluginmanager.hasplugin("timeout"):
        return
    given = config.getoption("timeout", None)
    if given is None:
        written = _written(config, ["timeout"]).get("timeout", "")
        given = os.environ.get("PYTEST_TIMEOUT") or (TIMEOUT_SECONDS if written == "" else written)
    try:
        config.option.timeout = float(given) * patience
    except (TypeError, ValueError):
        raise pytest.UsageError(f"the timeout of a test is not a number of seconds: {given!r}") from None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give the process its KUBECONFIG back, which nothing of the run may have used."""
    if ambient := config.stash.get(AMBIENT, None):
        os.environ["KUBECONFIG"] = ambient


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 -- xdist has no public type for it
    """Tell an xdist worker which run it belongs to: by the run's id all of them share one cluster."""
    node.workerinput["harness_run_id"] = node.config.stash[SETTINGS].run_id
    node.workerinput["harness_loadgroup"] = node.config.option.dist == "loadgroup"


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 -- the same
    """Take over the phases that a worker went through."""
    output: dict[str, Any] = getattr(node, "workeroutput", None) or {}
    run = node.config.stash[RUN]
    run.phases.extend(Phase(*phase) for phase in output.get("harness_phases", ()))
    run.bundles.extend(Path(folder) for folder in output.get("harness_bundles", ()))
    run.canaries.extend(output.get("harness_canaries", ()))
    run.left.extend(output.get("harness_left", ()))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With a user's own manifests or table, the case's proofs are none of theirs."""
    instead = own_proofs(config.stash[SETTINGS])
    return True if collection_path in [SCENARIOS / folder for folder in instead] else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the proofs of a user's own manifests, before ``-m`` and ``-k`` choose; leave out what is marked ``full``.

    They are collected here, not named as an argument: pytest would then look for a conftest.py beside them.
    """
    for proof in own_proofs(config.stash[SETTINGS]).values():
        module = pytest.Module.from_parent(session, path=proof.file, name=proof.of, nodeid=proof.of)
        items += session.genitems(module)
    patience = config.stash[SETTINGS].patience
    for item in items:
        if patience != 1 and (timeout := item.get_closest_marker("timeout")):
            item.add_marker(_longer(timeout, patience), append=False)
        if item.get_closest_marker("isolation") and isinstance(item, pytest.Function):
            item.fixturenames.insert(0, "policy_enforced")
    if re.search(r"\bfull\b", config.option.markexpr):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _longer(timeout: pytest.Mark, patience: float) -> pytest.MarkDecorator:
    """A marker of pytest-timeout with a longer limit, where it sets one: it may say only how to end a test."""
    limit, *rest = timeout.args or (None,)
    options = dict(timeout.kwargs)
    if isinstance(options.get("timeout"), int | float):
        options["timeout"] *= patience
    positional = (limit * patience, *rest) if isinstance(limit, int | float) else timeout.args
    marker: pytest.MarkDecorator = pytest.mark.timeout(*positional, **options)
    return marker


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test the markers of its folders."""
    folders = item.path.parent.relative_to(item.config.rootpath).parts if _below_root(item) else ()
    here = MARKERS if "scenarios" in folders else {"live"}  # tests/isolation is about the harness's own module
    for folder in folders:
        if folder in here and item.get_closest_marker(folder) is None:
            item.add_marker(folder)
    names = [marker for marker in MARKERS if item.get_closest_marker(marker)]
    if names:
        item.user_properties.append(("harness.markers", " ".join(names)))


def _below_root(item: pytest.Item) -> bool:
    return item.path.is_relative_to(item.config.rootpath)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Make the cluster and deploy the case before the first test, whose timeout is for the test alone.

    What goes wrong is kept for the tests that need them: the others run.
    """
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())} & {"cluster", "case"}
    runs = not (session.config.option.collectonly or session.config.stash[SETTINGS].plan)
    if wanted and runs and not session.testsfailed:
        isolation = any(item.get_closest_marker("isolation") for item in session.items)
        with _shown(session.config):
            session.config.stash[RUN].prepare(case="case" in wanted, prove_policy=isolation)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """No test of isolation begins before the canary has flipped, which runs beside the fixtures of the first.

    Where it fails, that is the better word also for a fixture that fails since nothing enforces policies.
    """
    if "policy_enforced" not in getattr(item, "fixturenames", ()):
        return (yield)
    run = item.config.stash[RUN]
    try:
        done = yield
    except Exception:
        with _shown(item.config):
            run.ensure_policy_proven()
        raise
    with _shown(item.config):
        run.ensure_policy_proven()
    return done


@contextmanager
def _shown(config: pytest.Config) -> Iterator[None]:
    """Let the block write to the terminal rather than to pytest's capture."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else ExitStack():
        yield


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Let go of the cluster when every fixture is torn down, whatever happened: what is left behind fails the run."""
    config = session.config
    run = config.stash[RUN]
    try:
        return (yield)
    finally:
        try:
            with _shown(config):
                run.close()
        except Exception as error:  # noqa: BLE001 -- whatever it is: pytest would lose it, and what was left with it
            run.left.append(f"{type(error).__name__}: {error}")
        if run.left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        output: dict[str, Any] | None = getattr(config, "workeroutput", None)
        if output is not None:
            output["harness_phases"] = [(phase.name, phase.seconds, phase.note) for phase in run.all_phases()]
            output["harness_bundles"] = [str(folder) for folder in run.bundles]
            output["harness_canaries"] = run.canaries
            output["harness_left"] = run.left


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show our own errors in words, and gather a bundle when a test that uses the cluster fails."""
    if call.excinfo is not None and isinstance(call.excinfo.value, HarnessError):
        _cut(item, call.excinfo)
    report = yield
    if not report.failed or call.excinfo is None:
        return report
    error = call.excinfo.value
    if isinstance(error, HarnessError) and (call.when != "call" or item.path.parent == PROOFS):
        report.longrepr = f"{type(error).__name__}: {error}"
    if _is_a_broken_promise(item, str(call.when), error):
        report.user_properties.append(("harness.promise", "broken"))
    run = item.config.stash[RUN]
    if {"cluster", "case"} & set(getattr(item, "fixturenames", ())):
        with _shown(item.config):
            folder = run.collect_bundle(item.nodeid, str(call.when))
        if folder is not None:
            report.sections.append(("failure bundle", str(folder)))
            report.user_properties.append(("harness.bundle", str(folder)))
    return report


def _cut(item: pytest.Item, error: pytest.ExceptionInfo[BaseException]) -> None:
    """Show where a test met an error of ours, and not how we came to it, which its words say: but by --full-trace."""
    if item.config.getoption("fulltrace", default=False):
        return
    before = None
    for entry in error.traceback:
        if before is not None and Path(entry.path).is_relative_to(PACKAGE):
            before.tb_next = None
            error.value.__cause__, error.value.__suppress_context__ = None, True
            return
        if before is not None or Path(entry.path) == item.path:
            before = entry._rawentry  # noqa: SLF001 -- pytest goes through it once more, and would undo what is filtered


def _is_a_broken_promise(item: pytest.Item, when: str, error: BaseException) -> bool:
    """Whether an error says that the system does not do what it promises, which no second run excuses.

    What a teardown finds is of all the tests before it, which are not run again: something left behind, an enforcer
    that died while they believed it. That a test took too long (pytest-timeout fails it) says nothing of the system.
    """
    if when == "teardown":
        return isinstance(error, AssertionError | PolicyNotEnforced)
    asserted = isinstance(error, AssertionError | pytest.fail.Exception) and not str(error).startswith(TIMED_OUT)
    return when == "call" and asserted and any(item.get_closest_marker(marker) for marker in PROMISES)


def pytest_report_header(config: pytest.Config) -> str:
    """One line: which cluster, which run, where its files go."""
    settings = config.stash[SETTINGS]
    chosen = settings.provider + (" (auto)" if settings.cluster == "auto" else "")
    return f"harness: {chosen} cluster {settings.name}, run {settings.run_id}, artifacts: {settings.artifacts}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The phases of the run, what it left behind, and where its bundles lie."""
    run = config.stash[RUN]
    for what in run.left:
        terminalreporter.line(f"LEFT BEHIND: {what}", red=True)
    if phases := run.all_phases():
        terminalreporter.section("harness", sep="-")
        width = max(len(phase.name) for phase in phases)
        for phase in phases:
            terminalreporter.line(f"{phase.name:<{width}} {phase.seconds:8.2f} s  {phase.note}".rstrip())
    for folder in run.bundles:
        terminalreporter.line(f"failure bundle: {folder}")
    folder = config.stash[SETTINGS].run_folder
    if (folder / "isolation").exists():
        _conclude_isolation(terminalreporter, folder / "isolation", run)
    for proof in ("access", "chaos"):
        if (folder / proof).exists():
            terminalreporter.section(proof, sep="-")
            for line in said_in(folder / proof):
                terminalreporter.line(line)


def _conclude_isolation(terminalreporter: pytest.TerminalReporter, folder: Path, run: Run) -> None:
    """Write the report on what was seen of isolation, and say in a few lines what it comes to."""
    from harness.isolation.recording import conclude, matrix_in  # noqa: PLC0415 -- as above

    terminalreporter.section("isolation", sep="-")
    for pieces in matrix_in(folder):
        for piece in pieces:
            terminalreporter.write(piece.text, red=piece.differs, bold=piece.differs)
        terminalreporter.line("")
    settings = run.settings
    about = {"cluster": settings.name, "provider": settings.provider, "run": settings.run_id}
    for line in conclude(folder, about, canary=run.canaries):
        terminalreporter.line(line)


class Recorder:
    """Writes report.json, and the phases into junit.xml; not in xdist's workers, whose results come to it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results = Results()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one report."""
        self._results.add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take in a file that cannot be collected: it is an error of the run."""
        if report.failed:
            self._results.add_collection_error(report.nodeid, report.longreprtext)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write both, when everything else has finished, whatever happened."""
        run, settings = self._config.stash[RUN], self._config.stash[SETTINGS]
        about = {"harness.run": settings.run_id, "harness.provider": settings.provider}
        phases = {f"harness.phase.{phase.name}": f"{phase.seconds:.3f}" for phase in run.all_phases()}
        if (xml := self._config.stash.get(xml_key, None)) is not None:
            for name, value in {**about, **phases}.items():
                xml.add_global_property(name, value)
        try:
            return (yield)
        finally:
            for what in run.left:
                self._results.add_left(what)
            if not self._config.option.collectonly:
                write_report(
                    settings.artifacts / "report.json",
                    self._results,
                    run.all_phases(),
                    int(session.exitstatus),
                    {
                        "run": settings.run_id,
                        "provider": settings.provider,
                        "cluster": settings.name,
                        "versions": versions(),
                        **({"stopped": str(session.shouldfail)} if session.shouldfail else {}),
                    },
                )


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    """The running cluster: created for this run, or joined by its name."""
    return pytestconfig.stash[RUN].cluster


@pytest.fixture(scope="session")
def case(pytestconfig: pytest.Config) -> "Case":
    """The case, deployed on the cluster and ready: shared by the whole run, so a test puts back what it changed."""
    return pytestconfig.stash[RUN].case


@pytest.fixture
def namespace(pytestconfig: pytest.Config, cluster: Cluster) -> Iterator[str]:
    """A fresh namespace without policies, in which pods can start; deleted afterwards without waiting."""
    yield from _fresh_namespace(pytestconfig.stash[RUN], cluster)


@pytest.fixture(scope="session")
def session_namespace(pytestconfig: pytest.Config, cluster: Cluster) -> Iterator[str]:
    """A fresh namespace for the whole run."""
    yield from _fresh_namespace(pytestconfig.stash[RUN], cluster)


@pytest.fixture(scope="module")
def module_namespace(pytestconfig: pytest.Config, cluster: Cluster) -> Iterator[str]:
    """A fresh namespace that the tests of a module share."""
    yield from _fresh_namespace(pytestconfig.stash[RUN], cluster)


def _fresh_namespace(run: Run, cluster: Cluster) -> Iterator[str]:
    name = run.create_namespace(cluster)
    try:
        yield name
    finally:
        cluster.kubectl.run("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def prober(cluster: Cluster) -> Iterator[Callable[..., Prober]]:
    """``prober(namespace, pod, container=None)`` opens the prober in a pod of its image, one for each pod."""
    probers: dict[tuple[str, str, str | None], Prober] = {}

    def of(namespace: str, pod: str, container: str | None = None) -> Prober:
        key = (namespace, pod, container)
        if key not in probers:
            probers[key] = Prober(cluster.api, namespace, pod, container)
        return probers[key]

    yield of
    for one in probers.values():
        one.close()


@pytest.fixture(scope="session")
def policy_enforced(pytestconfig: pytest.Config, cluster: Cluster) -> Iterator[None]:
    """The canary flips before the first test of isolation begins, beside its fixtures, and again after the last.

    An enforcer that died in between leaves its rules standing: what it denied would still be denied.
    """
    run = pytestconfig.stash[RUN]
    run.begin_to_prove_policy()
    yield
    if run.policy_proven:  # else every test has failed for it
        with _shown(pytestconfig):
            cluster.check()
            run.prove_policy("policy canary after isolation")


@pytest.fixture(scope="session")
def alone_in(pytestconfig: pytest.Config, cluster: Cluster) -> Callable[[Iterable[str]], None]:  # noqa: ARG001 -- first
    """``alone_in(namespaces)`` waits until no other run has made something in them, and keeps others out until the end.

    Give all of them at once.
    """

    def alone_in(namespaces: Iterable[str]) -> None:
        with _shown(pytestconfig):
            pytestconfig.stash[RUN].claim(namespaces)

    return alone_in


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config, cluster: Cluster) -> "Lab":
    """Probers on the nodes and outside, and the means to make pods and policies and to look at what they come to."""
    from harness.isolation.lab import Lab  # noqa: PLC0415 -- the Kubernetes client, for those who need it

    run = pytestconfig.stash[RUN]
    settings = run.settings
    name = f"{settings.run_id}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    return run.hold(Lab(cluster, run.prober_image(), settings.labels("isolation"), name))


@pytest.fixture(scope="session")
def records(pytestconfig: pytest.Config) -> "Records":
    """Where proofs of isolation write down what they saw; the report at the end is made of it."""
    from harness.isolation.recording import Records  # noqa: PLC0415 -- as above

    folder = pytestconfig.stash[RUN].settings.run_folder / "isolation"
    return Records(folder, os.environ.get("PYTEST_XDIST_WORKER", "main"))


@pytest.fixture(scope="session")
def access(pytestconfig: pytest.Config, cluster: Cluster) -> "AccessLab":
    """What may be asked of the cluster's API, and a proven credential for each who asks; it changes nothing."""
    from harness.access.lab import Lab as AccessLab  # noqa: PLC0415 -- as above

    run = pytestconfig.stash[RUN]
    settings = run.settings
    live = settings.provider != "existing" or settings.access_live
    name = f"harness-access-{settings.run_id}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    return run.hold(AccessLab(cluster, run.prober_image(), settings.labels("access"), name, live=live))


@pytest.fixture(scope="session")
def access_records(pytestconfig: pytest.Config) -> AnyRecords:
    """Where proofs of access write down what they saw."""
    folder = pytestconfig.stash[RUN].settings.run_folder / "access"
    return AnyRecords(folder, os.environ.get("PYTEST_XDIST_WORKER", "main"))


@pytest.fixture(scope="session")
def settings(pytestconfig: pytest.Config) -> Settings:
    """The options of this run."""
    return pytestconfig.stash[SETTINGS]


@pytest.fixture(scope="session")
def chaos_scene(pytestconfig: pytest.Config, cluster: Cluster) -> Iterator[Callable[[Iterable[str]], "Scene"]]:  # noqa: ARG001 -- first
    """``chaos_scene(namespaces)`` is where a run of chaos may take place: their workloads may be hurt."""
    from harness.chaoscase import Stage  # noqa: PLC0415 -- the Kubernetes client, for those who need it

    with _shown(pytestconfig):
        stage = Stage(pytestconfig.stash[RUN])
    with stage:
        yield stage.scene


@pytest.fixture(scope="session")
def chaos(pytestconfig: pytest.Config, case: "Case", chaos_scene: Callable[[Iterable[str]], "Scene"]) -> "Chaos":
    """Runs of chaos on the case: ``chaos.run(plan, name)`` carries one out."""
    from harness.chaoscase import Chaos  # noqa: PLC0415 -- as above

    return Chaos(pytestconfig.stash[RUN], case, chaos_scene)


@pytest.fixture(scope="session")
def history(request: pytest.FixtureRequest, pytestconfig: pytest.Config, chaos: "Chaos") -> "ChaosRun":
    """One run of chaos on the case, with its history, as the options say that begin with ``--chaos``.

    A run that breaks a promise is shrunk. After a fault on what enforces policies the canary runs again. Skips where
    the runner of ``--chaos-runner`` is not here.
    """
    from harness.chaos.litmus.failures import RunnerAbsent  # noqa: PLC0415 -- as above

    with _shown(pytestconfig):
        try:
            return chaos.run_as_wanted()
        except RunnerAbsent as absent:
            pytest.skip(str(absent))
        except UsageError as error:
            request.session.shouldfail = str(error).partition("\n")[0].rstrip(":")  # not once for each test
            raise
