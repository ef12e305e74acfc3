"""Who lives on a cluster that others use: told by the server's clock, and by Leases that anybody can read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from harness.clusters.visits import EXPIRES_SECONDS, Visit
from harness.errors import UsageError
from harness.kube.leftovers import LEASES

from .leases import Server

Visits = Callable[..., Visit]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def visits(server: Server) -> Iterator[Visits]:
    """``visits(run, place)`` begins one."""
    with ExitStack() as ending:

        def visit(run: str, place: str = "here") -> Visit:
            one = Visit(server.api, run, place, {"harness.dev/owner": "visit"})
            one.begin()
            ending.callback(one.end)
            return one

        yield visit


def test_a_run_that_renews_lives_and_one_that_does_not_is_forgotten(server: Server, visits: Visits) -> None:
    mine, theirs = visits("r1"), visits("r2", "there")
    assert {one.run for one in mine.living()} == {"r1", "r2"}
    assert mine.forget_dead() == []

    server.passes(EXPIRES_SECONDS)

    assert [one.run for one in mine.living()] == ["r1"]
    assert mine.forget_dead() == ["r2"]
    assert [one.run for one in theirs.living()] == ["r1", "r2"], "it renews as it asks: it only slept"


def test_whoever_ends_takes_its_lease_back(server: Server, visits: Visits) -> None:
    mine, theirs = visits("r1"), visits("r2", "there")

    theirs.end()
    theirs.end()

    assert [one.run for one in mine.living()] == ["r1"]
    assert len(server.leases) == 1


def test_a_run_of_which_one_process_lives_is_not_dead(server: Server, visits: Visits) -> None:
    visits("r1", "there")
    server.passes(EXPIRES_SECONDS)
    mine = visits("r1")

    assert mine.forget_dead() == []
    assert len(server.leases) == 1


def test_a_lease_says_whose_it_is(server: Server, visits: Visits) -> None:
    visits("r1")

    [lease] = server.leases.values()
    assert lease["metadata"]["labels"] == {
        "harness.dev/owner": "visit",
        "harness.dev/run": "r1",
        "harness.dev/place": "here",
    }
    assert "process" in lease["spec"]["holderIdentity"]


def test_a_namespace_is_one_places_until_its_runs_are_gone(server: Server, visits: Visits) -> None:
    mine, theirs = visits("r1"), visits("r2", "there")
    mine.claim(["shop", "bank"])
    mine.claim(["shop"])

    with pytest.raises(UsageError, match=r"the namespace shop is in use: .* in run r1, and is still at work"):
        theirs.claim(["shop"])

    mine.end()
    theirs.claim(["shop"])
    assert server.leases[f"{LEASES}/harness-namespace-shop"]["metadata"]["labels"]["harness.dev/place"] == "there"


def test_processes_of_one_place_share_a_namespace(visits: Visits) -> None:
    visits("r1").claim(["shop"])
    visits("r2").claim(["shop"])


def test_of_two_that_claim_at_once_one_is_told_of_the_other(server: Server, visits: Visits) -> None:
    mine, theirs = visits("r1"), visits("r2", "there")
    theirs.claim(["shop"])
    [stolen] = [server.leases.pop(f"{LEASES}/harness-namespace-shop")]
    server.meanwhile.append(stolen)

    with pytest.raises(UsageError, match="in run r2"):
        mine.claim(["shop"])
