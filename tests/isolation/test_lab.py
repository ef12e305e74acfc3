"""A lab leaves nothing: not where something could not be made, nor where something else cannot be ended."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest

from harness.errors import ProbeError
from harness.isolation import lab as labs
from harness.isolation.lab import Lab
from harness.isolation.world import Namespace, Pod, World
from harness.kube.protocol import Protocol
from harness.prober.client import Prober

SHOP = World((Namespace("run-shop"),), (Pod("run-shop", "web", "10.1.0.1"), Pod("run-shop", "db", "10.1.0.2")))


class Stage:
    """A stage that does at once as it is told. ``broken`` are the verbs that fail."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.removed: list[str] = []
        self.guests: list[str] = []
        self.brought: list[tuple[World, World]] = []

    def bring(self, now: World, wanted: World) -> World:
        """What is wanted, or an error."""
        self.brought.append((now, wanted))
        if "bring" in self.broken:
            raise ProbeError("the server has gone away")
        return wanted

    def remove(self, world: World) -> None:
        """Say what goes."""
        self.removed += [one.name for one in world.namespaces]

    def remove_guests(self, namespaces: Iterable[str]) -> None:
        """Say from where, or fail."""
        if "remove_guests" in self.broken:
            raise ProbeError("the server has gone away")
        self.guests += namespaces


class Recorded(Prober):
    """A prober without a stream. ``opened`` and ``closed`` have the names of the pods."""

    opened: list[str]
    closed: list[str]
    broken = ""

    def open(self) -> None:
        """Open, or fail."""
        if self.pod == self.broken:
            raise ProbeError(f"{self.pod} refuses")
        self.opened.append(self.pod)

    def close(self) -> None:
        """Closing fails, too, where opening does."""
        self.closed.append(self.pod)
        if self.pod == self.broken:
            raise ProbeError(f"{self.pod} cannot be closed")


class Cluster:
    """A cluster by name only."""

    api = "never asked"


class Marker:
    """A marker that has always passed, or never does."""

    broken = False

    def wait(self) -> None:
        """Nothing to wait for."""
        if self.broken:
            raise ProbeError("the marker met neither an answer nor a policy")


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> Lab:
    for name in ("opened", "closed"):
        monkeypatch.setattr(Recorded, name, [], raising=False)
    monkeypatch.setattr(labs, "Prober", Recorded)
    monkeypatch.setattr(labs, "Stage", lambda *_: stage)
    made = Lab(cast("Any", Cluster()), "image:1", {}, "run")
    made.marker = cast("Any", Marker())
    return made


def test_it_opens_a_prober_in_each_pod_and_closing_ends_them_and_removes_what_it_made(lab: Lab, stage: Stage) -> None:
    lab.build(SHOP)

    lab.close()
    lab.close()

    assert sorted(Recorded.opened) == sorted(Recorded.closed) == ["db", "web"]
    assert stage.removed == ["run-shop"]


def test_what_it_began_to_make_is_removed_though_making_it_failed(lab: Lab, stage: Stage) -> None:
    made = lab.build(SHOP)
    stage.broken = {"bring"}
    more = replace(made, namespaces=(*made.namespaces, Namespace("run-new")))
    with pytest.raises(ProbeError):
        lab.bring(made, more)
    with pytest.raises(ProbeError):
        lab.build(World((Namespace("run-other"),)))

    lab.close()

    assert sorted(stage.removed) == ["run-new", "run-other", "run-shop"]


def test_a_namespace_that_was_there_before_stays_and_its_guests_go(lab: Lab, stage: Stage) -> None:
    home = Namespace("theirs")
    lab.build(World((home, *SHOP.namespaces), (Pod("theirs", "guest", "10.1.0.9"), *SHOP.pods)), existing={"theirs"})

    lab.close()

    assert stage.removed == ["run-shop"]
    assert stage.guests == ["theirs"]


def test_what_lasts_is_made_once(lab: Lab, stage: Stage) -> None:
    first = lab.build_once(SHOP)
    again = lab.build_once(replace(SHOP))
    other = lab.build_once(replace(SHOP, pods=SHOP.pods[:1]))

    assert again is first
    assert other is not first
    assert len(stage.brought) == 2
    lab.close()


def test_probers_that_opened_are_closed_though_another_did_not_open(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorded, "broken", "db")
    with pytest.raises(ProbeError, match="db refuses"):
        lab.build(SHOP)

    with pytest.raises(ProbeError, match="cannot be closed"):
        lab.close()

    assert Recorded.opened == ["web"]
    assert sorted(Recorded.closed) == ["db", "web"]


def test_a_prober_that_cannot_be_closed_and_guests_that_do_not_go_keep_nothing_else_from_being_removed(
    lab: Lab, stage: Stage
) -> None:
    lab.build(World((Namespace("theirs"),), (Pod("theirs", "guest", "10.1.0.9"),)), existing={"theirs"})
    lab.build(SHOP)
    lab.adopt(Pod("theirs", "bad", ""), cast("Prober", Failing()))
    stage.broken = {"remove_guests"}

    with pytest.raises(ProbeError):
        lab.close()

    assert sorted(Recorded.closed) == ["db", "guest", "web"]
    assert stage.removed == ["run-shop"]


class Failing:
    """A prober that cannot be closed."""

    def close(self) -> None:
        raise ProbeError("it hangs")


def test_the_prober_of_a_pod_that_goes_is_closed_and_one_that_comes_again_gets_another(lab: Lab) -> None:
    made = lab.build(SHOP)
    web, db = made.pods
    without = lab.bring(made, replace(made, pods=(web,)))

    assert Recorded.closed == ["db"]
    assert set(lab.probers) == {web.id}
    first = lab.probers[web.id]
    lab.bring(without, made)

    assert Recorded.opened.count("db") == 2
    assert set(lab.probers) == {web.id, db.id}
    assert lab.probers[web.id] is first
    lab.close()


def test_removing_a_world_closes_its_probers_and_deletes_its_namespaces(lab: Lab, stage: Stage) -> None:
    made = lab.build(SHOP)

    lab.remove(made)

    assert sorted(Recorded.closed) == ["db", "web"]
    assert not lab.probers
    assert stage.removed == ["run-shop"]
    lab.close()


def test_it_says_which_protocols_are_asked_for_and_which_are_not(lab: Lab) -> None:
    lab.protocols = (Protocol.TCP, Protocol.UDP)
    assert lab.notes == ["protocols: TCP, UDP (this kernel has no SCTP)"]

    lab.protocols = tuple(Protocol)
    assert lab.notes == ["protocols: TCP, UDP, SCTP"]
    lab.close()
