"""Figures with limits: ``must`` is a promise, ``aim`` a wish. Pure: measuring and reading happens elsewhere."""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from rich.table import Table

from harness.errors import UsageError

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
}
_LIMIT = re.compile(r"(<=|>=|==|<|>)\s*(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Target:
    """A figure that is to be measured: limits are text such as ``<= 900``, an empty one is always met."""

    name: str
    what: str
    unit: str
    must: str
    aim: str


Measured: TypeAlias = tuple[Target, float, int]
"""A target, its value, and how many measurements the value stands for."""


@dataclass(frozen=True)
class Machine:
    """Where it was measured: cores, the load of the minute before, and the commit, with ``+`` if files are changed."""

    cores: int
    load: float
    commit: str


def meets(value: float, limit: str) -> bool:
    """Whether a value keeps a limit. Raises UsageError for a limit that is none."""
    if not limit:
        return True
    found = _LIMIT.fullmatch(limit.strip())
    if found is None:
        raise UsageError(f"the limit {limit!r} is none: write it as `<= 900`")
    return COMPARISONS[found[1]](value, float(found[2]))


def entry(target: Target, value: float, samples: int, machine: Machine) -> dict[str, Any]:
    """One entry of bench.json. ``samples`` is how many measurements the value stands for."""
    return {
        "name": target.name,
        "value": round(value, 3),
        "unit": target.unit,
        "must": target.must,
        "aim": target.aim,
        "samples": samples,
        **asdict(machine),
    }


def merge(before: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Entries by name: new ones take the place of old ones, others follow in their order."""
    merged = {str(one["name"]): dict(one) for one in before}
    merged.update({str(one["name"]): dict(one) for one in new})
    return list(merged.values())


def parse(text: str, where: str) -> list[dict[str, Any]]:
    """The entries of a bench.json. Raises UsageError that names the file if it is none."""
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}: {error}: delete it, or fix it") from None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "name" in one for one in entries):
        raise UsageError(f"{where}: it is not a list of entries with names: delete it, or fix it")
    return entries


def to_json(entries: Sequence[Mapping[str, Any]]) -> str:
    """bench.json: one entry a line, so that a change is one line."""
    return "[\n" + ",\n".join("  " + json.dumps(one) for one in entries) + "\n]\n"


def failures(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for each entry that failed its limit."""
    failed = (one for one in entries if not meets(float(one["value"]), str(one.get("must", ""))))
    return [f"{one['name']} failed: {float(one['value']):g} {one.get('unit', '')}, not {one['must']}" for one in failed]


def table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """The entries for people: ``failed`` where the must is not met, else ``ok``, or ``aim`` where the aim is, too."""
    shown = Table(box=None, pad_edge=False)
    for name in ("figure", "value", "unit", "must", "aim", "verdict", "samples", "commit"):
        shown.add_column(name, justify="right" if name in ("value", "samples") else "left")
    for one in entries:
        value = float(one["value"])
        verdict = "failed" if failures([one]) else "aim" if meets(value, str(one.get("aim", ""))) else "ok"
        shown.add_row(
            str(one["name"]),
            f"{value:g}",
            *(str(one.get(key, "")) for key in ("unit", "must", "aim")),
            verdict,
            *(str(one.get(key, "")) for key in ("samples", "commit")),
        )
    return shown
