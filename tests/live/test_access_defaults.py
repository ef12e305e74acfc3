"""The default roles and bindings, as the harness ships them for use without a cluster, are those of a cluster."""

from harness.access.defaults import FILE, HOMES, plain
from harness.clusters.provider import Cluster
from harness.kube.kubectl import JsonObject
from harness.kube.sources import read_file

KINDS = "clusterroles,clusterrolebindings,roles,rolebindings"
DEFAULTS = "kubernetes.io/bootstrapping=rbac-defaults"


def by_name(bodies: list[JsonObject]) -> dict[tuple[str, ...], JsonObject]:
    return {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in bodies}


def test_the_shipped_default_roles_and_bindings_are_those_of_the_cluster(cluster: Cluster) -> None:
    found = cluster.kubectl.get(KINDS, "--all-namespaces", "--selector", DEFAULTS)["items"]

    shipped, live = by_name([one.object for one in read_file(FILE)]), by_name([plain(one) for one in found])

    assert len(live) > 100
    assert shipped == live, f"{FILE} is not what this version has: harness/access/defaults.py says how to renew it"


def test_the_namespaces_that_every_cluster_has_are_there(cluster: Cluster) -> None:
    homes = {one["metadata"]["name"] for one in cluster.kubectl.get("namespaces")["items"]}

    assert set(HOMES) <= homes
