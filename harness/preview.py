"""``--plan``: what a run would make, ask and break, told beforehand. Nothing is changed, neither here nor there.

What tests need is known by their fixtures, and what is there already is read. Of a cluster that does not run yet only
that is told which is certain without it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from harness import proofs
from harness.case import SERVICES, folders_of, manifests_folder
from harness.chaos.arsenal import Arsenal
from harness.chaos.faults import FAULTS
from harness.chaos.invoice_aims import invoice_aims
from harness.chaos.plan import read_plan
from harness.chaos.proving import Wanted
from harness.chaos.scene import Scene, workloads_in
from harness.chaos.undo import Journal
from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster, ExternalPeer
from harness.clusters.rights import lacking, told
from harness.isolation import expectations, own, snapshot
from harness.isolation.world import World
from harness.kube.deploy import look
from harness.kube.manifests import load
from harness.kube.postgres import Postgres
from harness.settings import Settings

FIXTURES: Final[Mapping[str, str]] = {
    "policy_enforced": "the policy canary: a namespace with two pods, and a NetworkPolicy that comes and goes",
    "lab": "pods on the networks of the nodes, and namespaces with the pods, Services and policies that are tried",
    "access": "a namespace with a ServiceAccount for each subject, and credentials for users and groups",
    "namespace": "a namespace test-… for each test that asks for one",
    "module_namespace": "a namespace test-… for each file that asks for one",
    "session_namespace": "a namespace test-… for all tests",
}
"""What is made for whoever asks for a fixture, beside the case."""


@dataclass(frozen=True)
class Asked:
    """What the collected tests ask for: how many there are by marker, and how many want each fixture."""

    tests: Mapping[str, int]
    fixtures: Mapping[str, int]

    def wants(self, fixture: str) -> bool:
        """Whether any test does."""
        return bool(self.fixtures.get(fixture))


def asked_by(tests: Iterable[tuple[Iterable[str], Iterable[str]]]) -> Asked:
    """Of tests, each with its markers and its fixtures."""
    markers: Counter[str] = Counter()
    fixtures: Counter[str] = Counter()
    for its_markers, its_fixtures in tests:
        markers.update(set(its_markers) or {"without a marker"})
        fixtures.update(set(its_fixtures))
    return Asked(markers, fixtures)


def preview(settings: Settings, asked: Asked, cluster: Cluster | None) -> Iterator[str]:
    """The lines that tell it. ``cluster`` is None where it does not run yet. Raises what reading it raises."""
    yield "this is a plan (--plan): nothing is made, asked of pods or broken"
    yield from _section("tests", [f"{number} {marker}" for marker, number in sorted(asked.tests.items())])
    if not (asked.wants("cluster") or asked.wants("case")):
        yield "no test needs a cluster"
        return
    yield from _section("cluster", _cluster(settings, cluster))
    folder = proofs.own_manifests(settings) if asked.wants("lab") else None
    written = own.of_manifests(load(folder, proofs.render)).written if folder is not None else None
    yield from _section("makes", _made(settings, asked, cluster, written))
    yield from _section("asks", _probed(settings, asked, cluster, written))
    yield from _section("breaks", _broken(settings, asked, cluster))
    yield from _section("afterwards", _afterwards(settings, cluster))
    if cluster is not None and settings.provider == "existing":
        yield from _section("you lack", told(lacking(cluster.api)) or ["nothing that runs need"])


def _section(name: str, lines: Iterable[str]) -> Iterator[str]:
    first = True
    for line in lines:
        yield f"{name if first else '':<11} {line}"
        first = False


def _cluster(settings: Settings, cluster: Cluster | None) -> Iterator[str]:
    if cluster is None:
        yield f"{settings.name}: an embedded node is made for the run"
        return
    version = cluster.api.get("/version")["gitVersion"]
    context = f", the context {settings.cluster_context} of {settings.kubeconfig}" if settings.cluster_context else ""
    yield f"{settings.name}{context}: it runs, Kubernetes {version} at {cluster.api.url('')}"


def _made(settings: Settings, asked: Asked, cluster: Cluster | None, written: World | None) -> Iterator[str]:
    if settings.provider == "existing":
        yield "a Lease in the namespace default for each process of the run, renewed while it lives"
        yield (
            f"what images {settings.image_prefix} lacks of the prober's and the case's are pushed there"
            if settings.image_prefix
            else "no image is pushed (--image-prefix): the prober's and the case's must be there"
        )
    yield from (line for fixture, line in FIXTURES.items() if asked.wants(fixture))
    if asked.wants("chaos_scene") and settings.provider != "embedded":
        yield "what heals if the run is killed: a namespace harness-chaos-… with a Deployment, and a ClusterRole for it"
    if asked.wants("case"):
        yield f"the case, from {manifests_folder(settings)}:"
        yield from (f"  {line}" for line in _case(settings, cluster))
    if cluster is not None and written is not None:
        yield from _stand_ins(cluster, written)


def _case(settings: Settings, cluster: Cluster | None) -> Iterator[str]:
    """By its namespaces: what is new, and what is there already and brought to what the manifests say."""
    folders = folders_of(manifests_folder(settings), None)
    if cluster is None:
        placed = [(one, False) for folder in folders for one in load(folder, proofs.render)]
    else:
        placed = look(cluster, folders)
    found: dict[tuple[str, bool], list[str]] = {}
    for one, there in placed:
        meta = one.object["metadata"]
        found.setdefault((meta.get("namespace", meta["name"]), there), []).append(one.subject)
    for (place, there), subjects in found.items():
        yield f"{place}: {len(subjects)} {'there already' if there else 'new'}: {', '.join(subjects)}"


def _stand_ins(cluster: Cluster, written: World) -> Iterator[str]:
    """Of a user's own manifests nothing is applied; a pod stands in for each workload that does not run."""
    now = snapshot.take(cluster.api, written.policies)
    for workload in written.pods:
        if not own.pods_of(workload, now):
            yield f"a stand-in for {workload.id}, of which no pod runs, with its labels and ports, in its namespace"


def _probed(settings: Settings, asked: Asked, cluster: Cluster | None, written: World | None) -> Iterator[str]:
    if written is not None:
        names = ", ".join(pod.id for pod in written.pods)
        yield f"connections between all pods of {names}, to their Services, to nodes and outside, and from a stranger"
        if settings.isolation_expectations:
            cells = len(expectations.read(settings.isolation_expectations).cells)
            yield f"the {cells} cells of {settings.isolation_expectations}"
        otherwise = "else by an ephemeral container" if settings.may_attach else "by nothing else (--allow-ephemeral)"
        yield f"by python3 in a container of theirs, which is handed the prober's program; {otherwise}"
    elif asked.wants("lab"):
        yield "connections between the pods that were made, and those of the case"
    if asked.wants("access"):
        yield "SubjectAccessReviews, and requests that change nothing" + (
            "; those that could, too (--access-live)" if settings.access_live or settings.provider != "existing" else ""
        )
    if asked.tests.get("e2e"):
        way = cluster.ingress_url if cluster is not None else "its Ingress"
        yield f"the case through {way or 'a port-forward of its Service'}, and the rows of its databases"
    if cluster is not None and not isinstance(cluster, ExternalPeer):
        yield "nothing from outside the cluster: tests that need that skip"


def _broken(settings: Settings, asked: Asked, cluster: Cluster | None) -> Iterator[str]:
    if settings.chaos_engine is not None and asked.tests.get("chaos"):
        from harness.chaoscase import engine_of  # noqa: PLC0415 -- for engines only

        for engine in engine_of(settings).engines:
            for one in engine.experiments:
                aims = ", ".join(map(str, one.targets))
                yield f"{engine.name}: {one.name}, by {settings.chaos_runner}, of {aims or engine.namespace}"
    elif asked.wants("history"):
        yield from _plan(settings, cluster)
    elif asked.wants("chaos_scene"):
        yield "what the tests themselves do in a run of chaos"
    if asked.wants("case") and asked.tests.get("e2e"):
        yield "pods of the case, by tests that replace, restart or misconfigure them and put that back"


def _plan(settings: Settings, cluster: Cluster | None) -> Iterator[str]:
    wanted = Wanted(settings.chaos_plan, settings.chaos_seed, settings.chaos_duration)
    arsenal = Arsenal(FAULTS, invoice_aims(_no_session, _no_sql))
    if wanted.file is not None:
        plan = read_plan(wanted.file, FAULTS, arsenal.aims)
    else:
        workloads = workloads_in(cluster.api, sorted(SERVICES.values())) if cluster is not None else []
        if cluster is None or not workloads:
            yield f"faults at pods of the case, drawn when it is there, from the seed {wanted.chosen_seed}"
            return
        scene = Scene(
            cluster, cluster.api, workloads, cast("Journal", None), prober_image="", allow_ephemeral=False, labels={}
        )
        plan = wanted.plan(scene, arsenal)
    yield f"the case, while {plan.load.clients} clients ask for {plan.duration:g} s (seed {plan.seed}):"
    yield from (f"  {fault}" for fault in plan.faults)


def _no_session(_database: str) -> Postgres:
    raise NotImplementedError


def _no_sql(_database: str, _statement: str) -> list[dict[str, Any]]:
    raise NotImplementedError


def _afterwards(settings: Settings, cluster: Cluster | None) -> Iterator[str]:
    kept = settings.keep_cluster or Lease(settings.paths.cluster(settings.name)).kept
    if settings.provider == "existing":
        yield (
            "namespaces of tests are deleted; the case stays until `harness down`"
            if kept
            else "all that was made is deleted when the last process of yours leaves"
        )
    elif kept:
        yield "namespaces of tests are deleted; the cluster stays, and the case on it"
    else:
        yield f"the cluster {'ends with its last user' if cluster is not None else 'is deleted'}"
