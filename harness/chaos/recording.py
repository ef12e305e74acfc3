"""What a run of chaos says at its end, and what it leaves for reports."""

import json
from collections import Counter

from harness.chaos.availability import recoveries, stretches
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
    """A few lines for people."""
    outcomes = Counter(str(one.outcome) for one in run.operations)
    ended = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in Outcome)
    struck = ", ".join(f"{number} {kind}" for kind, number in sorted(Counter(s.planned.kind for s in run.hits).items()))
    lines = [
        f"seed {run.plan.seed}: {len(run.operations)} operations ({ended}), {paid(run)} invoices paid",
        f"{len(run.hits)} faults hit of {len(run.strikes)}: {struck or 'none'}",
        *(f"  {stretch}" for stretch in stretches(run.operations, run.strikes)),
    ]
    lines += [f"  {one.checker}: {one.looked_at} looked at, {len(one.findings)} broken" for one in run.judgements]
    lines += [f"  {one}" for one in run.strikes if one.vacuous][:SHOWN]
    lines += [f"replay: pytest -m chaos --chaos-plan={run.folder / 'plan.json'}"]
    return lines


def told(run: Run) -> str:
    """What is wrong with a run, for a failing test."""
    wrong = [str(one) for one in run.findings[:SHOWN]] + [f"not healed: {one}" for one in run.unhealed]
    if len(run.findings) > SHOWN:
        wrong.append(f"… and {len(run.findings) - SHOWN} more in {run.folder / 'findings.txt'}")
    if not run.hits:
        wrong += ["no fault hit: the run proves nothing", *(f"  {one}" for one in run.strikes)]
    return "\n".join([*wrong, f"replay: pytest -m chaos --chaos-plan={run.folder / 'plan.json'}"])
