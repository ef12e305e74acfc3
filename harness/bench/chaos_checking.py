"""How long the case's checkers take for a long history: seconds of one core, whatever else the machine does."""

import statistics
import time
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from harness.bench.figures import Measured, Target
from harness.bench.simulated import Service, simulate
from harness.chaos.checkers import promises
from harness.chaos.history import Json, Operation
from harness.chaos.invoices import Invoices, Shares
from harness.errors import HarnessError
from harness.settings import Settings
from harness.timeline import Timeline

CHECKING = Target(
    "chaos.check_100k_s", "all checkers on 100,000 operations, 20,000 invoices, 40 lists, median", "s", "<= 10", "<= 2"
)

OPERATIONS: Final = 100_000
CLIENTS: Final = 8
SEED: Final = 6
ROUNDS: Final = 5
FROZEN: Final = ((20.0, 60.0), (90.0, 110.0))
CLAIM_SECONDS: Final = 10.0
SHARES: Final = Shares(get=65, pay=10, pay_all=3, list=0.04, again=2)


def checking(_settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """Judge a simulated history of a correct service, of which every checker has something to look at."""
    with timeline.phase("a long history") as say:
        history, rows = long_history(OPERATIONS, SHARES)
        say(f"{len(rows['invoices'])} invoices")
    with timeline.phase("checking"):
        seconds = statistics.median(_seconds(history, rows) for _ in range(ROUNDS))
    yield CHECKING, seconds, ROUNDS


def long_history(number: int, shares: Shares) -> tuple[Sequence[Operation], Json]:
    """So many operations of the case's clients, who ask in these shares, and the rows that they leave."""
    service = Service(Random(f"checking {SEED}"))  # noqa: S311 -- a load, no secret
    asked = Invoices("http://127.0.0.1", {"Host": "localhost"}, lambda _database, _statement: [], "c-", shares)
    clients = [asked.operations(Random(f"checking {SEED} {one}"), one) for one in range(CLIENTS)]  # noqa: S311
    history = simulate(service, clients, number)
    service.settle()
    return history, service.rows()


def _seconds(history: Sequence[Operation], rows: Json) -> float:
    """Raises HarnessError where a checker finds something, or has nothing to look at: it would be another figure."""
    began = time.process_time()
    judgements = [one.check(history, rows) for one in promises(FROZEN, CLAIM_SECONDS)]
    seconds = time.process_time() - began
    for one in judgements:
        if one.findings or not one.looked_at:
            said = one.findings[0] if one.findings else "it had nothing to look at"
            raise HarnessError(
                f"the simulated service keeps its promises, and a checker is wrong: {one.checker}: {said}"
            )
    return seconds
