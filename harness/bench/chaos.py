"""The figures of chaos: the default plan, reads while pods are killed, how soon one is replaced, and the soak."""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

from harness.bench.figures import Measured, Target
from harness.bench.processes import run_program
from harness.case import CHECKOUT, Case
from harness.chaos.faults.pods import pod_path, running_id
from harness.chaos.history import FILE, Call, Operation, Outcome, Recorder
from harness.chaos.invoices import Invoices, Shares
from harness.chaos.load import clients
from harness.chaos.plan import DURATION, Load
from harness.chaos.recording import told
from harness.chaos.scene import Scene, Workload
from harness.chaoscase import Chaos, Stage
from harness.clusters.embedded.freezer import state_of
from harness.clusters.provider import Node
from harness.errors import ClusterError
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from harness.run import Run
from harness.settings import Settings
from harness.timeline import Timeline

RUN = Target("chaos.run_s", "the default plan: 60 s of load, 20 faults of 8 kinds, cluster up", "s", "<= 120", "<= 90")
FAULTS = Target("chaos.faults", "faults that hit in it", "", ">= 20", "")
KINDS = Target("chaos.kinds", "kinds of faults that hit in it", "", ">= 8", "")
PAID = Target("chaos.paid", "invoices paid in it, all exactly once", "", ">= 3000", ">= 20000")
READS = Target("chaos.read_success_pct", "GETs while single app pods are killed", "%", ">= 99.9", ">= 100")
CUT = Target("chaos.reads_cut", "GETs that were in flight on a killed pod, counted apart", "", "", "")
RECOVERY = Target("chaos.recovery_max_s", "forced kill of one app pod to full replicas", "s", "<= 5", "<= 1.5")
SOAK = Target("chaos.soak_failures", "failing seeds of 20", "", "<= 0", "<= 0")

APP: Final = "invoice/Deployment/invoice-app"
KILLS: Final = 30
SEEDS: Final = 20
SOAKED: Final = "soak.jsonl"
RUN_SECONDS: Final = 600.0
RECOVERY_SECONDS: Final = 60.0
READERS: Final = Load(clients=4, think_seconds=0.01)
READS_ONLY: Final = Shares(get=99, pay=0, pay_all=0, list=0, again=0)


@contextmanager
def _chaos(settings: Settings) -> Iterator[tuple[Run, Case, Chaos]]:
    """A cluster with the case on it, and the means to hurt it."""
    where = Run(settings)
    with closing(where):
        where.prepare(case=True, prove_policy=False)
        case = where.case
        with Stage(where) as stage:
            yield where, case, Chaos(where, case, stage.scene)


def chaos(settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """All figures of chaos but the soak, on one cluster with the case on it."""
    with _chaos(settings) as (where, case, chaos):
        yield from _default_plan(where.settings, timeline)
        yield from _kills(case, chaos.scene(), timeline)


def _default_plan(settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """The session as a user runs it, on the cluster that is up."""
    with tempfile.TemporaryDirectory(prefix="harness-chaos-") as folder, timeline.phase("nox -s chaos"):
        began = time.monotonic()
        session = [sys.executable, "-m", "nox", "-s", "chaos", "--"]
        options = [f"--cluster-name={settings.name}", f"--artifacts={folder}"]
        run_program([*session, *options], RUN_SECONDS, {}, cwd=CHECKOUT)
        seconds = time.monotonic() - began
        [file] = Path(folder).glob("runs/*/chaos/runs.jsonl")
        told = json.loads(file.read_text())
    yield RUN, seconds, 1
    yield FAULTS, told["faults"], 1
    yield KINDS, told["kinds"], 1
    yield PAID, told["paid"], 1


def _kills(case: Case, scene: Scene, timeline: Timeline) -> Iterator[Measured]:
    """Kill one pod of the app after another while clients read, each time until all are there again."""
    app = scene.workload(APP)
    times, killed = [], []
    with ExitStack() as closing_all, timeline.phase(f"{KILLS} kills") as say:
        folder = closing_all.enter_context(tempfile.TemporaryDirectory(prefix="harness-kills-"))
        workload = closing_all.enter_context(closing(Invoices(case.url, case.headers, case.sql, "k-", READS_ONLY)))
        recorder = closing_all.enter_context(Recorder(Path(folder) / FILE))
        scene.begin()
        with clients(workload, READERS, 1, recorder, scene.now):
            for number in range(KILLS):
                pods = scene.ready_pods(app)
                began = scene.now()
                killed.append(_kill(scene, pods[number % len(pods)]))
                times.append(_recovered(scene, app, pods[number % len(pods)], workload) - began)
        reads = [one for one in recorder.operations() if one.f == "get"]
        say(f"{len(reads)} reads")
    failed = [one for one in reads if one.outcome is not Outcome.OK]
    cut = [one for one in failed if any(_in_flight(one, *death) for death in killed)]
    yield READS, 100 * (1 - (len(failed) - len(cut)) / len(reads)), len(reads)
    yield CUT, len(cut), len(killed)
    yield RECOVERY, max(times), len(times)


def _in_flight(operation: Operation, killed: float, dead: float) -> bool:
    return operation.began <= dead and (operation.ended is None or operation.ended >= killed)


def _kill(scene: Scene, pod: JsonObject) -> tuple[float, float]:
    """Kill a pod's processes and take the pod away, by force; when they got the signal, and when all were dead.

    Until then a socket that listens takes connections, which nobody answers.
    """
    if not isinstance(scene.cluster, Node):
        raise ClusterError(f"cluster {scene.cluster.name} has no node on which a process could be killed")
    killed = scene.now()
    process = scene.cluster.signal_container(running_id(pod, pod["spec"]["containers"][0]["name"]), signal.SIGKILL)
    wait_until(f"process {process} to die", lambda: _is_dead(process), seconds=RECOVERY_SECONDS, interval=0.001)
    dead = scene.now()
    scene.api.delete(pod_path(pod), gracePeriodSeconds=0)
    return killed, dead


def _is_dead(process: int) -> bool:
    """Whether a process has ended. Process 1 of a PID namespace does so after all others (pid_namespaces(7))."""
    return state_of(process) in ("", "Z", "X")


def _recovered(scene: Scene, app: Workload, gone: JsonObject, workload: Invoices) -> float:
    """When all replicas are ready, none of them the one that was killed, and a request is answered."""

    def whole() -> bool:
        uids = {pod["metadata"]["uid"] for pod in scene.ready_pods(app)}
        return len(uids) == app.replicas and gone["metadata"]["uid"] not in uids

    wait_until(f"all pods of {APP}", whole, seconds=RECOVERY_SECONDS, interval=0.02)
    wait_until(
        "an answer", lambda: workload.invoke(Call("list")).outcome is Outcome.OK, seconds=RECOVERY_SECONDS, interval=0.0
    )
    return scene.now()


def soak(settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """Many seeds, one after another. What was soaked at this version of the sources is not soaked again."""
    done = settings.artifacts / SOAKED
    with _chaos(settings) as (_where, case, chaos):
        version = json.dumps(dict(sorted(case.images.items())))
        results = {one["seed"]: bool(one["failed"]) for one in _soaked(done) if one["version"] == version}
        for seed in range(1, SEEDS + 1):
            if seed in results:
                continue
            run = chaos.run(chaos.arsenal().draw(chaos.scene(), seed, DURATION), f"seed-{seed}")
            results[seed] = run.failed
            if run.failed:
                timeline.say(told(run))
            done.parent.mkdir(parents=True, exist_ok=True)
            with done.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"version": version, "seed": seed, "failed": run.failed}) + "\n")
    yield SOAK, sum(results.values()), len(results)


def _soaked(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
