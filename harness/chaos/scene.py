"""Where a run of chaos takes place: the cluster, the workloads that may be hurt, the clock, and who heals."""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.chaos.fault import FaultError
from harness.chaos.undo import Journal, Undo, undoing
from harness.clusters.provider import Cluster
from harness.kube.client import Api, ApiServerFailed, ApiUnreachable
from harness.kube.conditions import is_ready
from harness.kube.kubectl import JsonObject
from harness.kube.wait import patient

STRUCK = (ApiUnreachable, ApiServerFailed)
"""How an API server answers that is itself struck, or whose store is: whoever waits goes on waiting."""

SPARE_SECONDS = 30.0
"""How long after its end a fault that nobody has undone is undone by others."""

KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets"}


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet as it was when the run began. ``name`` in plans is ``namespace/Kind/name``."""

    body: JsonObject

    @property
    def namespace(self) -> str:
        """Where it is."""
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """As plans call it."""
        return f"{self.namespace}/{self.body['kind']}/{self.body['metadata']['name']}"

    @property
    def path(self) -> str:
        """Where the API serves it."""
        kind = KINDS[self.body["kind"]]
        return f"/apis/apps/v1/namespaces/{self.namespace}/{kind}/{self.body['metadata']['name']}"

    @property
    def replicas(self) -> int:
        """How many pods it was to have."""
        return int(self.body["spec"].get("replicas", 1))

    @property
    def labels(self) -> dict[str, str]:
        """What its pods are selected by."""
        return dict(self.body["spec"]["selector"].get("matchLabels") or {})

    @property
    def template_labels(self) -> dict[str, str]:
        """What its pods are labelled with."""
        return dict(self.body["spec"]["template"]["metadata"].get("labels") or {})


@dataclass
class Scene:
    """One run's stage. Safe to use from several threads.

    ``workloads`` may be hurt, ``journal`` keeps what must be undone. ``prober_image`` is on the nodes: where pods have
    no Python, it is put beside them, if ``allow_ephemeral``. ``labels`` are those of what the run makes. ``stop`` ends
    every wait: the run is over. ``planned`` is for how many seconds the plan lets the fault last that has this stage.
    """

    cluster: Cluster
    api: Api
    workloads: Sequence[Workload]
    journal: Journal
    prober_image: str
    allow_ephemeral: bool
    labels: Mapping[str, str]
    stop: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)
    planned: float = 0.0
    locks: dict[str, threading.Lock] = field(default_factory=dict, repr=False)

    def lasting(self, seconds: float) -> "Scene":
        """The same stage, for a fault that the plan lets last so long."""
        return replace(self, planned=seconds)

    def begin(self) -> None:
        """Start the clock, of this run and of each later one on the same stage."""
        self.began = time.monotonic()
        self.stop.clear()

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def workload(self, name: str) -> Workload:
        """The workload that a plan calls so. Raises FaultError where there is none."""
        for one in self.workloads:
            if one.name == name:
                return one
        raise FaultError(f"there is no workload {name}: there are {', '.join(one.name for one in self.workloads)}")

    def pods(self, workload: Workload) -> list[JsonObject]:
        """Its pods that are not going away, the oldest first."""
        selector = ",".join(f"{key}={value}" for key, value in sorted(workload.labels.items()))
        pods = self.api.items(f"/api/v1/namespaces/{workload.namespace}/pods", labelSelector=selector)
        there = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
        return sorted(there, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def running_pods(self, workload: Workload) -> list[JsonObject]:
        """Those of its pods that run, ready or not: what a fault is counted by."""
        return [pod for pod in self.pods(workload) if pod.get("status", {}).get("phase") == "Running"]

    def ready_pods(self, workload: Workload) -> list[JsonObject]:
        """Those of its pods that are ready."""
        return [pod for pod in self.pods(workload) if is_ready(pod)]

    def hold(self, seconds: float) -> None:
        """Let time pass, at most until the run is over."""
        self.stop.wait(seconds)

    @contextlib.contextmanager
    def alone_with(self, names: Iterable[str]) -> Iterator[None]:
        """Wait until no other fault holds any of these names, and hold them while the block runs.

        Raises FaultError when the run is over meanwhile.
        """
        with contextlib.ExitStack() as held:
            for name in sorted(set(names)):  # in one order, lest two wait for each other
                held.enter_context(self.locks.setdefault(name, threading.Lock()))
            if self.stop.is_set():
                raise FaultError("the run was over before it could be fired")
            yield

    @contextlib.contextmanager
    def undoing(self, undo: Undo, seconds: float) -> Iterator[None]:
        """Undo after the block, or, when this process is killed, some time after ``seconds`` and what was planned."""
        deadline = patient(seconds + self.planned + SPARE_SECONDS)
        with undoing(undo, self.journal, self.cluster, self.api, deadline):
            yield


def workloads_in(api: Api, namespaces: Sequence[str]) -> list[Workload]:
    """The Deployments and StatefulSets of namespaces, by name."""
    found = [
        Workload(body)
        for namespace in namespaces
        for plural in KINDS.values()
        for body in api.items(f"/apis/apps/v1/namespaces/{namespace}/{plural}")
    ]
    return sorted(found, key=lambda one: one.name)
