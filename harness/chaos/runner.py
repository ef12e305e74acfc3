"""One run of chaos: clients ask, faults strike, everything heals, and the checkers judge what is left."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from harness.chaos.aim import Reached, index_of
from harness.chaos.arsenal import Arsenal
from harness.chaos.fault import Evidence, FaultError, Target
from harness.chaos.faults.node import api_answers
from harness.chaos.faults.rollouts import await_rollout
from harness.chaos.history import FILE, Json, Operation, Recorder
from harness.chaos.load import clients
from harness.chaos.plan import Plan, PlannedFault
from harness.chaos.scene import STRUCK, Scene
from harness.chaos.scene import Workload as Struck
from harness.chaos.strikes import Strike
from harness.chaos.workload import Finding, Judgement, Workload
from harness.errors import HarnessError
from harness.kube.wait import patient, wait_until

STRIKES_AT_ONCE: Final = 24
WHOLE_SECONDS: Final = 120.0
"""How long a fault waits for what another one has struck."""

PROGRESS_SECONDS: Final = 5.0
"""How often it is told how far a run is."""

_POLL_SECONDS: Final = 0.05

Say = Callable[[str], None]
Note = Callable[[Strike], None]


@dataclass(frozen=True)
class Run:
    """What a run came to. ``folder`` holds all of it as files, among them the plan that replays it.

    ``again`` are the options that do, where it was more than a plan.
    """

    folder: Path
    plan: Plan
    strikes: Sequence[Strike]
    operations: Sequence[Operation]
    rows: Json
    judgements: Sequence[Judgement]
    again: str = ""

    @property
    def replay(self) -> str:
        """How it is played again, in words."""
        return _replay(self.folder, self.again)

    @property
    def findings(self) -> list[Finding]:
        """Every broken promise."""
        return [finding for judgement in self.judgements for finding in judgement.findings]

    @property
    def hits(self) -> list[Strike]:
        """The faults that are known to have hit."""
        return [one for one in self.strikes if not one.vacuous]

    @property
    def unhealed(self) -> list[Strike]:
        """Faults that hit, and after which not all was whole again in time."""
        return [one for one in self.strikes if one.hit is not None and one.healed is None]

    @property
    def failed(self) -> bool:
        """Whether a promise was broken, something stayed broken, or nothing was."""
        return bool(self.findings or self.unhealed or not self.hits or any(one.failed for one in self.strikes))

    def judgement(self, checker: str) -> Judgement:
        """What the checker of that name found."""
        return next(one for one in self.judgements if one.checker == checker)


def run(plan: Plan, scene: Scene, workload: Workload, arsenal: Arsenal, folder: Path, *, say: Say) -> Run:
    """Carry out a plan. Every file is in ``folder``, which must be new; ``say`` is told what happens.

    What a fault comes to is a Strike, and no error: a fault that could not be fired is vacuous. Raises UsageError,
    before anything is asked or broken, where the plan names what is not here, and what broke the harness itself: a
    client, or a cluster that has gone.
    """
    arsenal.check(plan, scene)
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(plan.text(), encoding="utf-8")
    with Recorder(folder / FILE) as recorder:
        scene.begin()
        with ExitStack() as running:
            check = running.enter_context(clients(workload, plan.load, plan.seed, recorder, scene.now))
            nemesis = running.enter_context(_nemesis(scene, arsenal, plan, folder, say))
            told = 0.0
            longest = plan.duration + patient(arsenal.late)
            while scene.now() < plan.duration or (nemesis.waiting and scene.now() < longest):
                check()
                scene.cluster.check()
                nemesis.fire_due()
                if scene.now() - told >= PROGRESS_SECONDS:
                    told = scene.now()
                    say(f"{told:5.1f} s  {recorder.so_far}{nemesis.moment}")
                time.sleep(_POLL_SECONDS)
        say("the clients have ended; healing")
        strikes = nemesis.strikes
        for one in scene.workloads:
            await_rollout(scene, one)
        workload.settle()
        rows = workload.final_rows()
        operations = recorder.operations()
    (folder / "rows.json").write_text(json.dumps(rows, default=str), encoding="utf-8")
    judgements = [checker.check(operations, rows) for checker in workload.checkers(strikes)]
    done = Run(folder, plan, strikes, operations, rows, judgements, arsenal.again)
    (folder / "findings.txt").write_text("".join(f"{one}\n" for one in done.findings), encoding="utf-8")
    return done


def _replay(folder: Path, again: str) -> str:
    plan = f"--chaos-plan={folder / 'plan.json'}"
    return f"replay: pytest -m chaos {again or plan}"


class _Nemesis:
    """Fires the faults of a plan when they are due, each in a thread of its own."""

    def __init__(self, scene: Scene, arsenal: Arsenal, plan: Plan, *, pool: ThreadPoolExecutor, note: Note) -> None:
        self._scene, self._arsenal, self._pool, self._note = scene, arsenal, pool, note
        self._due = sorted(plan.faults, key=lambda fault: fault.at)
        self._targets = {fault.target: threading.Lock() for fault in sorted(plan.faults, key=lambda one: one.target)}
        self._lock = threading.Lock()
        self._done: dict[int, Strike] = {}
        self._begun: list[Future[None]] = []
        self._under_way: dict[int, Strike] = {}

    @property
    def strikes(self) -> list[Strike]:
        """What was done, in the plan's order."""
        with self._lock:
            return [strike for _, strike in sorted(self._done.items())]

    @property
    def waiting(self) -> bool:
        """Whether a fault has not hit yet that still may."""
        with self._lock:
            return len(self._begun) < len(self._due) or any(one.hit is None for one in self._under_way.values())

    @property
    def moment(self) -> str:
        """The faults that are under way, in words, and how many wait for their target; empty where there are none."""
        with self._lock:
            begun = [one.planned for one in self._under_way.values() if one.began is not None]
            waiting = len(self._under_way) - len(begun)
        now = ", ".join(f"{one.kind} of {one.target.rpartition('/')[2]}" for one in begun)
        said = [*([f"now: {now}"] if now else []), *([f"{waiting} wait for their target"] if waiting else [])]
        return "".join(f"; {one}" for one in said)

    def fire_due(self) -> None:
        while len(self._begun) < len(self._due) and self._due[len(self._begun)].at <= self._scene.now():
            number = len(self._begun)
            self._begun.append(self._pool.submit(self._strike, number, self._due[number]))

    def wait(self) -> None:
        for one in self._begun:
            one.result()

    def _strike(self, number: int, fault: PlannedFault) -> None:
        strike = Strike(fault, self._scene.now())
        with self._lock:
            self._under_way[number] = strike
        try:
            with ExitStack() as alone:
                self._be_alone(fault, alone)
                self._await_pods(fault)
                self._fire(fault, strike, alone)
        except HarnessError as error:
            strike.error = str(error)
        with self._lock:
            self._done[number] = self._under_way.pop(number)
        self._note(strike)

    def _be_alone(self, fault: PlannedFault, alone: ExitStack) -> None:
        """Wait until no other fault holds the target, or, of one with an aim, what it is reached by."""
        needed = {fault.target, *(self._arsenal.aims[fault.aim].undisturbed if fault.aim else ())}
        for target, lock in self._targets.items():  # in one order, lest two wait for each other
            if target in needed:
                alone.enter_context(lock)

    def _await_pods(self, fault: PlannedFault) -> None:
        """Wait until there is something to strike: the API answers, and no more than one pod of the target is missing.

        Raises FaultError when the run is over meanwhile.
        """
        scene = self._scene
        wait_until("the API server to be ready", lambda: api_answers(scene), seconds=WHOLE_SECONDS)
        workload = next((one for one in scene.workloads if one.name == fault.target), None)
        if workload is not None:
            least = max(1, workload.replicas - 1)
            ready = partial(_has_ready, scene, workload, least)
            what = f"{least} ready pods of {workload.name}"
            wait_until(what, ready, seconds=WHOLE_SECONDS, tolerate=STRUCK)
        if scene.stop.is_set():
            raise FaultError("the run was over before it could be fired")

    def _fire(self, fault: PlannedFault, strike: Strike, alone: ExitStack) -> None:
        """Strike; a fault of a moment lets others at its target as soon as it has hit."""
        target, evidence = Target(fault.target), Evidence()
        strike.began = self._scene.now()
        try:
            with self._aimed(fault) as reached:
                index = index_of(self._scene, target, reached.pod) if reached.pod else fault.index
                strike.fired = self._scene.now()
                stage = self._scene.lasting(fault.seconds)
                with self._arsenal.faults[fault.kind].strike(stage, target, index) as evidence:
                    strike.hit = self._scene.now()
                    strike.aimed = reached.said
                    reached.release()
                    if reached.until:
                        strike.aimed += f": {reached.until()}"
                    elif fault.seconds:
                        self._scene.hold(fault.seconds)
                    else:
                        alone.close()
            strike.healed = self._scene.now()
        finally:
            strike.ended = self._scene.now()
            strike.struck, strike.said, strike.details = evidence.struck, evidence.said, evidence.details
            strike.vacuous, strike.failed = not evidence.hit, evidence.failed

    def _aimed(self, fault: PlannedFault) -> AbstractContextManager[Reached]:
        if not fault.aim:
            return nullcontext(Reached(""))
        return self._arsenal.aims[fault.aim].reach(self._scene, Target(fault.target))


def _has_ready(scene: Scene, workload: Struck, least: int) -> bool:
    return scene.stop.is_set() or len(scene.ready_pods(workload)) >= least


@contextmanager
def _nemesis(scene: Scene, arsenal: Arsenal, plan: Plan, folder: Path, say: Say) -> Iterator[_Nemesis]:
    """While the block runs, faults are fired; after it, those under way are undone and waited for."""
    lock = threading.Lock()

    def note(strike: Strike) -> None:
        with lock, (folder / "strikes.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(strike.as_json()) + "\n")
        say(str(strike))

    with ThreadPoolExecutor(STRIKES_AT_ONCE) as pool:
        nemesis = _Nemesis(scene, arsenal, plan, pool=pool, note=note)
        try:
            yield nemesis
        except KeyboardInterrupt:
            say(f"interrupted: what is broken is healed before the run ends{nemesis.moment}")
            scene.stop.set()
            nemesis.wait()
            say(f"healed; {_replay(folder, arsenal.again)}")
            raise
        finally:
            scene.stop.set()
            nemesis.wait()
