"""Pods die, freeze, are cut off and replaced, databases too, and each invoice is paid exactly once all the same.

All of these look at one run: clients outside the cluster ask while the faults of a plan strike. What they were told
and what lies in both databases is judged afterwards. ``--chaos-seed`` draws another plan, ``--chaos-plan`` replays one.
"""

import pytest

from harness.chaos.recording import told
from harness.chaos.runner import Run
from harness.chaos.strikes import kinds
from scenarios.chaos.conftest import Trespassing

pytestmark = [pytest.mark.xdist_group("case"), pytest.mark.timeout(1200)]

PROMISES = (
    "every invoice is paid once",
    "no acknowledged payment is lost",
    "every invoice is paid in the end",
    "no amount is changed",
    "every acknowledged write survives",
    "reads never go backwards",
    "each invoice is linearizable",
)


def test_nothing_that_was_promised_is_broken(history: Run) -> None:
    assert not history.failed, told(history)


@pytest.mark.parametrize("promise", PROMISES)
def test_there_was_enough_to_see_that(history: Run, promise: str) -> None:
    assert history.judgement(promise).looked_at > 0


def test_the_faults_hit_and_were_of_many_kinds(history: Run) -> None:
    assert len(history.hits) >= len(history.plan.faults) / 2, "\n".join(map(str, history.strikes))
    planned = {fault.kind for fault in history.plan.faults}
    assert len(kinds(history.strikes)) >= len(planned) / 2, "\n".join(map(str, history.strikes))


def test_everything_was_whole_again_afterwards(history: Run) -> None:
    assert not history.unhealed, told(history)


def test_not_one_forbidden_connection_came_up_meanwhile(history: Run, trespass: Trespassing) -> None:
    done = trespass.done
    assert done.tried > 0, f"{done.rounds} rounds, none with a control"
    assert not done.open, "\n".join(done.open)
