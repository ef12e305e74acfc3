"""The syntax of quantities (``64Mi``, ``250m``), as the API server has it (``k8s.io/apimachinery/pkg/api/resource``).

The published schemas say of a quantity that it is text or a number, and the API server refuses a wrong one only when
other objects may be there already.
"""

import re
from typing import Final

_NUMBER: Final = r"[-+]?[0-9]*(\.[0-9]*)?"
_UNIT: Final = r"[numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+"
_MEANT: Final = re.compile(r"([-+]?[0-9]+(?:[.,][0-9]+)?)\s*([A-Za-z]*)")
_MEANT_UNIT: Final = re.compile(r"(?!e$)([kmgtpe])(?:b|bytes?)?((?:i|ib|bi)?)")
_WORDS: Final = {
    **dict.fromkeys(("b", "byte", "bytes", "cpu", "cpus", "core", "cores"), ""),
    **dict.fromkeys(("mcpu", "millicpu", "mcore", "mcores", "millicores"), "m"),
}
_ANY: Final = (
    "write a number, and behind it nothing, one of m, k, M, G, T, P and E, which count by 1000, or one of Ki, Mi, Gi,"
    " Ti, Pi and Ei, by 1024"
)


def problem(text: str) -> str:
    """What is wrong with a text that must be a quantity; empty for a sound one.

    The API server takes what nobody would write as well: blanks around it, and no digits at all (``.``, ``Ki``).
    """
    written = text.strip()
    if written and re.fullmatch(f"{_NUMBER}({_UNIT})?", written):
        return ""
    found = _MEANT.fullmatch(written)
    number = found[1].replace(",", ".") if found else ""
    meant = " or ".join(number + unit for unit in _units(found[2])) if found else ""
    return f"{text!r} is no quantity: {f'write {meant}' if meant else _ANY}"


def _units(unit: str) -> tuple[str, ...]:
    """The units that somebody may have meant by one; none where that cannot be told."""
    if re.fullmatch(f"({_UNIT})?", unit):
        return (unit,)
    if unit.lower() in _WORDS:
        return (_WORDS[unit.lower()],)
    named = _MEANT_UNIT.fullmatch(unit.lower())
    if not named:
        return ()
    binary = f"{named[1].upper()}i"
    return (binary,) if named[2] else (binary[0].replace("K", "k"), binary)
