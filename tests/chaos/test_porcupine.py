"""Verdicts on linearizability, by the search and by bounds, beside those of porcupine, which is another's work."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from random import Random

import pytest

from harness.bench.simulated import Chances, Service, simulate
from harness.chaos.history import Operation, Outcome
from harness.chaos.invoices import Invoices, Shares
from harness.chaos.register import Step, by_bounds, by_search, steps
from harness.chaos.trails import read
from harness.clusters.embedded.build import Builder, default_cache
from harness.clusters.embedded.gotoolchain import toolchain
from harness.clusters.embedded.programs import Program
from harness.timeline import Timeline

HISTORIES = 400
MIXED = Shares(get=30, pay=20, pay_all=10, list=10, again=15)
DECIDE_SECONDS = 600
BUILD_SECONDS = 1800


@pytest.fixture(scope="module")
def porcupine() -> Path:
    """The program in the folder of that name, built unless the cache has it.

    It has a cache of its own: in that of the node's components it would wait for their build, which takes far longer.
    """
    timeline, cache = Timeline(StringIO()), default_cache()
    builder = Builder(toolchain(timeline, cache), cache / "porcupine", Path(__file__).parent)
    return builder.build({"porcupine": Program("porcupine", ".", tags="")}, timeline).path("porcupine")


def ours(random: Random) -> list[Operation]:
    """A short history of a correct service, of which in most cases an answer or a time is changed afterwards."""
    asked = Invoices("http://127.0.0.1", {"Host": "localhost"}, lambda _database, _statement: [], "i", MIXED)
    clients = [asked.operations(random, 0) for _ in range(3)]
    history = simulate(Service(random), clients, 14, Chances(lost=0.2, seconds=1.0, late=5.0))
    for _ in range(random.randrange(4)):
        place = random.randrange(len(history))
        history[place] = changed(random, history[place])
    return history


def changed(random: Random, one: Operation) -> Operation:
    """The operation as another might have been: earlier, later, or with another answer."""
    if random.random() < 0.4:
        moved = random.uniform(-6, 6)
        return replace(one, began=one.began + moved, ended=None if one.ended is None else one.ended + moved)
    match one.f, one.outcome:
        case "add", Outcome.OK:
            return replace(one, answer={"new": not one.answer["new"]})
        case "get", Outcome.OK:
            seen = ["1.00", "EUR", True] if one.answer is None else [*one.answer[:2], not one.answer[2]]
            return replace(one, answer=random.choice((None, seen)))
        case "list", Outcome.OK:
            return replace(one, answer={key: [*seen[:2], not seen[2]] for key, seen in one.answer.items()})
        case (("pay" | "add"), Outcome.INFO):
            return replace(one, outcome=Outcome.OK, answer={"new": True}, ended=one.ended or one.began)
    return one


def ranked(history: Sequence[Step]) -> list[dict[str, object]]:
    """The steps for porcupine, whose times are whole numbers: only their order counts."""
    times = sorted({time for one in history for time in (one.began, one.ended)})
    rank = {time: place for place, time in enumerate(times)}
    return [
        {
            "kind": one.kind,
            "began": rank[one.began],
            "ended": rank[one.ended],
            "certain": one.certain,
            "amount": "" if one.amount is None else " ".join(map(str, one.amount)),
            "paid": one.is_paid,
        }
        for one in history
    ]


@pytest.mark.timeout(BUILD_SECONDS + DECIDE_SECONDS)
def test_porcupine_comes_to_the_same_verdicts(porcupine: Path) -> None:
    random = Random("porcupine")  # noqa: S311 -- histories, no secret
    keys = [
        (history, invoice, trail)
        for history in (ours(random) for _ in range(HISTORIES))
        for invoice, trail in read(history).of.items()
    ]
    asked = json.dumps([ranked(steps(history, invoice)) for history, invoice, _ in keys])

    said = subprocess.run(
        [porcupine], input=asked, capture_output=True, text=True, check=True, timeout=DECIDE_SECONDS
    ).stdout

    verdicts = json.loads(said)
    assert verdicts == [by_search(history, invoice) for history, invoice, _ in keys]
    assert verdicts == [by_bounds(trail) is None for _, _, trail in keys]
    assert min(verdicts.count(True), verdicts.count(False)) > 100
