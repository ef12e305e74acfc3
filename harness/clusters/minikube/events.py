"""What ``minikube start --output=json`` says while it works: CloudEvents, one on each line. No I/O.

See https://minikube.sigs.k8s.io/docs/contrib/json_output.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

TYPES: Final = "io.k8s.sigs.minikube."
DONE: Final = "Done"
FRAME: Final = "╭"
"""Begins the request to file an issue, which comes last and says nothing of what went wrong."""


@dataclass(frozen=True)
class Event:
    """One event: ``type`` is ``step``, ``info``, ``warning``, ``error``, …, and the rest is its data."""

    type: str
    data: dict[str, str]

    @property
    def step(self) -> str:
        """The step of the start that begins or goes on, such as ``Creating Container``; empty where it is none."""
        name = self.data.get("name", "") if self.type == "step" else ""
        return "" if name == DONE else name

    @property
    def message(self) -> str:
        """What it says to people, in one line."""
        return " ".join(self.data.get("message", "").split())

    @property
    def failure(self) -> str:
        """Why the start failed, and what Minikube advises; empty where it is no error."""
        if self.type != "error":
            return ""
        if self.message.startswith(FRAME):
            return ""
        name, advice = self.data.get("name", ""), " ".join(self.data.get("advice", "").split())
        return f"{name + ': ' if name else ''}{self.message}{' Minikube says: ' + advice if advice else ''}"


def read(line: str) -> Event | None:
    """The event on a line; None where the line is none."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None
    if not (isinstance(found, dict) and isinstance(found.get("data"), dict)):
        return None
    kind = str(found.get("type", ""))
    if not kind.startswith(TYPES):
        return None
    return Event(kind.removeprefix(TYPES), {str(key): str(value) for key, value in found["data"].items()})
