"""Values as Litmus' Go code reads them: durations, truth, ranges, labels, ports, addresses.

Where that code takes a wrong value for 0 or false without a word (``strconv.Atoi``, ``ParseBool``), here is an error.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from random import Random
from typing import Final

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_PORTS: Final = re.compile(r"\s*(tcp|udp|sctp)\s*:\s*\[([\d,\s]*)\]\s*(?:,|\n|$)", re.IGNORECASE)
_LAST_PORT: Final = 65535
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True)
class Range:
    """A whole number from ``low`` to ``high``; one number is both."""

    low: int
    high: int

    def draw(self, random: Random) -> int:
        """One of them, by chance."""
        return self.low + int(random.random() * (self.high - self.low + 1))

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def number_range(text: str) -> Range:
    """``7`` or ``2-9`` (common.go, ``ValidateRange``). Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if not found:
        raise ValueError(f"{text!r} is neither a number nor a range such as 5-20")
    low, high = int(found[1]), int(found[2] or found[1])
    if high < low:
        raise ValueError(f"{text!r} begins with the greater number")
    return Range(low, high)


def truth(text: str) -> bool:
    """True or false (Go's ``strconv.ParseBool``). Raises ValueError for anything else."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(f"{text!r} is neither true nor false")


def duration(text: str) -> float:
    """Seconds of a Go duration (``1m30s``, ``500ms``); empty is 0. Raises ValueError for anything else."""
    text = text.strip()
    if text in ("", "0"):
        return 0.0
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: write a number and its unit, such as 5s, 500ms or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def words(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, without empty ones."""
    return tuple(part for one in text.split(",") if (part := one.strip()))


def labels(text: str) -> dict[str, str]:
    """``key=value,key=value`` as a map; a key alone has an empty value. Raises ValueError for another ``=``."""
    found = {}
    for word in words(text):
        key, _, value = word.partition("=")
        if not key or "=" in value or "!" in key:
            raise ValueError(f"{word!r} is no label: write key=value")
        found[key] = value
    return found


def ports(text: str) -> tuple[tuple[str, int], ...]:
    """(protocol, port) of ``tcp: [80,443], udp: [53]``. Raises ValueError for anything else."""
    found: list[tuple[str, int]] = []
    end = 0
    while end < len(text.rstrip()):
        part = _PORTS.match(text, end)
        if not part:
            raise ValueError(f"{text!r} names no ports: write protocols with lists, such as tcp: [80,443], udp: [53]")
        found += [(part[1].upper(), int(number)) for number in words(part[2])]
        end = part.end()
    for _, port in found:
        if not 1 <= port <= _LAST_PORT:
            raise ValueError(f"{port} is no port")
    return tuple(found)


def networks(text: str) -> tuple[str, ...]:
    """Addresses and ranges with their length, each once. Raises ValueError for what is none, and for IPv6.

    Litmus' policy leaves them out of 0.0.0.0/0, and the API server refuses what does not lie in there.
    """
    found: dict[str, None] = {}
    for word in words(text):
        network = ip_network(word, strict=False)
        if network.version != 4:  # noqa: PLR2004 -- IPv4
            raise ValueError(f"{word!r} is IPv6, and Litmus' policy knows IPv4 only")
        found[word if "/" in word else f"{word}/{network.prefixlen}"] = None
    return tuple(found)
