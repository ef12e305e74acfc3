"""The two engines that clusters of kind are made on: the user's that answers, and one of each cluster's own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import engine
from harness.clusters.container.contained import Contained
from harness.clusters.embedded import inside
from harness.clusters.embedded.layout import Layout
from harness.clusters.lease import Lease
from harness.containerwiring import engine_parts
from harness.engine import Engine
from harness.paths import Paths
from harness.timeline import Timeline

NONE = {"DOCKER_HOST": "unix:///nowhere", engine.CHOICE: "docker"}
"""What leads to no engine, whatever runs here."""


@dataclass(frozen=True)
class Place:
    """Where a user's commands run: ``engine`` is the user's, if one answers; ``enter`` goes before a command."""

    engine: Engine | None
    enter: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def users_engine(folder: Path) -> Iterator[Place]:
    """A place with an engine: that of this machine, else a Docker in namespaces, whose loopback the place has, too."""
    there = engine.found()
    if there is not None:
        yield Place(there)
        return
    contained = Contained(folder, engine_parts(Paths.from_environment(os.environ).cache, Timeline()))
    with Lease(folder).hold():
        try:
            contained.start(Timeline())
            network = ("nsenter", "--net", f"--target={inside.node_process(Layout(folder))}", "--")
            yield Place(contained.engine, network, contained.engine.leading)
        finally:
            contained.end()


def no_engine() -> Place:
    """A place without an engine."""
    return Place(None, environment=NONE)


def can_make_engines() -> bool:
    """Whether an engine of our own can be made here."""
    return os.geteuid() == 0 and shutil.which("unshare") is not None
