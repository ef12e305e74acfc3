"""What a probe saw, held against what it should have seen (``pkg/probe/comparator``). Pure."""

import re
from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Final, Literal

Kind = Literal["int", "float", "string"]

_NUMBERS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": ge,
    "<=": le,
    ">": gt,
    "<": lt,
    "==": eq,
    "!=": ne,
}
_TEXTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "equal": eq,
    "notEqual": ne,
    "contains": lambda actual, expected: expected in actual,
    "matches": lambda actual, expected: re.search(expected, actual) is not None,
    "notMatches": lambda actual, expected: re.search(expected, actual) is None,
}
_PAIR: Final = 2


def mistake(kind: Kind, criteria: str, expected: str) -> str:
    """What is wrong with a comparison as it is written; empty where nothing is.

    Litmus finds a wrong criterion when the probe runs, and takes a value that is no number for 0.
    """
    name = _name(criteria)
    known = (*_TEXTS, "oneOf") if kind == "string" else (*_NUMBERS, "oneOf", "between")
    if name not in known:
        return f"criteria {criteria!r} is not known for {kind}: there are {', '.join(known)}"
    if kind == "string":
        try:
            re.compile(expected if name in ("matches", "notMatches") else "")
        except re.error as error:
            return f"value {expected!r} is no regular expression: {error}"
        return ""
    values = expected.split(",") if name in ("oneOf", "between") else [expected]
    for value in values:
        if _number(kind, value) is None:
            return f"value {value!r} is no {kind}"
    if name == "between" and len(values) != _PAIR:
        return f"value {expected!r} must be two numbers with a comma between"
    return ""


def failure(kind: Kind, criteria: str, actual: str, expected: str) -> str:
    """Why it does not hold; empty where it does. The comparison must have no ``mistake``."""
    name = _name(criteria)
    if kind == "string":
        parts = [one.strip() for one in expected.split(",")]
        good = actual in parts if name == "oneOf" else _TEXTS[name](actual, expected)
    else:
        seen = _number(kind, actual)
        if seen is None:
            return f"actual value {actual!r} is no {kind}"
        numbers = [number for one in expected.split(",") if (number := _number(kind, one)) is not None]
        if name == "oneOf":
            good = seen in numbers
        elif name == "between":
            good = numbers[0] <= seen <= numbers[1]
        else:
            good = _NUMBERS[name](seen, numbers[0])
    return "" if good else f"actual value: {actual!r}; expected: {name} {expected!r}"


def _name(criteria: str) -> str:
    """Litmus takes words with a small or a great first letter."""
    return criteria[:1].lower() + criteria[1:]


def _number(kind: Kind, text: str) -> float | None:
    try:
        return int(text.strip()) if kind == "int" else float(text)
    except ValueError:
        return None
