"""When the canary of a run is flown, on which pair, and how it ends; the flip itself is in tests/clusters."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from harness import enforcement
from harness.clusters.provider import Cluster
from harness.enforcement import Enforcement, Stopped
from harness.errors import ClusterGone, HarnessError, PolicyNotEnforced, ProbeError


@dataclass
class Pairs:
    """In place of pairs on a cluster: each flip does the next of ``deeds``, and ``events`` tells what was done."""

    deeds: list[Callable[[], str]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    check: Callable[[], None] = lambda: None

    @contextmanager
    def on(
        self, _cluster: Cluster, image: str, labels: Mapping[str, str], check: Callable[[], None]
    ) -> Iterator[Callable[[], str]]:
        assert (image, labels) == ("prober:1", {"run": "r1"})
        number = sum(event.startswith("made") for event in self.events)
        self.check = check
        self.events.append(f"made {number}")
        yield lambda: f"{self.deeds.pop(0)()} on {number}"
        self.events.append(f"deleted {number}")


class AnyCluster:
    """A cluster that is well, until it is ``gone``."""

    gone = False

    def check(self) -> None:
        if self.gone:
            raise ClusterGone("the cluster is gone")


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Pairs:
    made = Pairs()
    monkeypatch.setattr(enforcement, "pair_on", made.on)
    return made


@contextmanager
def flown(on: AnyCluster | None = None) -> Iterator[Enforcement]:
    with closing(Enforcement(cast("Cluster", on or AnyCluster()), "prober:1", {"run": "r1"})) as made:
        yield made


def flipped() -> str:
    return "flipped"


def failing(error: HarnessError) -> Callable[[], str]:
    def fail() -> str:
        raise error

    return fail


def test_the_last_canary_flips_on_the_pair_of_the_first(pairs: Pairs) -> None:
    pairs.deeds = [flipped, flipped]
    with flown() as made:
        assert made.latest().seen == "flipped on 0"
        assert made.again().seen == "flipped on 0"
    assert pairs.events == ["made 0", "deleted 0"]


def test_where_the_pair_is_gone_a_new_one_flips(pairs: Pairs) -> None:
    pairs.deeds = [flipped, failing(ProbeError("pod client is gone")), flipped]
    with flown() as made:
        made.latest()
        assert made.again().seen == "flipped on 1"
    assert pairs.events == ["made 0", "made 1", "deleted 1", "deleted 0"]


def test_a_policy_that_is_not_enforced_is_not_tried_on_another_pair_and_told_each_time(pairs: Pairs) -> None:
    pairs.deeds = [flipped, failing(PolicyNotEnforced("it connects"))]
    with flown() as made:
        made.latest()
        with pytest.raises(PolicyNotEnforced):
            made.again()
        with pytest.raises(PolicyNotEnforced):
            made.latest()
    assert pairs.events == ["made 0", "deleted 0"]


def test_the_run_goes_on_while_the_first_one_is_in_the_air(pairs: Pairs) -> None:
    gate = threading.Event()

    def when_open() -> str:
        gate.wait()
        return "late"

    pairs.deeds = [when_open]
    with flown() as made:
        gate.set()  # by whoever has got here: a canary that is waited for would never be let go
        assert made.latest().seen == "late on 0"


def test_one_that_nobody_waits_for_any_more_is_broken_off(pairs: Pairs) -> None:
    begun = threading.Event()

    def until_stopped() -> str:
        begun.set()
        while True:
            pairs.check()

    pairs.deeds = [until_stopped]
    with flown() as made:
        begun.wait()
    with pytest.raises(Stopped):
        made.latest()
    assert pairs.events == ["made 0", "deleted 0"]


def test_one_on_a_cluster_that_broke_says_so(pairs: Pairs) -> None:
    cluster = AnyCluster()

    def until_gone() -> str:
        cluster.gone = True
        pairs.check()
        return "never"

    pairs.deeds = [until_gone]
    with flown(cluster) as made, pytest.raises(ClusterGone):
        made.latest()
