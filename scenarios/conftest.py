"""Fixtures that scenarios of several kinds share; README.md in this folder lists them."""

import pytest

from harness.clusters.provider import Cluster, ExternalPeer
from scenarios.places import Outside


@pytest.fixture(scope="session")
def outside(cluster: Cluster) -> Outside:
    """The external peer of the cluster; skips where the cluster has none."""
    if not isinstance(cluster, ExternalPeer):
        pytest.skip(f"a cluster of provider {cluster.provider} has no external peer to probe from")
    return Outside(cluster)
