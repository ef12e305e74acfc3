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

PROVIDERS = Path(__file__).parent / "providers"

NUMBERS = itertools.count(1)
"""Clusters that are held in rooms are numbered: short names leave room for the paths below them."""


IN_CI = {
    "test_a_run_that_ends_normally_leaves_nothing": "10 s: what every user would notice first",
    "test_ctrl_c_leaves_nothing": "10 s",
    "test_a_killed_run_leaves_nothing": "10 s",
    "test_a_component_that_dies_takes_the_cluster_with_it_and_is_named": "10 s",
    "test_a_client_is_kept_waiting_until_the_address_answers": "0 s",
    "test_kubectl_keeps_what_it_finds_with_the_cluster": "1 s",
    "test_every_scalar_means_what_it_means_to_kubectl": "6 s: kubectl is there in live runs only",
    "test_the_shop_is_as_its_table_says": "5 s: what the next one breaks",
    "test_a_hole_is_told_with_the_cell_the_row_the_policy_and_what_was_seen": "5 s: a proof that cannot fail is none",
    "test_a_slip_is_told_with_the_cell_its_row_and_the_rule": "5 s: the same of access",
}
"""The tests that are in `nox -s ci`, with what they cost on two cores and why; all others are in `nox -s full`."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests of other providers unless they are asked for by name: each makes clusters, for minutes."""
    named = any("providers" in Path(argument.partition("::")[0]).parts for argument in config.args)
    return True if collection_path == PROVIDERS and not named else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is too long for every run."""
    if getattr(item, "originalname", "") not in IN_CI:
        item.add_marker(pytest.mark.full)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where there can be no embedded cluster, say so: these tests are of nothing else."""
    if sys.platform != "linux" or os.geteuid() != 0:
        for item in items:
            if Path(__file__).parent in item.path.parents and PROVIDERS not in item.path.parents:
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
def api(cluster: Cluster) -> Api:
    """The shared cluster's API."""
    return cluster.api


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """An image that is on the shared cluster's node and has Python."""
    found = prober_image(Timeline())
    cluster.load_images([found.archive])
    return cluster.reference(found.reference)


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
    for left in home.glob("harness-" + 4 * "[0-9a-f]"):
        if not Lease(left).file.is_file():
            continue  # somebody else's
        with Lease(left).alone() as free:
            if free:
                assert remove(settings, left) == [], f"a crashed run left clusters in {left} that cannot be removed"
    while True:
        own = home / f"harness-{secrets.token_hex(2)}"
        with Lease(own).hold() as held:
            if not held:
                continue  # another process took it for a crashed run's
            yield own
            assert remove(settings, own) == []
            return


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
