"""One run of chaos, which all of these scenarios look at."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness.case import Case
from harness.chaos.runner import Run
from scenarios.chaos.trespass import Trespass, trespassing


@pytest.fixture(scope="session")
def trespass(case: Case, session_namespace: str) -> Iterator["Trespassing"]:
    """Who may never connect tries it, until the run of chaos is over."""
    one = Trespassing(case, session_namespace)
    yield one
    one.end()


@pytest.fixture(scope="session")
def history(trespass: "Trespassing", history: Run) -> Run:
    """The run, with the trespassers at work from before its beginning to its end."""
    trespass.end()
    return history


class Trespassing:
    """Begins when it is made, ends once."""

    def __init__(self, case: Case, namespace: str) -> None:
        self._until = ExitStack()
        self.done: Trespass = self._until.enter_context(trespassing(case, namespace))

    def end(self) -> None:
        """Stop. Safe to repeat."""
        self._until.close()
