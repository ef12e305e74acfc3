"""What a run of chaos says at its end, and what it leaves for reports."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.chaos.availability import PERCENTILES, recoveries, stretches
from harness.chaos.history import Outcome
from harness.chaos.runner import Run
from harness.chaos.strikes import kinds
from harness.records import Records

SHOWN = 10
"""How many findings and vacuous faults are written out; all of them lie in the run's folder."""


def record(records: Records, run: Run) -> None:
    """Leave a run's summary for the end of the output and its figures for reports."""
    records.notes(summary(run))
    records.lines("runs.jsonl", [json.dumps(figures(run))])


def paid(run: Run) -> int:
    """How many invoices of the run are paid in the end."""
    return sum(1 for row in run.rows.get("invoices", ()) if row.get("is_paid"))


def figures(run: Run) -> dict[str, float | int | str]:
    """What a run comes to, in numbers."""
    times = recoveries(run.operations, run.strikes)
    return {
        "seed": run.plan.seed,
        "operations": len(run.operations),
        "paid": paid(run),
        "faults": len(run.hits),
        "kinds": len(kinds(run.strikes)),
        "vacuous": len(run.strikes) - len(run.hits),
        "findings": len(run.findings),
        "longest_outage_s": round(max((one.seconds for one in times), default=0.0), 3),
    }


def summary(run: Run) -> list[str]:
    """Tables for people: operations, latency, faults, promises; and how the run is replayed."""
    asked = f"seed {run.plan.seed}: {len(run.operations)} operations, {paid(run)} invoices paid"
    return [
        f"{asked}, {len(run.hits)} faults hit of {len(run.strikes)}",
        *_table(("operation", *Outcome), _operations(run)),
        *_table(("stretch", "asked", "ok %", *(f"p{p} ms" for p in PERCENTILES)), _stretches(run)),
        *_table(("fault that hit", "planned s", "fired s", "healed s", "longest without an ok s"), _faults(run)),
        *_table(("promise", "looked at", "broken"), _promises(run)),
        *(f"  {one}" for one in [one for one in run.strikes if one.vacuous][:SHOWN]),
        run.replay,
    ]


def _operations(run: Run) -> Iterator[Sequence[object]]:
    counts = Counter((one.f, one.outcome) for one in run.operations)
    for f in sorted({one.f for one in run.operations}):
        yield (f, *(counts[f, outcome] for outcome in Outcome))


def _stretches(run: Run) -> Iterator[Sequence[object]]:
    for one in stretches(run.operations, run.strikes):
        yield (one.name, one.asked, f"{one.success_pct:.2f}", *(f"{ms:.0f}" for ms in one.latency_ms))


def _faults(run: Run) -> Iterator[Sequence[object]]:
    for one in recoveries(run.operations, run.strikes):
        strike = one.strike
        healed = "never" if strike.healed is None else f"{strike.healed:.1f}"
        yield (strike.planned.named, f"{strike.planned.at:.1f}", f"{strike.fired:.1f}", healed, f"{one.seconds:.2f}")


def _promises(run: Run) -> Iterator[Sequence[object]]:
    for one in run.judgements:
        yield (one.checker, one.looked_at, len(one.findings) if one.looked_at or one.findings else "untested")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines in columns: the first one's words to the left, figures to the right. None where there is no row."""
    body = [[*map(str, row), *[""] * (len(head) - len(row))] for row in rows]
    if not body:
        return
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    for first, *others in ([*head], *body):
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join(["", f"{first:<{widths[0]}}", *cells]).rstrip()


def told(run: Run) -> str:
    """What is wrong with a run, for a failing test."""
    wrong = [str(one) for one in run.findings[:SHOWN]] + [f"not healed: {one}" for one in run.unhealed]
    wrong += [one.failed for one in run.strikes if one.failed]
    if len(run.findings) > SHOWN:
        wrong.append(f"… and {len(run.findings) - SHOWN} more in {run.folder / 'findings.txt'}")
    if not run.hits:
        wrong += ["no fault hit: the run proves nothing", *(f"  {one}" for one in run.strikes)]
    return "\n".join([*wrong, run.replay])
