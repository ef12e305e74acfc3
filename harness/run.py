"""One run's hold on its cluster and its case: made once before the first test, let go after the last.

What speaks to a cluster is imported where it is used: pytest loads this module in every run, also without a cluster.
"""

import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.clusters.claims import Claims
from harness.clusters.pool import Held, acquire
from harness.clusters.provider import Cluster
from harness.errors import HarnessError
from harness.settings import Settings
from harness.timeline import Phase, Timeline

if TYPE_CHECKING:
    from harness.case import Case
    from harness.enforcement import Enforcement, Flipped

T = TypeVar("T")

BUNDLES = 5
"""How many failed tests of a process get a bundle: one takes seconds, and hundreds of failures have few causes."""


@dataclass
class Run:
    """The cluster and the case of one process: pytest's own, or an xdist worker's.

    ``phases`` are those of other processes of the run. An error in making the cluster or the case is kept, and raised
    to whoever asks for it.
    """

    settings: Settings
    phases: list[Phase] = field(default_factory=list)
    bundles: list[Path] = field(default_factory=list)
    _timeline: Timeline | None = None
    _held: Held | Exception | None = None
    _case: "Case | Exception | None" = None
    _holding: ExitStack = field(default_factory=ExitStack)
    canaries: list[bool] = field(default_factory=list)
    """Whether each canary of the run flipped, in all of its processes: while the cluster was made, and later."""
    left: list[str] = field(default_factory=list)
    """What the end of the run could not clear away, and why."""
    _policy_proven: bool = False
    _enforcement: "Enforcement | None" = None
    _claims: Claims = field(init=False)

    def __post_init__(self) -> None:
        self._claims = Claims(self.settings.paths.cluster(self.settings.name), self.settings.run_id)

    @property
    def timeline(self) -> Timeline:
        """Where this process's phases are shown: made at first use, on what is then stderr."""
        if self._timeline is None:
            self._timeline = Timeline()
        return self._timeline

    def prepare(self, *, case: bool, prove_policy: bool) -> None:
        """Make or join the cluster, begin to prove its policy enforcement, and deploy the case, as asked for.

        Raises nothing: what went wrong is raised by ``cluster`` and ``case``.
        """
        from harness.wiring import provider_of  # noqa: PLC0415 -- see above

        try:
            if self._held is None:
                provider = provider_of(self.settings)
                self._held = self._holding.enter_context(acquire(self.settings, self.timeline, provider))
                self._holding.callback(self._claims.close)  # when what is held later has removed what it made
                if self._held.created:
                    self._note_canary(flipped=True)
            if isinstance(self._held, Held) and prove_policy:
                self.begin_to_prove_policy()
        except Exception as error:  # noqa: BLE001 -- kept: the tests that need no cluster run, the others raise it
            self._held = error
        if case and self._case is None and isinstance(self._held, Held):
            from harness.case import deployed_case  # noqa: PLC0415 -- see above

            try:
                self._case = deployed_case(self._held.cluster, self.settings, self.timeline)
                self._holding.callback(self._case.close)
            except Exception as error:  # noqa: BLE001 -- kept: tests that need no case run, the others raise it
                self._case = error

    def begin_to_prove_policy(self) -> None:
        """Start the canary beside what comes next, unless it was, or flipped when the cluster was made."""
        if not self._policy_proven and self._enforcement is None:
            self._enforcement = self._canary()

    def ensure_policy_proven(self) -> None:
        """Wait for the canary that was begun last. Raises PolicyNotEnforced, each time that it is called."""
        if self._enforcement is not None and not self._policy_proven:
            self._told("policy canary of this run", self._enforcement.latest)

    def prove_policy(self, phase: str) -> None:
        """Run the canary once more. Raises PolicyNotEnforced: then no denial of the run proves a policy."""
        if self._enforcement is None:
            self._enforcement = self._canary()
            self._told(phase, self._enforcement.latest)
        else:
            self._told(phase, self._enforcement.again)

    def _canary(self) -> "Enforcement":
        from harness.enforcement import Enforcement  # noqa: PLC0415 -- see above

        made = Enforcement(self.cluster, self.prober_image(), self.settings.labels("canary"))
        self._holding.callback(made.close)
        return made

    def _told(self, phase: str, flip: "Callable[[], Flipped]") -> None:
        """Show what a canary saw, and note whether it flipped."""
        try:
            flipped = flip()
        except HarnessError:
            self._note_canary(flipped=False)
            raise
        self.timeline.record(phase, flipped.seconds, flipped.seen)
        self._note_canary(flipped=True)

    @property
    def policy_proven(self) -> bool:
        """Whether the canary flipped when it was asked last."""
        return self._policy_proven

    def _note_canary(self, *, flipped: bool) -> None:
        self._policy_proven = flipped
        self.canaries.append(flipped)

    def prober_image(self) -> str:
        """The reference of the prober's image, which is then on the cluster."""
        from harness.images.catalogue import prober_image  # noqa: PLC0415 -- see above

        image = prober_image(self.timeline)
        self.cluster.load_images([image.archive])
        return self.cluster.reference(image.reference)

    @property
    def cluster(self) -> Cluster:
        """The cluster, made now if it was not asked for before. Raises the error that kept it from being made."""
        if self._held is None:
            self.prepare(case=False, prove_policy=False)
        if isinstance(self._held, Exception):
            raise self._held
        assert self._held is not None  # noqa: S101 -- prepare sets it
        return self._held.cluster

    @property
    def case(self) -> "Case":
        """The deployed case. Raises the error that kept it or its cluster from being made."""
        if self._case is None:
            self.prepare(case=True, prove_policy=False)
        if isinstance(self._held, Exception):
            raise self._held
        if isinstance(self._case, Exception):
            raise self._case
        assert self._case is not None  # noqa: S101 -- prepare sets it
        return self._case

    def claim(self, namespaces: Iterable[str]) -> None:
        """Have namespaces to this process until the run lets go of its cluster and of all that it holds there."""
        self._claims.claim(namespaces, self.timeline)

    def hold(self, one: AbstractContextManager[T]) -> T:
        """Enter something that lives until the run lets go of its cluster: beyond every fixture."""
        return self._holding.enter_context(one)

    def create_namespace(self, cluster: Cluster) -> str:
        """Create a fresh namespace in which pods can start; its name."""
        from harness.kube.wait import wait_until  # noqa: PLC0415 -- see above

        name = f"test-{secrets.token_hex(4)}"
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        api = cluster.api
        api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": self.settings.labels("pytest")}})
        wait_until(f"the default ServiceAccount of namespace {name}", lambda: api.find(account), seconds=60)
        return name

    def close(self) -> None:
        """Let go of the cluster; whoever does so last deletes it. Safe to repeat."""
        self._held = self._case = self._enforcement = None
        self._holding.close()

    def all_phases(self) -> list[Phase]:
        """The phases of this process and of the others."""
        return [*self.phases, *(self._timeline.phases if self._timeline else ())]

    def collect_bundle(self, test: str, when: str) -> Path | None:
        """Gather what the cluster can tell about a failure; where it lies, or None if none is gathered."""
        if not isinstance(self._held, Held) or len(self.bundles) >= BUNDLES:
            return None
        from harness.kube import bundle  # noqa: PLC0415 -- see above

        folder = self.settings.run_folder / "failures" / f"{slug(test)}.{when}"
        self.bundles.append(folder)
        try:
            bundle.collect(self._held.cluster, folder)
        except HarnessError as error:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "bundle-error.txt").write_text(f"the bundle is not complete: {error}\n", encoding="utf-8")
        return folder


def slug(test: str) -> str:
    """A test's id as a file name: of its own characters only those that no file system minds, 120 at most."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", test).strip("-.")[-120:]
