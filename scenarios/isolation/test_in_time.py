"""How long until a policy holds, and what slips through in the meantime: measured, and told in the run's summary.

No figure is a promise here. What fails is a policy that takes no effect at all, or a measurement that measures nothing.
"""

import time

import pytest

from harness.isolation.lab import Lab
from harness.isolation.recording import Records
from harness.isolation.timing import Pair, births, flips, summary, survivors, trial_of

pytestmark = [pytest.mark.conformance, pytest.mark.xdist_group("time")]

FLIPS = 20
NEWBORNS = 8


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Pair:
    """Two pods that reach each other as long as no policy forbids it."""
    return Pair.build(lab)


def test_a_policy_comes_to_hold_and_is_lifted_again(pair: Pair, records: Records) -> None:
    found = flips(pair, FLIPS)

    records.measured("a policy holds, seconds after it was created", summary(found.enforced))
    records.measured("a policy is lifted, seconds after it was deleted", summary(found.lifted))


def test_pods_that_are_born_under_a_policy_are_watched_from_their_first_moment(pair: Pair, records: Records) -> None:
    began = time.monotonic()

    free, newborns = births(pair, NEWBORNS)

    records.add(trial_of(newborns, time.monotonic() - began))
    for way, leaks in (
        ("out", [one.leaked_out for one in newborns if one.leaked_out is not None]),
        ("in", [one.leaked_in for one in newborns if one.leaked_in is not None]),
    ):
        figures = {"newborns": len(newborns), "leaks": len(leaks), "longest": round(max(leaks, default=0.0), 3)}
        records.measured(f"pods born under a policy connect {way} nevertheless, seconds at least", figures)
    assert free.leaked_out is not None, f"nobody stopped the newborn that no policy selects, and it met nobody: {free}"
    assert free.leaked_in is not None, f"the newborn that no policy selects could not be reached: {free}"
    assert all(one.tried and one.asked for one in newborns), newborns


def test_connections_that_stand_are_used_again_under_a_policy_that_denies_new_ones(
    pair: Pair, records: Records
) -> None:
    survived = survivors(pair)

    told = {protocol: "survives" if yes else "ends" for protocol, yes in survived.items()}
    records.measured("what stands when a policy begins to deny it", told)
