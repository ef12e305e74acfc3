"""Fixtures of the tests against real clusters: one shared cluster, rooms to break others in, and pods."""

import itertools
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import wiring
from harness.clusters.embedded.provider import EmbeddedCluster, EmbeddedProvider
from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster
from harness.images.catalogue import prober_image
from harness.kube.client import Api
from harness.paths import Paths
from harness.plugin import SETTINGS
from harness.settings import Settings
from harness.timeline import Timeline

from .holding import Holding
from .pods import Pods
from .room import Room, environment
from .user import User

NUMBERS = itertools.count(1)
"""Clusters that are held in rooms are numbered: short names leave room for the paths below them."""


LONG = {
    "test_disagreements.py": "75 s: a network plugin that is wrong, found and shrunk",
    "test_healing.py": "45 s: what a killed run of chaos has broken heals at its deadline",
    "test_litmus.py": "35 s: Litmus files as their users have them",
    "test_node_capability.py": "75 s: each way in which a node can be hurt",
    "test_own_manifests.py": "125 s: isolation of a user's own manifests",
    "test_side_by_side.py": "50 s: two clusters, and a template that is built anew",
    "test_a_client_of_what_never_answers_is_reset_in_the_end": "30 s: the forwarder's patience",
}
"""Files and tests that only `nox -s full` runs, for what they cost on two cores; all others are in `nox -s ci`."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is too long for every run."""
    if item.path.name in LONG or getattr(item, "originalname", "") in LONG:
        item.add_marker(pytest.mark.full)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where there can be no embedded cluster, say so: these tests are of nothing else."""
    if sys.platform != "linux" or os.geteuid() != 0:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="an embedded cluster needs root on Linux"))


@pytest.fixture(scope="session")
def settings(pytestconfig: pytest.Config) -> Settings:
    """The settings of this run."""
    return pytestconfig.stash[SETTINGS]


@pytest.fixture(scope="session")
def embedded(cluster: Cluster) -> EmbeddedCluster:
    """The shared cluster, with all that an embedded one can do."""
    assert isinstance(cluster, EmbeddedCluster)
    return cluster


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    """The shared cluster's API."""
    with Api.of(cluster.kubectl) as client:
        yield client


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """An image that is on the shared cluster's node and has Python."""
    found = prober_image(Timeline())
    cluster.load_images([found.archive])
    return found.reference


@pytest.fixture
def pods(api: Api, namespace: str, image: str) -> Pods:
    """Makes pods in a fresh namespace of the shared cluster."""
    return Pods(api, namespace, image)


@pytest.fixture(scope="session")
def states(settings: Settings) -> Iterator[Path]:
    """What ``XDG_STATE_HOME`` is for clusters that are broken on purpose: other runs must not sweep them.

    A folder for each process that runs these tests, with a lease by which those of crashed ones are told and removed.
    Its name is short, to leave room for the paths of sockets.
    """
    home = settings.paths.state.parent
    for left in home.glob("harness-????"):
        with Lease(left).alone() as free:
            if free:
                assert remove(settings, left) == [], f"a crashed run left clusters in {left} that cannot be removed"
    own = home / f"harness-{secrets.token_hex(2)}"
    with Lease(own).hold():
        yield own
        assert remove(settings, own) == []


def remove(settings: Settings, states: Path) -> list[str]:
    """Remove such a folder, its clusters first; those that could not be removed, and then it stays."""
    provider = EmbeddedProvider(settings.paths.cache, states / "harness", wiring.embedded_assets, wiring.make_ready)
    provider.sweep()
    if not (left := provider.names()):
        shutil.rmtree(states)
    return left


@pytest.fixture(scope="session")
def apart(settings: Settings, states: Path) -> Paths:
    """The cache and the state folder of those clusters."""
    return Paths(settings.paths.cache, states / "harness")


@pytest.fixture
def holding(apart: Paths, states: Path, tmp_path: Path) -> Iterator[Holding]:
    """A run of pytest, in a room, that is about to hold a cluster of its own."""
    with Room() as room:
        yield Holding(room, apart, f"h{next(NUMBERS)}", tmp_path, environment(XDG_STATE_HOME=str(states)))


@pytest.fixture
def user(cluster: Cluster, tmp_path: Path) -> User:
    """A user in a folder that pytest takes for its root, with the shared cluster."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return User(tmp_path, cluster)
