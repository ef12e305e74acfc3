"""Real workloads, offline: which pods get a prober, what becomes of the cells of one that gets none, what is told."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from harness.errors import ManifestError, ProbeError
from harness.isolation import real
from harness.isolation.expectations import Expectations, read
from harness.isolation.lab import Lab
from harness.isolation.matrix import State
from harness.isolation.observe import Observer
from harness.isolation.policy import Direction, Policy
from harness.isolation.real import Proof, prove_table
from harness.isolation.world import External, Foreign, Namespace, Node, Source, World
from harness.kube.exec import ExecRefused
from harness.kube.selectors import Selector
from harness.prober.client import Outcome, Prober, Target, Verdict
from harness.prober.opening import NoMeans

NODE = Node("node1", "192.168.0.1")
OUTSIDE = External("203.0.113.10")
ADDRESSES = {"web": "10.0.0.1", "db": "10.0.0.2", "other": "10.0.0.3"}
POLICY = Policy("shop", "db", Selector((("app", "db"),)), types=(Direction.INGRESS,), at="db.yaml:1")
TABLE = """\
actors:
  web: {namespace: shop, labels: {app: web}}
  db: {namespace: shop, labels: {app: db}}
  other: {namespace: shop, labels: {app: other}}
  outside: external
  node: node
connections: |
  from/to  db:8080  db:8081
  web      deny     deny
  other    deny     deny
  node     allow    allow
"""


class Answers(Prober):
    """A prober that is answered by all but those to whom it is denied; one that ``breaks`` loses its stream."""

    def __init__(self, denied: Callable[[str], bool] = lambda _address: False, breaks: str = "") -> None:
        super().__init__(self._never, "", "")
        self._denied = denied
        self._breaks = breaks
        self._targets: list[Target] = []

    @staticmethod
    def _never() -> Any:  # noqa: ANN401 -- it returns nothing
        raise AssertionError("it has no stream")

    @property
    def is_open(self) -> bool:
        return True

    def begin(self, targets: Any, deadline_s: float = 1.0) -> None:  # noqa: ANN401, ARG002 -- as it is called
        self._targets = list(targets)

    def finish(self) -> list[Verdict]:
        if self._breaks:
            raise ProbeError(self._breaks)
        return [
            Verdict(one, Outcome.TIMED_OUT if self._denied(one.address) else Outcome.CONNECTED) for one in self._targets
        ]


class FakeApi:
    """A cluster with three pods of namespace shop, and its one policy."""

    def get(self, path: str) -> dict[str, Any]:
        return self._pod(path.rpartition("/")[2])

    def items(self, path: str) -> list[dict[str, Any]]:
        spec = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]}
        return {
            "/api/v1/namespaces": [{"metadata": {"name": "shop"}}],
            "/api/v1/pods": [self._pod(name) for name in ADDRESSES],
            "/api/v1/nodes": [
                {
                    "metadata": {"name": NODE.name},
                    "status": {"addresses": [{"type": "InternalIP", "address": NODE.address}]},
                }
            ],
            "/apis/networking.k8s.io/v1/networkpolicies": [
                {"metadata": {"name": "db", "namespace": "shop"}, "spec": spec}
            ],
        }.get(path, [])

    @staticmethod
    def _pod(name: str) -> dict[str, Any]:
        return {
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
            "spec": {"nodeName": NODE.name, "containers": [{"name": "main"}]},
            "status": {"phase": "Running", "podIP": ADDRESSES[name]},
        }


class Marker:
    """A marker that has always passed."""

    def wait(self) -> None:
        """Nothing to wait for."""


class FakeLab:
    """A lab with a prober on the node."""

    name = "lab"
    image = "prober:1"

    def __init__(self, externals: tuple[External, ...] = ()) -> None:
        self.api = FakeApi()
        self.bare = World(nodes=(NODE,), externals=externals)
        sources: list[Source] = [NODE, *externals]
        self.probers: dict[str, Prober] = {one.id: Answers() for one in sources}

        self.marker = Marker()

    foreign: frozenset[str] = frozenset()

    def find_foreign(self) -> None:
        """There is none."""

    def adopt(self, pod: Any, prober: Prober) -> None:  # noqa: ANN401 -- a pod
        self.probers[pod.id] = prober

    def observer(self, world: World, untested: Mapping[str, str], failed: Mapping[str, str]) -> Observer:
        return Observer(world, self.probers, (), untested, failed)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "AGREE_SECONDS", 0.0)


@pytest.fixture
def prove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Proof]:
    """The table, or another one, held against the cluster, where the prober of pod ``other`` is, or raises, this."""

    def prove(
        other: Prober | ProbeError | None = None,
        table: str = TABLE,
        lab: FakeLab | None = None,
        homes: Sequence[Namespace] = (),
        unapplied: Sequence[Foreign] = (),
    ) -> Proof:
        def open_(_api: Any, pod: Any, _image: str, *, allow_ephemeral: bool) -> Prober:  # noqa: ANN401 -- as it is called
            assert not allow_ephemeral
            found = other if pod["metadata"]["name"] == "other" and other else Answers(guarded)
            if isinstance(found, ProbeError):
                raise found
            return found

        monkeypatch.setattr(real, "open_prober", open_)
        return prove_table(
            cast("Lab", lab or FakeLab()),
            expectations(table),
            [POLICY],
            {"shop"},
            allow_ephemeral=False,
            homes=homes,
            unapplied=unapplied,
        )

    def expectations(table: str) -> Expectations:
        (tmp_path / "table.yaml").write_text(table)
        return read(tmp_path / "table.yaml")

    return prove


def guarded(address: str) -> bool:
    return address == ADDRESSES["db"]


REFUSED = ExecRefused("pod shop/other", 403, "forbidden")
CRASHED = ProbeError("pod shop/other has no running container to probe from; its phase is Running")
NOT_STARTED = ProbeError("the ephemeral container harness-prober-1 of pod shop/other does not start: ErrImageNeverPull")
NO_MEANS = NoMeans("pod shop/other cannot be probed from: none of its containers (main) has Python 3.8 or newer")


THEIRS = Foreign("CiliumNetworkPolicy.cilium.io deny of namespace shop", "shop", at="shop.yaml:9")


def test_what_a_policy_may_decide_that_was_not_applied_is_not_taken_for_tested(prove: Callable[..., Proof]) -> None:
    proof = prove(unapplied=(THEIRS,))

    assert {one.compared.seen.state for one in proof.judged} == {State.UNTESTED}
    assert len([one for one in proof.broken if one.startswith("row ")]) == 3
    assert f"a policy that is not applied may decide it: {THEIRS.what}" in proof.broken[0]


def test_a_policy_of_the_files_that_is_on_the_cluster_is_held_against_the_table(prove: Callable[..., Proof]) -> None:
    lab = FakeLab()
    lab.foreign = frozenset({THEIRS.what})

    assert prove(lab=lab, unapplied=(THEIRS,)).broken == []


def states(proof: Proof, actor: str) -> set[State]:
    return {one.compared.seen.state for one in proof.judged if one.expected.source == actor}


def test_a_cluster_that_does_as_the_table_says_breaks_nothing(prove: Callable[..., Proof]) -> None:
    proof = prove()

    assert states(proof, "node") == {State.ALLOWED}
    assert states(proof, "web") == states(proof, "other") == {State.DENIED}
    assert (proof.broken, proof.untested, proof.drift) == ([], [], [])


@pytest.mark.parametrize("error", [REFUSED, CRASHED, NOT_STARTED], ids=["refused", "crashed", "not started"])
def test_a_prober_that_does_not_start_makes_its_cells_unknown_and_the_table_broken(
    prove: Callable[..., Proof], error: ProbeError
) -> None:
    proof = prove(error)

    assert states(proof, "other") == {State.UNKNOWN}
    assert states(proof, "web") == {State.DENIED}
    assert [told.partition(" (")[0] for told in proof.broken] == [
        "other -> db:8080 must be deny",
        "other -> db:8081 must be deny",
    ]
    assert all(f"was seen unknown: {error}" in told for told in proof.broken)
    assert proof.untested == []


def test_a_prober_that_breaks_in_its_round_makes_its_cells_unknown_and_the_table_broken(
    prove: Callable[..., Proof],
) -> None:
    proof = prove(Answers(breaks="the program ended with status 137"))

    assert states(proof, "other") == {State.UNKNOWN}
    assert len(proof.broken) == 2


def test_a_pod_without_means_is_untested_and_its_row_not_proved(prove: Callable[..., Proof]) -> None:
    proof = prove(NO_MEANS)

    assert states(proof, "other") == {State.UNTESTED}
    assert proof.untested == [f"shop/other -> shop/db TCP {port}: {NO_MEANS}" for port in (8080, 8081)]
    [told] = proof.broken
    assert told.startswith("row other (")
    assert told.endswith(f"of shop/other -> shop/db TCP 8080: {NO_MEANS}")


def test_a_destination_that_answers_nobody_makes_what_is_denied_unknown(prove: Callable[..., Proof]) -> None:
    lab = FakeLab()
    lab.probers[NODE.id] = Answers(guarded)
    lab.probers["shop/db"] = Answers(guarded)

    proof = prove(lab=lab)

    assert states(proof, "web") == states(proof, "node") == {State.UNKNOWN}
    assert any("its control fails, too" in told for told in proof.broken)


def test_what_breaks_the_table_is_told_once_though_the_model_says_the_same(prove: Callable[..., Proof]) -> None:
    proof = prove(Answers())

    assert len(proof.settled.wrong) == 2
    assert [told.partition(" (")[0] for told in proof.broken] == [
        "other -> db:8080 must be deny",
        "other -> db:8081 must be deny",
    ]


def test_where_the_model_alone_is_broken_it_is_told_though_the_table_holds(prove: Callable[..., Proof]) -> None:
    proof = prove(Answers(), TABLE.replace("other    deny     deny", "other    allow    allow"))

    assert [told.partition(":")[0] for told in proof.broken] == [
        "shop/other -> shop/db TCP 8080",
        "shop/other -> shop/db TCP 8081",
    ]


def test_a_cluster_without_an_outside_says_which_row_it_does_not_prove(prove: Callable[..., Proof]) -> None:
    table = TABLE + "  outside  deny     -\n"
    with_outside = FakeLab((OUTSIDE,))
    with_outside.probers[OUTSIDE.id] = Answers(guarded)

    assert states(prove(table=table, lab=with_outside), "outside") == {State.DENIED}
    proof = prove(table=table)

    assert states(proof, "outside") == {State.UNTESTED}
    [told] = proof.broken
    assert told.startswith("row outside (")


def test_a_cell_of_a_pod_and_itself_is_an_error_before_anything_is_probed(prove: Callable[..., Proof]) -> None:
    with pytest.raises(ManifestError, match="db -> db:8080: speaks of a pod and itself"):
        prove(table=TABLE + "  db       allow    -\n")


def test_a_namespace_that_is_labelled_otherwise_than_its_file_says_has_drifted(prove: Callable[..., Proof]) -> None:
    assert prove(homes=[Namespace("shop", {"team": "red"})]).drift == [
        "namespace shop does not have the label team=red of its file on the cluster"
    ]
