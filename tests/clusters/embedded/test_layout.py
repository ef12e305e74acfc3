import ipaddress
from pathlib import Path

from harness.clusters.embedded import layout
from harness.clusters.embedded.layout import Layout


def test_everything_of_a_cluster_lies_in_its_folder() -> None:
    where = Layout(Path("/state/clusters/one"))
    paths = [getattr(where, name) for name, kind in vars(Layout).items() if isinstance(kind, property)]
    inside = [path for path in paths if isinstance(path, Path)]

    assert len(inside) >= 10
    assert len(set(inside)) == len(inside)
    assert all(path.is_relative_to(where.folder) and path != where.folder for path in inside)


def test_a_clusters_name_is_that_of_its_folder() -> None:
    assert Layout(Path("/state/clusters/one")).name == "one"


def test_two_clusters_of_one_name_in_two_states_have_cgroups_of_their_own() -> None:
    one, other = Layout(Path("/a/clusters/one")), Layout(Path("/b/clusters/one"))

    assert one.cgroup != other.cgroup
    assert one.cgroup == Layout(Path("/a/clusters/one")).cgroup


def test_a_cgroups_name_stays_short_and_plain_whatever_the_folder_is_called() -> None:
    cgroup = Layout(Path("/state") / ("long name/ü" * 20)).cgroup

    assert len(cgroup) <= 24
    assert cgroup.isascii()
    assert "/" not in cgroup
    assert " " not in cgroup


def test_the_longest_socket_path_inside_the_node_fits_into_a_socket_address() -> None:
    longest = f"{layout.INSIDE}/kubelet/pod-resources/kubelet.sock"

    assert len(longest) < 108


def test_the_clusters_networks_do_not_overlap() -> None:
    networks = [
        ipaddress.ip_network(text)
        for text in (layout.CLUSTER_NETWORK, layout.SERVICE_NETWORK, "192.168.127.0/24", "203.0.113.0/24")
    ]

    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)


def test_each_address_lies_in_its_network() -> None:
    service = ipaddress.ip_network(layout.SERVICE_NETWORK)
    addresses = (layout.API_SERVICE_ADDRESS, layout.DNS_ADDRESS, layout.INGRESS_SERVICE_ADDRESS)

    assert all(ipaddress.ip_address(address) in service for address in addresses)
    assert len(set(addresses)) == len(addresses)
    assert ipaddress.ip_network(layout.POD_NETWORK).subnet_of(ipaddress.ip_network(layout.CLUSTER_NETWORK))  # type: ignore[arg-type]


def test_the_external_peer_has_an_address_that_no_real_network_has() -> None:
    documentation = ipaddress.ip_network("203.0.113.0/24")  # RFC 5737

    assert ipaddress.ip_address(layout.EXTERNAL_PEER) in documentation
    assert ipaddress.ip_address(layout.EXTERNAL_GATEWAY) in documentation
