"""``--chaos-runner=litmus-python``: a checkout of litmus-python that the user names, run as it is.

It has no release: its ``setup.py`` is refused by today's pip, so that it is put on PYTHONPATH, and what it stands on is
installed into a virtual environment of its own. It has one experiment for Kubernetes, pod-delete, and no probes; it
leaves its verdict in a ChaosResult, by ``kubectl apply``, and nowhere else.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

from harness.chaos.litmus.failures import RunnerAbsent
from harness.chaos.litmus.outcome import EngineOutcome, of_result
from harness.chaos.litmus.parse import Engine, Planned
from harness.chaos.litmus.result import GROUP_PATH, served
from harness.chaos.scene import Scene
from harness.errors import UsageError, WaitTimeout
from harness.kube.wait import wait_until
from harness.locking import exclusively
from harness.timeline import Timeline

NAME: Final = "litmus-python"
EXPERIMENT: Final = "pod-delete"
ENTRY: Final = Path("bin/experiment/experiment.py")
INSTALL_SECONDS: Final = 600
SPARE_SECONDS: Final = 120
_DROPPED: Final = frozenset({"DEFAULT_HEALTH_CHECK", "NODE_LABEL", "INTER_POD_KILL_INTERVAL_SECONDS"})
"""Variables that it does not read (``pod_delete/environment.py``)."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Command:
    """What is run: the arguments, the whole environment, and the folder to run in."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


def check(engines: Sequence[Engine], checkout: Path | None) -> Path:
    """The checkout. Raises RunnerAbsent without one, UsageError for engines that it cannot run as they are."""
    if checkout is None:
        raise RunnerAbsent("--chaos-runner=litmus-python: name a checkout of it with --litmus-python PATH")
    checkout = checkout.absolute()
    for needed in (ENTRY, Path("requirements.txt")):
        if not (checkout / needed).is_file():
            raise RunnerAbsent(f"--litmus-python: {checkout} is no checkout of litmus-python: it has no {needed}")
    for planned in (one for engine in engines for one in engine.experiments):
        if planned.experiment != EXPERIMENT:
            raise UsageError(f"{planned.at}: litmus-python has no {planned.experiment}, only {EXPERIMENT}")
        if planned.probes:
            raise UsageError(
                f"{planned.at}: litmus-python has no probes, and would pass over {planned.probes[0].name}: "
                "take them out, or use --chaos-runner=native"
            )
        if len(planned.targets) > 1 or any(one.names or len(one.labels) > 1 for one in planned.targets):
            raise UsageError(f"{planned.at}: litmus-python aims at one label only: write appinfo")
        if planned.tunables.pods_affected_perc.low != planned.tunables.pods_affected_perc.high:
            raise UsageError(f"{planned.at}: litmus-python knows no range for PODS_AFFECTED_PERC")
    return checkout


def command(planned: Planned, checkout: Path, python: Path, scene: Scene, folder: Path) -> Command:
    """What runs one experiment, by its contract of environment variables.

    CHAOSENGINE stays empty: with it, it would look for the pod that it runs in. So its ChaosResult is named for the
    experiment alone.
    """
    target = planned.targets[0] if planned.targets else None
    variables = {name: value for name, value in planned.env.items() if value and name not in _DROPPED}
    environment = {
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(scene.cluster.kubectl.binary.parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": str(checkout),
        "PYTHONUNBUFFERED": "1",
        "KUBECONFIG": str(scene.cluster.kubeconfig),
        **variables,
        "EXPERIMENT_NAME": EXPERIMENT,
        "CHAOS_NAMESPACE": planned.namespace,
        "CHAOSENGINE": "",
        "CHAOS_UID": str(uuid4()),
        "APP_NAMESPACE": target.namespace if target else planned.namespace,
        "APP_LABEL": target.labels[0] if target and target.labels else "",
        "APP_KIND": target.kind if target else "",
    }
    return Command((str(python), str(checkout / ENTRY), "-name", EXPERIMENT), environment, folder)


def interpreter(checkout: Path, cache: Path) -> Path:
    """The Python of its virtual environment below ``cache``, made where it is not there.

    Raises RunnerAbsent with the end of pip's words where its requirements, which are of 2021, cannot be installed.
    """
    requirements = (checkout / "requirements.txt").read_bytes()
    mark = hashlib.sha256(requirements + sys.version.encode()).hexdigest()[:16]
    home = cache / "litmus-python" / mark
    python, ready = home / "bin" / "python", home / "ready"
    with exclusively(cache / "litmus-python.lock", Timeline(), "another installation of litmus-python"):
        if ready.exists():
            return python
        _install([sys.executable, "-m", "venv", "--clear", str(home)])
        _install([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(checkout / "requirements.txt")])
        ready.touch()
    return python


def _install(arguments: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            arguments, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=INSTALL_SECONDS
        )
        said = "" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-1000:]
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if said:
        raise RunnerAbsent(f"--chaos-runner=litmus-python: what it stands on cannot be installed: {said}")


def run(
    engines: Sequence[Engine],
    scene: Scene,
    folder: Path,
    *,
    checkout: Path | None,
    cache: Path,
    say: Say,
    done: Callable[[EngineOutcome], None],
) -> None:
    """Run every experiment, one after another; ``done`` is given each outcome.

    Raises RunnerAbsent where there is no checkout, no way to install what it needs, or no place for its verdict on the
    cluster, and UsageError for engines that it cannot run as they are.
    """
    where, python = prepare(engines, checkout, scene, cache)
    for planned in (one for engine in engines for one in engine.experiments):
        say(f"{planned.engine}/{planned.name} begins, by {where}")
        done(_run(planned, scene, command(planned, where, python, scene, folder)))


def prepare(engines: Sequence[Engine], checkout: Path | None, scene: Scene, cache: Path) -> tuple[Path, Path]:
    """The checkout, and the Python of its own environment, which is made if need be. Raises as ``run`` does."""
    where = check(engines, checkout)
    if "ChaosResult" not in served(scene.api):
        raise RunnerAbsent(
            "--chaos-runner=litmus-python: it leaves its verdict in a ChaosResult, and nowhere else, and cluster "
            f"{scene.cluster.name} has none: install Litmus' kinds first"
        )
    return where, interpreter(where, cache)


def _run(planned: Planned, scene: Scene, what: Command) -> EngineOutcome:
    tuned = planned.tunables
    seconds = SPARE_SECONDS + planned.longest
    log = what.folder / f"{planned.result_name}.litmus-python.log"
    path = f"{GROUP_PATH}/namespaces/{planned.namespace}/chaosresults"
    name = "-".join(filter(None, (EXPERIMENT, tuned.instance_id)))
    before = scene.api.find(f"{path}/{name}")
    with log.open("w", encoding="utf-8") as output:
        try:
            said = _ended(what, scene, output, seconds)
        except WaitTimeout:
            said = f"it did not end in {seconds:g} s; see {log}"
    after = scene.api.find(f"{path}/{name}")
    written = after is not None and (before is None or _version(before) != _version(after))
    found = of_result(after) if after is not None and written else {"verdict": "Error", "phase": "Error"}
    if not written:
        found["error"] = said or f"it wrote no ChaosResult; see {log}"
    return EngineOutcome(
        engine=planned.engine,
        experiment=planned.name,
        runner=NAME,
        unused=tuple(sorted({*planned.unused, *(one for one in _DROPPED if planned.env.get(one))})),
        notes=("litmus-python has no probes: the verdict says that the fault was injected, and no more",),
        at=planned.at,
        file=log,
        **found,
    )


def _ended(what: Command, scene: Scene, output: IO[str], seconds: float) -> str:
    """Run it to its end, or to that of the run, and say so. Raises WaitTimeout. Its exit status is 0 in any case."""
    with subprocess.Popen(
        what.arguments,
        env=dict(what.environment),
        cwd=what.folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    ) as child:
        try:
            wait_until(
                "litmus-python to end",
                lambda: child.poll() is not None or scene.stop.is_set(),
                seconds=seconds,
                interval=0.2,
            )
            return "" if child.poll() is not None else f"the run was over before it had ended; see {output.name}"
        finally:
            child.kill()


def _version(body: Mapping[str, Mapping[str, str]]) -> str:
    return body["metadata"]["resourceVersion"]
