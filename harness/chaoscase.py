"""Runs of chaos on the case: where the proof, the case and the run's hold on its cluster come together."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from typing import Self

from harness.case import Case
from harness.chaos import proving
from harness.chaos.arsenal import Arsenal
from harness.chaos.faults import FAULTS
from harness.chaos.invoice_aims import invoice_aims
from harness.chaos.invoices import Invoices
from harness.chaos.journals import journal_for
from harness.chaos.litmus.fault import EngineFault
from harness.chaos.litmus.run import EngineFile
from harness.chaos.plan import Plan
from harness.chaos.recording import record
from harness.chaos.runner import Run as ChaosRun
from harness.chaos.runner import run
from harness.chaos.scene import Scene, workloads_in
from harness.records import Records
from harness.run import Run
from harness.settings import Settings


def engine_of(settings: Settings) -> EngineFile:
    """What the options say of a user's ChaosEngine, of which there is one."""
    assert settings.chaos_engine is not None  # noqa: S101 -- who calls has looked
    return EngineFile(settings.chaos_engine, settings.chaos_runner, settings.litmus_python, settings.chaos_seed)


class Stage:
    """What scenes of one process share: a client of the API, and a journal of what must be undone."""

    def __init__(self, where: Run) -> None:
        self._where = where
        self._closing = ExitStack()
        self._image = where.prober_image()
        self._api = where.cluster.api
        self._journal = self._closing.enter_context(journal_for(where.cluster, where.settings, self._image))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def scene(self, namespaces: Iterable[str]) -> Scene:
        """The workloads of these namespaces, as they are now, to be hurt."""
        settings = self._where.settings
        return Scene(
            self._where.cluster,
            self._api,
            workloads_in(self._api, sorted(namespaces)),
            self._journal,
            prober_image=self._image,
            allow_ephemeral=settings.may_attach,
            labels=settings.labels("chaos"),
        )


class Chaos:
    """Runs of chaos on the case, one after another, each in a folder of its own below the run's."""

    def __init__(self, where: Run, case: Case, scene: Callable[[Iterable[str]], Scene]) -> None:
        self._where, self._case, self._scene = where, case, scene
        self.records = Records(where.settings.run_folder / "chaos")

    def arsenal(self, case: Case | None = None) -> Arsenal:
        """Every fault and every aim."""
        on = case or self._case
        return Arsenal(FAULTS, invoice_aims(on.session, on.sql))

    def scene(self) -> Scene:
        """The case as it is now, as a scene."""
        return self._scene(self._case.namespaces)

    def run(self, plan: Plan, name: str, case: Case | None = None, arsenal: Arsenal | None = None) -> ChaosRun:
        """Carry out one plan, on the case or on a changed build of it; ``name`` is the folder's, used but once."""
        on = case or self._case
        with closing(self._clients(on, name)) as clients:
            phase = f"chaos {name}: seed {plan.seed}, {plan.duration:g} s, {len(plan.faults)} faults"
            with self._where.timeline.phase(phase):
                folder = self.records.folder / name
                arsenal = arsenal or self.arsenal(on)
                return run(plan, self.scene(), clients, arsenal, folder, say=self._where.timeline.say)

    def run_as_wanted(self) -> ChaosRun:
        """The run that the options ask for; one that breaks a promise is shrunk, and the enforcer is proven anew."""
        settings = self._where.settings
        if settings.chaos_engine is not None:
            return self.run_engine(engine_of(settings), "run")
        wanted = proving.Wanted(settings.chaos_plan, settings.chaos_seed, settings.chaos_duration)
        done = self.run(wanted.plan(self.scene(), self.arsenal()), "run")
        record(self.records, done)
        if done.findings:
            found = proving.smaller(
                done, lambda plan, name: self.run(plan, f"run/{name}"), seconds=proving.SHRINK_SECONDS
            )
            rate = f"{found.failed} of {found.replayed} times"
            self.records.notes([f"the smallest plan that was seen to fail, {rate}: {done.folder / proving.SMALLEST}"])
        if proving.struck_the_enforcer(done):
            self._where.prove_policy("policy canary after a fault on its enforcer")
        return done

    def run_engine(self, wanted: EngineFile, name: str) -> ChaosRun:
        """The experiments of a user's ChaosEngine in place of a plan's faults, with the same clients and checkers.

        ``name`` is the folder's, used but once. Raises what ``EngineFile.check`` does, before anything is broken.
        """
        settings = self._where.settings
        wanted.check(self.scene(), settings.paths.cache)
        folder = self.records.folder / f"{name}-engine"
        fault = EngineFault(wanted, folder, settings.paths.cache, self._where.timeline.say)
        done = self.run(fault.plan(settings.chaos_duration), name, arsenal=fault.arsenal)
        record(self.records, done)
        self.records.notes(map(str, fault.outcomes))
        return done

    def _clients(self, case: Case, name: str) -> Invoices:
        return Invoices(case.url, case.headers, case.sql, f"{self._where.settings.run_id}-{name.replace('/', '-')}-")
