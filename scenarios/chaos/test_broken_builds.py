"""A build of the case that breaks a promise is caught, by the checker of that promise: else the others prove nothing.

Each patch in ``broken/`` takes one thing from the sources that exactly-once rests on. The build is deployed as any
other, and hurt where it is weak.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.case import Case
from harness.chaos.plan import Load, Plan, PlannedFault
from harness.chaoscase import Chaos
from harness.errors import BuildError
from scenarios.chaos import builds

pytestmark = [pytest.mark.xdist_group("case"), pytest.mark.timeout(600)]

APP = "invoice/Deployment/invoice-app"
PROVIDER = "payments/Deployment/payment-provider"


@dataclass(frozen=True)
class Weakness:
    """Which checker must catch a patch, and what shows it."""

    checker: str
    plan: Plan


def struck(*faults: PlannedFault, duration: float = 15) -> Plan:
    """A short run with these faults."""
    return Plan(seed=1, duration=duration, load=Load(clients=6, think_seconds=0.02), faults=faults)


KILLED = struck(
    PlannedFault(kind="pod-kill", target=APP, at=3, aim="before-marked"),
    PlannedFault(kind="pod-kill", target=APP, at=7, aim="before-marked"),
)
QUIET = struck(PlannedFault(kind="pod-kill", target=APP, at=4))

TABLE = {
    "idempotency-off": Weakness("every invoice is paid once", KILLED),
    "mark-before-pay": Weakness(
        "no acknowledged payment is lost",
        struck(
            PlannedFault(kind="pod-kill", target=PROVIDER, at=3, aim="before-answer"),
            PlannedFault(kind="pod-kill", target=PROVIDER, at=7, aim="before-answer"),
        ),
    ),
    "no-transaction": Weakness(
        "no acknowledged payment is lost",
        struck(*(PlannedFault(kind="pod-kill", target=PROVIDER, at=at, index=at) for at in (4, 6, 8))),
    ),
    "lock-across-the-call": Weakness(
        "a frozen pod holds up no payment",
        struck(PlannedFault(kind="freeze", target=APP, at=4, aim="claim-expires"), duration=60),
    ),
    "float-money": Weakness("no amount is changed", QUIET),
    "cached-reads": Weakness("reads never go backwards", QUIET),
}


def test_every_patch_has_its_checker() -> None:
    assert set(TABLE) == set(builds.patches())


@pytest.mark.parametrize("name", builds.patches())
def test_every_patch_applies_to_the_sources(name: str, tmp_path: Path) -> None:
    sources = builds.patched(name, tmp_path)

    assert any(
        file.read_bytes() != (builds.SOURCES / file.relative_to(sources)).read_bytes() for file in sources.rglob("*.py")
    )


def test_a_patch_that_does_not_apply_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no-such-patch"):
        builds.patched("no-such-patch", tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("name", TABLE)
def test_a_broken_build_is_caught_by_the_checker_of_its_promise(case: Case, chaos: Chaos, name: str) -> None:
    weakness = TABLE[name]

    with builds.deployed(case, name) as broken:
        run = chaos.run(weakness.plan, name, broken)

    assert run.hits, "\n".join(map(str, run.strikes))
    assert run.judgement(weakness.checker).findings, [
        (one.checker, one.looked_at, len(one.findings)) for one in run.judgements
    ]
