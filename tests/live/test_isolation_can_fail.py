"""Proofs of isolation can fail: with a dead enforcer, a hole in a policy, probers and destinations that are gone."""

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent

import pytest

from harness.clusters.embedded.provider import EmbeddedCluster
from harness.clusters.provider import Cluster
from harness.errors import ManifestError, PolicyNotEnforced
from harness.isolation import snapshot
from harness.isolation.expectations import read
from harness.isolation.lab import Lab
from harness.isolation.matrix import Cell, Compared, Standing, State
from harness.isolation.observe import Observer, Settled
from harness.isolation.parse import policies_of
from harness.isolation.policy import Direction, Peer, Policy, Port
from harness.isolation.real import Proof, prove_table
from harness.isolation.world import ContainerPort, Namespace, Pod, World
from harness.kube.client import Api
from harness.kube.exec import ExecStream
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import load
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector
from harness.kube.wait import wait_until
from harness.prober.bootstrap import DRIVE
from harness.prober.client import Prober
from harness.prober.opening import open_prober
from harness.prober.pod import CONTAINER
from harness.prober.stream import AgentStream
from harness.probing import prove_policy_on
from harness.settings import Settings

from .pods import SECONDS
from .room import environment

TCP, UDP = Protocol.TCP, Protocol.UDP
PORTS = tuple(ContainerPort(number, protocol) for number in (8080, 8081) for protocol in (TCP, UDP))
NOBODYS_PORT = 9

# ------------------------------------------------------------------------------------------------- the enforcer is dead

CONFTEST = """\
from harness.clusters import readiness

readiness.CANARY_SECONDS = 4.0
"""


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """``pytest -m isolation`` of one file, as a user would run it on the shared cluster."""
    folder = tmp_path / "scenarios" / "isolation"
    folder.mkdir(parents=True)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ["-m", "isolation", "--cluster=embedded", f"--cluster-name={cluster.name}"]

    def run(tests: str) -> subprocess.CompletedProcess[str]:
        (folder / "test_it.py").write_text(dedent(tests))
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider", *options],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def enforcer(embedded: EmbeddedCluster, image: str) -> Iterator[EmbeddedCluster]:
    """The cluster with felix, who enforces its policies; he is brought back after the test."""
    yield embedded
    if "felix" not in embedded.components():
        embedded.start_component("felix")
    prove = functools.partial(prove_policy_on, embedded, image)
    wait_until("the canary to pass", prove, seconds=SECONDS, tolerate=(PolicyNotEnforced,))


def test_a_run_whose_enforcer_is_dead_ends_in_an_error_and_tries_nothing(
    run: Callable[[str], subprocess.CompletedProcess[str]], enforcer: EmbeddedCluster
) -> None:
    enforcer.stop_component("felix")

    done = run("def test_it(cluster): pass")

    assert done.returncode == 1, done.stdout
    assert "PolicyNotEnforced: the policy canary failed: " in done.stdout
    assert "1 error in" in done.stdout


@pytest.mark.usefixtures("enforcer")
def test_a_run_whose_enforcer_dies_between_two_tests_ends_in_an_error_though_all_of_them_passed(
    run: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    done = run(
        """
        def test_first(cluster): pass
        def test_that_is_there_when_the_enforcer_dies(cluster): cluster.stop_component("felix")
        def test_last(cluster): pass
        """
    )

    assert done.returncode == 1, done.stdout
    assert "PolicyNotEnforced: the policy canary failed: " in done.stdout
    assert "3 passed, 1 error in" in done.stdout


# -------------------------------------------------------------------------------------------------------------- a stage


@dataclass(frozen=True)
class Shop:
    """A small world of a lab with its files: ``world`` as it is on the cluster, policies and a table of it."""

    lab: Lab
    world: World
    written: Sequence[Policy]
    table: Path

    @property
    def namespace(self) -> str:
        """Where it all is."""
        return self.world.namespaces[0].name


POLICIES = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: default-deny, namespace: {0}}}
spec: {{podSelector: {{}}, policyTypes: [Ingress]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: db, namespace: {0}}}
spec:
  podSelector: {{matchLabels: {{app: db}}}}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {{matchLabels: {{app: web}}}}
      ports:
        - port: 8080
"""
TABLE = """\
actors:
  web: {{namespace: {0}, labels: {{app: web}}}}
  db: {{namespace: {0}, labels: {{app: db}}}}
  other: {{namespace: {0}, labels: {{app: other}}}}
connections: |
  from/to  db:8080  db:8081  web:8080
  web      allow    deny     -
  other    deny     deny     deny
"""


@pytest.fixture(scope="module")
def lab(cluster: Cluster, image: str, settings: Settings) -> Iterator[Lab]:
    """A lab of these tests alone: some of its pods do not survive them."""
    with Lab(cluster, image, settings.labels("isolation"), f"fail-{settings.run_id}") as made:
        yield made


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two pods and a third, policies for them, and a table of who may reach whom."""
    folder = tmp_path_factory.mktemp("shop")
    home = Namespace(f"{lab.name}-shop")
    (folder / "policies.yaml").write_text(POLICIES.format(home.name))
    written = policies_of(load(folder))
    table = tmp_path_factory.mktemp("table") / "table.yaml"
    table.write_text(TABLE.format(home.name))
    pods = tuple(Pod(home.name, name, "", {"app": name}, PORTS) for name in ("web", "db", "other"))
    made = lab.build(World((home,), pods, tuple(written)))
    lab.marker.wait()
    return Shop(lab, made, written, table)


# --------------------------------------------------------------------------------------------------- a hole in a policy


def lose_the_default(policy: Policy) -> Policy | None:
    return None if policy.name == "default-deny" else policy


def widen_the_selector(policy: Policy) -> Policy:
    return replace(policy, ingress=tuple(replace(rule, peers=(Peer(pods=Selector()),)) for rule in policy.ingress))


def open_a_port(policy: Policy) -> Policy:
    return replace(
        policy, ingress=tuple(replace(rule, ports=(*rule.ports, Port(port=8081))) for rule in policy.ingress)
    )


@dataclass(frozen=True)
class Hole:
    """A change of the policies, the cell that it opens, and what must be told: {0} is the namespace, {1} the file."""

    damage: Callable[[Policy], Policy | None]
    cell: str
    row: int
    because: str
    drift: str

    def __str__(self) -> str:
        return self.damage.__name__


HOLES = [
    Hole(
        lose_the_default,
        "other -> web:8080",
        8,
        "is isolated by policy {0}/default-deny ({1}:1)",
        "policy {0}/default-deny ({1}:1) is not on the cluster",
    ),
    Hole(
        widen_the_selector,
        "other -> db:8080",
        8,
        "is isolated by policy {0}/db ({1}:6)",
        "policy {0}/db on the cluster is not as written at {1}:6",
    ),
    Hole(
        open_a_port,
        "web -> db:8081",
        7,
        "but only on port 8080 ({1}:13)",
        "policy {0}/db on the cluster is not as written at {1}:6",
    ),
]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What disagrees is given up after a second."""
    monkeypatch.setattr("harness.isolation.real.AGREE_SECONDS", 1.0)


def proven(shop: Shop) -> Proof:
    return prove_table(shop.lab, read(shop.table), shop.written, {shop.namespace}, allow_ephemeral=False)


def test_the_shop_is_as_its_table_says(shop: Shop) -> None:
    proof = proven(shop)

    assert proof.broken == []
    assert proof.drift == []
    assert len(proof.judged) == 5


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("hole", HOLES, ids=str)
def test_a_hole_is_told_with_the_cell_the_row_the_policy_and_what_was_seen(shop: Shop, hole: Hole) -> None:
    damaged = tuple(policy for policy in map(hole.damage, shop.world.policies) if policy)
    file = shop.written[0].at.rpartition(":")[0]
    now = shop.lab.bring(shop.world, replace(shop.world, policies=damaged))
    try:
        proof = proven(shop)
    finally:
        shop.lab.bring(now, shop.world)

    [told] = [line for line in proof.broken if " must be " in line]
    assert told.startswith(f"{hole.cell} must be deny ({shop.table}:{hole.row}), but {shop.namespace}/")
    assert " was seen allowed: connected, by " in told
    assert hole.because.format(shop.namespace, file) in told
    assert proof.drift == [hole.drift.format(shop.namespace, file)]


# ------------------------------------------------------------------------------------------ a policy that has no model


@pytest.fixture
def calicos(shop: Shop) -> Iterator[str]:
    """A policy of Calico's own that shuts the database for everybody, before those of Kubernetes are asked."""
    path = f"/apis/crd.projectcalico.org/v1/namespaces/{shop.namespace}/networkpolicies"
    body = {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default.shut"},
        "spec": {"selector": "app == 'db'", "order": 1, "types": ["Ingress"], "ingress": [{"action": "Deny"}]},
    }
    shop.lab.api.post(path, body)
    yield f"NetworkPolicy.crd.projectcalico.org default.shut of namespace {shop.namespace}"
    shop.lab.api.delete(f"{path}/default.shut")
    shop.lab.find_foreign()


@pytest.mark.usefixtures("hurried")
def test_a_policy_of_another_api_is_named_and_what_it_may_decide_is_held_against_the_table_alone(
    shop: Shop, calicos: str
) -> None:
    proof = wait_until(
        "the policy to hold", lambda: next(filter(lambda one: one.broken, [proven(shop)]), None), seconds=SECONDS
    )

    [told] = proof.broken
    assert told.startswith(f"web -> db:8080 must be allow ({shop.table}:7), but {shop.namespace}/web")
    assert " was seen denied: " in told
    assert f"The policies as written say undefined: {calicos} may decide it, and has no model" in told
    assert {one.standing for one in proof.settled.compared} == {Standing.UNDEFINED}
    assert f"policies that have no model: {calicos}. What they may decide is undefined" in shop.lab.notes


# ----------------------------------------------------------------------------------------------- means that are broken


class Nobody(Api):
    """The API as a user asks it who has no rights."""

    def credentials(self) -> dict[str, str]:
        return {**super().credentials(), "Impersonate-User": "nobody"}


@pytest.fixture
def nobody(cluster: Cluster) -> Iterator[Nobody]:
    with Nobody(cluster.kubeconfig) as client:
        yield client


def rows(told: Sequence[str]) -> set[str]:
    """The rows that sentences on broken cells begin with."""
    return {line.partition(" -> ")[0] for line in told if " must be " in line}


@pytest.mark.usefixtures("hurried")
def test_a_table_is_broken_where_a_pod_may_not_be_probed_from(
    shop: Shop, nobody: Nobody, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_api: Api, pod: JsonObject, image: str, *, allow_ephemeral: bool) -> Prober:
        return open_prober(nobody, pod, image, allow_ephemeral=allow_ephemeral)

    other = f"{shop.namespace}/other"
    monkeypatch.setattr("harness.isolation.real.open_prober", refused)
    monkeypatch.setattr(shop.lab, "probers", {name: one for name, one in shop.lab.probers.items() if name != other})

    proof = proven(shop)

    assert rows(proof.broken) == {"other"}
    assert all(" was seen unknown: exec into pod " in line and "status 403" in line for line in proof.broken)
    assert proof.untested == []


def test_a_table_holds_once_a_prober_that_was_killed_is_opened_anew_and_the_lab_tells_of_it(shop: Shop) -> None:
    other = next(pod for pod in shop.world.pods if pod.name == "other")
    assert proven(shop).broken == []
    shell(shop.lab, other, SIGNAL.format("drive", "KILL"))

    proof = proven(shop)

    assert proof.broken == []
    assert proof.settled.rounds > 1
    assert f"the prober of {other.id} broke, and was opened anew" in shop.lab.reopened


@pytest.mark.usefixtures("hurried")
def test_a_table_is_broken_where_the_destination_goes_away_in_the_middle(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, home = shop.lab, Namespace(shop.namespace)
    lab.build(World((home,), (Pod(home.name, "doomed", "", {"app": "doomed"}, PORTS),)), {home.name})
    lab.marker.wait()
    table = tmp_path / "table.yaml"
    with_doomed = shop.table.read_text().partition("connections:")[0] + (
        f"  doomed: {{namespace: {home.name}, labels: {{app: doomed}}}}\n"
        "connections: |\n  from/to  doomed:8080  db:8080\n  other    deny         deny\n  web      deny         allow\n"
    )
    table.write_text(with_doomed)
    before = replace(shop, table=table)
    assert proven(before).broken == []
    world = snapshot.take(lab.api, shop.written, lab.bare.externals)
    path = f"/api/v1/namespaces/{home.name}/pods/doomed"
    lab.api.delete(path, gracePeriodSeconds=1)  # with 0 the API would forget it while it still runs
    wait_until("pod doomed to be gone", functools.partial(is_gone, lab.api, path), seconds=SECONDS)

    with pytest.raises(ManifestError, match="actor doomed: is played by nobody"):
        proven(before)
    monkeypatch.setattr(snapshot, "take", lambda *_: world)
    proof = proven(before)

    assert len(proof.broken) == 2
    assert rows(proof.broken) == {"other", "web"}
    assert all(" must be deny " in line and " was seen unknown: " in line for line in proof.broken), proof.broken


# ------------------------------------------------------------------------------------------------ probers that are gone


@pytest.fixture(scope="module")
def world(lab: Lab) -> World:
    """An asker, and pods that it may not reach, but for one."""
    home = Namespace(f"{lab.name}-dead")
    names = {"asker": "free", "open": "free", "hangs": "denied", "goes": "denied", "goes-unseen": "denied"}
    pods = tuple(Pod(home.name, name, "", {"role": role}, PORTS) for name, role in names.items())
    deny = Policy(home.name, "deny", Selector((("role", "denied"),)), types=(Direction.INGRESS,))
    made = lab.build(World((home,), pods, (deny,)))
    lab.marker.wait()
    return replace(made, nodes=lab.bare.nodes)


def pod_of(world: World, name: str) -> Pod:
    return next(pod for pod in world.pods if pod.name == name)


def cells_to(world: World, *names: str) -> list[Cell]:
    """From the asker to these pods, TCP and UDP, and to the one that it may reach: so its own life is no question."""
    asker = pod_of(world, "asker")
    return [Cell(asker, pod_of(world, name), 8080, protocol) for name in (*names, "open") for protocol in (TCP, UDP)]


def settled(
    lab: Lab, world: World, cells: Sequence[Cell], instead: Mapping[str, Prober | None] | None = None
) -> Settled:
    """Cells looked at for a second, with other probers than the lab's; None is none at all."""
    probers = {**lab.probers, **(instead or {})}
    there = {name: prober for name, prober in probers.items() if prober}
    return Observer(world, there, [pod.id for pod in world.pods]).settle(cells, seconds=1.0)


def standings(found: Settled, name: str) -> set[tuple[Standing, State]]:
    return {(one.standing, one.seen.state) for one in to(found, name)}


def to(found: Settled, name: str) -> list[Compared]:
    return [
        one for one in found.compared if isinstance(one.cell.destination, Pod) and one.cell.destination.name == name
    ]


ALL_UNKNOWN = {(Standing.UNKNOWN, State.UNKNOWN)}
DENIED = {(Standing.CONFORMS, State.DENIED)}


def test_what_is_denied_conforms_while_everybody_lives(lab: Lab, world: World) -> None:
    found = settled(lab, world, cells_to(world, "hangs", "goes"))

    assert found.agreed
    assert standings(found, "hangs") == standings(found, "goes") == DENIED
    assert standings(found, "open") == {(Standing.CONFORMS, State.ALLOWED)}


def test_a_killed_prober_makes_its_cells_unknown_until_it_is_opened_anew(lab: Lab, world: World) -> None:
    cells = cells_to(world, "hangs")
    assert settled(lab, world, cells).agreed
    shell(lab, pod_of(world, "asker"), SIGNAL.format("drive", "KILL"))

    seen = lab.observer(world).look(cells)

    assert {one.state for one in seen.values()} == {State.UNKNOWN}
    assert all("not running any more" in one.why or "ended" in one.why for one in seen.values()), seen
    assert settled(lab, world, cells).agreed


class CutShort(ExecStream):
    """A stream that loses the second half of each answer, and then breaks."""

    cut = False

    def read(self, seconds: float) -> bytes | None:
        if self.cut:
            return b""
        piece = super().read(seconds)
        if not piece or b'"hello"' in piece:
            return piece
        self.cut = True
        return piece[: len(piece) // 2]


def test_a_prober_whose_exec_is_refused_makes_its_cells_unknown(lab: Lab, world: World, nobody: Nobody) -> None:
    asker = pod_of(world, "asker")
    with (
        Prober(nobody, asker.namespace, asker.name, CONTAINER) as forbidden,
        Prober(lab.api, asker.namespace, asker.name, "there-is-none") as wrong,
    ):
        for prober, why in ((forbidden, "HTTP status 403"), (wrong, "HTTP status 400")):
            found = settled(lab, world, cells_to(world, "hangs"), {asker.id: prober})

            assert not found.agreed
            assert standings(found, "hangs") == standings(found, "open") == ALL_UNKNOWN
            assert all(why in one.seen.why for one in found.compared), found.compared


def test_an_answer_that_is_cut_short_makes_its_cells_unknown(lab: Lab, world: World) -> None:
    asker = pod_of(world, "asker")

    def start() -> AgentStream:
        return AgentStream(CutShort(lab.api, asker.namespace, asker.name, DRIVE, CONTAINER), asker.id)

    with Prober(start, asker.namespace, asker.name) as prober:
        found = settled(lab, world, cells_to(world, "hangs"), {asker.id: prober})

    assert not found.agreed
    assert standings(found, "hangs") == standings(found, "open") == ALL_UNKNOWN
    assert all("cut short" in one.seen.why for one in found.compared), found.compared


# ------------------------------------------------------------------------------------------------ destinations that are

SIGNAL = "for f in /proc/[0-9]*; do tr '\\0' ' ' < $f/cmdline | grep -q '[p]y {}' && kill -{} ${{f#/proc/}}; done; true"
"""Sends a signal to every agent of a kind; the brackets keep the shell from finding itself."""


def shell(lab: Lab, pod: Pod, script: str) -> None:
    with ExecStream(lab.api, pod.namespace, pod.name, ("sh", "-c", script), CONTAINER) as stream:
        while stream.read(SECONDS):
            pass
        assert stream.ending is not None
        assert stream.ending.code == 0, stream.last_words()


def test_a_listener_that_hangs_makes_a_silent_datagram_unknown(lab: Lab, world: World) -> None:
    hangs = pod_of(world, "hangs")
    shell(lab, hangs, SIGNAL.format("serve", "STOP"))
    try:
        found = settled(lab, world, cells_to(world, "hangs"))
    finally:
        shell(lab, hangs, SIGNAL.format("serve", "CONT"))

    [datagram] = [one for one in to(found, "hangs") if one.cell.protocol is UDP]
    assert not found.agreed
    assert (datagram.standing, datagram.seen.state) == (Standing.UNKNOWN, State.UNKNOWN)
    assert "but its control fails, too" in datagram.seen.why


def test_where_nobody_listens_and_no_policy_denies_nothing_is_taken_for_denied(lab: Lab, world: World) -> None:
    cell = Cell(pod_of(world, "asker"), pod_of(world, "open"), NOBODYS_PORT)

    [seen] = lab.observer(world).look([cell]).values()

    assert seen.state is State.ALLOWED
    assert "nobody listens" in seen.why


def test_a_pod_that_is_gone_makes_what_was_denied_unknown(lab: Lab, world: World) -> None:
    goes, unseen = pod_of(world, "goes"), pod_of(world, "goes-unseen")
    assert settled(lab, world, cells_to(world, "goes", "goes-unseen")).agreed
    for pod in (goes, unseen):
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        lab.api.delete(path, gracePeriodSeconds=1)  # with 0 the API would forget it while it still runs
        wait_until(f"{pod.id} to be gone", functools.partial(is_gone, lab.api, path), seconds=SECONDS)

    alone = replace(world, nodes=())  # without a node, each is asked by itself
    found = settled(lab, alone, cells_to(world, "goes", "goes-unseen"), {unseen.id: None})
    by_node = settled(lab, world, cells_to(world, "goes", "goes-unseen"))

    assert not found.agreed
    assert standings(found, "goes") == standings(found, "goes-unseen") == ALL_UNKNOWN
    assert all("nothing can ask the destination" in one.seen.why for one in to(found, "goes"))
    assert standings(by_node, "goes") == standings(by_node, "goes-unseen") == ALL_UNKNOWN
    assert all("but its control fails, too" in one.seen.why for one in to(by_node, "goes-unseen"))


def is_gone(api: Api, path: str) -> bool:
    return api.find(path) is None
