"""What ``--cluster=auto`` is on this machine, for a cluster that is not there yet."""

from importlib.util import find_spec
from typing import Literal

from harness import engine


def automatic() -> Literal["embedded", "kind"]:
    """That of kind where pytest-kind is installed and an engine answers; else the embedded node: it needs neither."""
    return "kind" if find_spec("pytest_kind") is not None and engine.found() is not None else "embedded"
