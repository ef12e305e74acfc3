"""While one pod is frozen, and nothing else is broken, every invoice is paid within the time that a claim lasts."""

import pytest

from harness.chaos.plan import Load, Plan, PlannedFault
from harness.chaos.recording import told
from harness.chaoscase import Chaos

pytestmark = [pytest.mark.xdist_group("case"), pytest.mark.timeout(600), pytest.mark.full]

PROMISE = "a frozen pod holds up no payment"
PLAN = Plan(
    seed=1,
    duration=60,
    load=Load(clients=6, think_seconds=0.02),
    faults=(PlannedFault(kind="freeze", target="invoice/Deployment/invoice-app", at=4, aim="claim-expires"),),
)


def test_what_a_frozen_pod_has_begun_is_taken_over(chaos: Chaos) -> None:
    run = chaos.run(PLAN, "a-frozen-pod")

    assert not run.failed, told(run)
    assert run.judgement(PROMISE).looked_at > 0
