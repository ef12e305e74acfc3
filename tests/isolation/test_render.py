"""From values to API objects and YAML, and back: nothing is lost on the way."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.isolation.parse import policy_of_object
from harness.isolation.policy import Direction, IpBlock, Network, Peer, Policy, Port, Rule
from harness.isolation.render import policy_object, to_yaml, world_objects
from harness.isolation.workloads import world_of
from harness.isolation.world import ContainerPort, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.manifests import load
from harness.kube.protocol import Protocol
from harness.kube.schemas import problems
from harness.kube.selectors import Operator, Requirement, Selector

# Texts that parsers of YAML like to read as something else.
ODD = [
    "yes",
    "no",
    "on",
    "null",
    "true",
    "0644",
    "08",
    "0o7",
    "1e3",
    "1.5",
    "12",
    "0x10",
    "2020-01-01",
    "y",
    "N",
    "NaN",
]

dns_labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
words = st.sampled_from(ODD) | st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,10}[A-Za-z0-9])?", fullmatch=True)
keys = words | st.builds("{}/{}".format, dns_labels, words)
values = st.just("") | words
labels = st.dictionaries(keys, values, max_size=3)
port_names = st.sampled_from(["http", "a", "a-1", "1a", "on", "e10"]) | st.from_regex(r"[a-z]{1,15}", fullmatch=True)
numbers = st.integers(1, 65535)
protocols = st.sampled_from(Protocol)

requirements = st.builds(
    Requirement,
    keys,
    st.sampled_from([Operator.IN, Operator.NOT_IN]),
    st.lists(values, min_size=1, max_size=3).map(tuple),
) | st.builds(Requirement, keys, st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST]))
selectors = st.builds(
    Selector, labels.map(lambda pairs: tuple(pairs.items())), st.lists(requirements, max_size=2).map(tuple)
)


@st.composite
def networks(draw: st.DrawFn, within: Network | None = None) -> Network:
    """A range of addresses; one strictly inside another."""
    base = within or draw(st.sampled_from([ip_network("0.0.0.0/0"), ip_network("2000::/3")]))
    bits = draw(st.integers(base.prefixlen + (within is not None), base.max_prefixlen))
    index = draw(st.integers(0, 2 ** (bits - base.prefixlen) - 1))
    address = int(base.network_address) + (index << (base.max_prefixlen - bits))
    return IPv4Network((address, bits)) if base.version == 4 else IPv6Network((address, bits))


@st.composite
def blocks(draw: st.DrawFn) -> IpBlock:
    cidr = draw(networks().filter(lambda network: network.prefixlen < network.max_prefixlen))
    return IpBlock(cidr, tuple(draw(st.lists(networks(cidr), max_size=2))))


peers = (
    st.builds(Peer, pods=selectors, namespaces=st.none() | selectors)
    | st.builds(Peer, namespaces=selectors)
    | st.builds(Peer, block=blocks())
)


@st.composite
def ports(draw: st.DrawFn) -> Port:
    first = draw(st.none() | port_names | numbers)
    end = draw(st.none() | st.integers(first, 65535)) if isinstance(first, int) else None
    return Port(draw(protocols), first, end)


rules = st.builds(Rule, st.lists(peers, max_size=2).map(tuple), st.lists(ports(), max_size=2).map(tuple))
policies = st.builds(
    Policy,
    namespace=dns_labels,
    name=dns_labels,
    pods=selectors,
    ingress=st.lists(rules, max_size=2).map(tuple),
    egress=st.lists(rules, max_size=2).map(tuple),
    types=st.lists(st.sampled_from(Direction), max_size=2).map(tuple),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = draw(st.lists(dns_labels, min_size=1, max_size=3, unique=True))
    nodes = [
        Node(name, f"172.16.0.{index}") for index, name in enumerate(draw(st.sampled_from([["node1"], ["a", "b"]])), 1)
    ]
    container_ports = st.lists(st.builds(ContainerPort, numbers, protocols, st.just("") | port_names), max_size=4)
    pods = [
        Pod(
            namespace=draw(st.sampled_from(names)),
            name=f"pod-{index}",
            address=f"10.1.0.{index + 1}",
            labels=draw(labels),
            ports=tuple(draw(container_ports)),
            node=node.name,
            host_network=draw(st.booleans()),
        )
        for index, node in enumerate(nodes * draw(st.integers(1, 2)))
    ]
    service_ports = st.lists(st.builds(ServicePort, numbers, numbers | port_names, protocols), max_size=2)
    services = [
        Service(
            draw(st.sampled_from(names)),
            f"service-{index}",
            f"10.96.0.{index + 7}",
            draw(labels),
            tuple(draw(service_ports)),
        )
        for index in range(draw(st.integers(0, 2)))
    ]
    found = draw(st.lists(policies, max_size=2, unique_by=lambda policy: policy.name))
    return World(
        namespaces=tuple(Namespace(name, draw(labels)) for name in names),
        pods=tuple(pods),
        policies=tuple(Policy(**{**vars(policy), "namespace": names[0]}) for policy in found),
        services=tuple(services),
        nodes=tuple(nodes),
    )


@given(policies)
def test_a_policy_as_an_object_is_parsed_to_the_same_policy(policy: Policy) -> None:
    assert policy_of_object(policy_object(policy), "here") == policy


@given(policies)
def test_a_policy_as_an_object_is_one_that_kubernetes_has_a_schema_for(policy: Policy) -> None:
    assert list(problems(policy_object(policy))) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(worlds())
def test_a_world_that_is_printed_and_loaded_is_the_same_world(tmp_path: Path, world: World) -> None:
    file = tmp_path / "world.yaml"
    file.write_text(to_yaml(world_objects(world)))

    assert world_of(load(file)) == world


def test_a_service_that_leads_nowhere_is_printed_so_that_it_can_be_loaded(tmp_path: Path) -> None:
    pod = Pod("shop", "web", "10.1.0.1", {"app": "web"}, (ContainerPort(80, Protocol.TCP, "http"),), "node1")
    service = Service("shop", "web", "10.96.0.1", {"app": "web"}, (ServicePort(80, "gone", Protocol.TCP),))
    (tmp_path / "world.yaml").write_text(to_yaml(world_objects(World((Namespace("shop"),), (pod,), (), (service,)))))

    assert world_of(load(tmp_path)).services == (service,)


def test_addresses_outside_are_not_printed(tmp_path: Path) -> None:
    assert world_objects(World()) == []


POLICY = Policy(
    "shop",
    "doors",
    Selector((("app", "web"),)),
    ingress=(
        Rule(
            (Peer(Selector(), Selector()), Peer(block=IpBlock(ip_network("10.0.0.0/8")))),
            (Port(Protocol.TCP, 8080, 8090), Port(Protocol.UDP, "dns")),
        ),
        Rule(),
    ),
    types=(Direction.INGRESS,),
)


def test_a_world_reads_as_one_would_write_it() -> None:
    pod = Pod("shop", "web", "10.1.0.1", {"app": "web", "on": "yes"}, (ContainerPort(8080, name="http"),))
    world = World((Namespace("shop"),), (pod,), (POLICY,), nodes=(Node("node1", "172.16.0.1"),))

    assert (
        to_yaml(world_objects(world))
        == """\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels:
    app: web
    'on': 'yes'
spec:
  containers:
    - name: probe-1
      image: harness.dev/prober
      ports:
        - name: http
          containerPort: 8080
          protocol: TCP
status:
  podIP: "10.1.0.1"
  hostIP: "172.16.0.1"
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: doors
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes:
    - Ingress
  ingress:
    - from:
        - namespaceSelector: {}
          podSelector: {}
        - ipBlock:
            cidr: "10.0.0.0/8"
      ports:
        - protocol: TCP
          port: 8080
          endPort: 8090
        - protocol: UDP
          port: dns
    - {}
"""
    )


def test_ports_of_one_name_are_put_into_containers_of_their_own() -> None:
    ports = (ContainerPort(1, name="http"), ContainerPort(2), ContainerPort(3, name="http"))
    [_, pod] = world_objects(World((Namespace("shop"),), (Pod("shop", "web", "10.1.0.1", {}, ports),)))

    numbers = [[port["containerPort"] for port in one["ports"]] for one in pod["spec"]["containers"]]
    assert numbers == [[1, 2], [3]]


@pytest.mark.parametrize("count", [1, 2])
def test_the_ports_of_a_service_have_names_where_there_are_several(count: int) -> None:
    ports = (ServicePort(80, "http"), ServicePort(80, 53, Protocol.UDP))[:count]
    service = Service("shop", "web", "10.96.0.1", {"app": "web"}, ports)
    [_, printed] = world_objects(World((Namespace("shop"),), services=(service,)))

    assert [port.get("name") for port in printed["spec"]["ports"]] == [[None], ["tcp-80", "udp-80"]][count - 1]
