"""Stand-ins for policies that come without workloads."""

import pytest

from harness.isolation.policy import NAME_LABEL, Peer, Policy, Port, Rule
from harness.isolation.stand_ins import labels_for, other_labels, stand_ins_for, with_stand_ins
from harness.isolation.world import ContainerPort, Namespace, Pod, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector


def where(key: str, operator: Operator, *values: str) -> Requirement:
    return Requirement(key, operator, values)


IN, NOT_IN, EXISTS, MISSING = Operator.IN, Operator.NOT_IN, Operator.EXISTS, Operator.DOES_NOT_EXIST
WEB = Selector((("app", "web"),))


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        (Selector(), {}),
        (WEB, {"app": "web"}),
        (Selector(requirements=(where("app", IN, "a", "b"),)), {"app": "a"}),
        (Selector(requirements=(where("app", EXISTS),)), {"app": "any"}),
        (Selector(requirements=(where("app", NOT_IN, "a"),)), {}),
        (Selector(requirements=(where("app", MISSING),)), {}),
        (Selector(requirements=(where("app", EXISTS), where("app", NOT_IN, "any"))), {"app": "any-1"}),
        (Selector((("app", "b"),), (where("app", IN, "a", "b"),)), {"app": "b"}),
        (Selector(requirements=(where("app", IN, "a", "b"), where("app", NOT_IN, "a"))), {"app": "b"}),
    ],
)
def test_a_selector_is_met_by_the_fewest_labels(selector: Selector, labels: dict[str, str]) -> None:
    assert labels_for(selector) == labels
    assert selector.matches(labels)


@pytest.mark.parametrize(
    "selector",
    [
        Selector((("app", "a"),), (where("app", NOT_IN, "a"),)),
        Selector((("app", "a"),), (where("app", MISSING),)),
        Selector(requirements=(where("app", EXISTS), where("app", MISSING))),
        Selector(requirements=(where("app", IN, "a"), where("app", IN, "b"))),
    ],
)
def test_a_selector_that_contradicts_itself_is_met_by_nothing(selector: Selector) -> None:
    assert labels_for(selector) is None
    assert other_labels(selector) == {}


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        (Selector((("app", "web"), ("tier", "front"))), {"app": "any", "tier": "front"}),
        (Selector((("app", "any"),)), {"app": "any-1"}),
        (Selector((("app", "web"),), (where("app", EXISTS),)), {"app": "any"}),
        (Selector(requirements=(where("app", IN, "a", "b"),)), {"app": "any"}),
        (Selector(requirements=(where("app", EXISTS), where("b", EXISTS))), {"b": "any"}),
        (Selector(requirements=(where("app", NOT_IN, "a", "b"),)), {"app": "a"}),
        (Selector(requirements=(where("app", MISSING),)), {"app": "any"}),
    ],
)
def test_the_other_pod_misses_a_selector_by_one_condition(selector: Selector, labels: dict[str, str]) -> None:
    assert other_labels(selector) == labels
    assert not selector.matches(labels)


def test_nothing_misses_a_selector_of_everything() -> None:
    assert other_labels(Selector()) is None


def made(policies: list[Policy], *namespaces: Namespace) -> dict[str, list[dict[str, str]]]:
    """The labels of the stand-ins, by namespace."""
    stand_ins = stand_ins_for(policies, namespaces)
    return {
        namespace.name: [dict(pod.labels) for pod in stand_ins.pods if pod.namespace == namespace.name]
        for namespace in stand_ins.namespaces
    }


def test_a_policy_gets_a_pod_that_it_selects_and_another_one() -> None:
    assert made([Policy("shop", "a", WEB)]) == {"shop": [{"app": "web"}, {"app": "any"}]}


def test_selectors_that_the_same_pods_will_do_for_share_them() -> None:
    policies = [Policy("shop", "a", WEB), Policy("shop", "b", WEB), Policy("bank", "c", WEB)]

    assert made(policies) == {"shop": [{"app": "web"}, {"app": "any"}], "bank": [{"app": "web"}, {"app": "any"}]}


def allowing(*peers: Peer, ports: tuple[Port, ...] = ()) -> Policy:
    return Policy("shop", "a", ingress=(Rule(peers, ports, at="f:2"),), at="f:1")


def test_a_peer_of_the_own_namespace_gets_its_pods_there() -> None:
    assert made([allowing(Peer(pods=WEB))]) == {"shop": [{}, {"app": "web"}, {"app": "any"}]}


def test_a_peer_of_other_namespaces_gets_one_that_it_means_and_one_that_it_does_not() -> None:
    bank = Peer(pods=WEB, namespaces=Selector((("team", "bank"),)))
    stand_ins = stand_ins_for([allowing(bank)])

    assert stand_ins.namespaces == (Namespace("shop"), Namespace("stand-in-2", {"team": "bank"}))
    assert {(pod.namespace, pod.labels.get("app")) for pod in stand_ins.pods} == {
        ("shop", None),
        ("shop", "web"),
        ("shop", "any"),
        ("stand-in-2", "web"),
        ("stand-in-2", "any"),
    }


def test_a_namespace_that_exists_is_taken_where_a_peer_means_it() -> None:
    peer = Peer(namespaces=Selector((("team", "bank"),)))

    assert made([allowing(peer)], Namespace("shop"), Namespace("vault", {"team": "bank"})) == {
        "shop": [{}],
        "vault": [{}],
    }


def test_a_namespace_that_a_peer_means_by_its_name_gets_that_name() -> None:
    peer = Peer(namespaces=Selector(((NAME_LABEL, "bank"), ("team", "b"))))

    assert stand_ins_for([allowing(peer)]).namespaces == (Namespace("shop"), Namespace("bank", {"team": "b"}))


def test_every_namespace_may_be_meant_so_that_there_is_no_other() -> None:
    assert made([allowing(Peer(namespaces=Selector()))]) == {"shop": [{}]}


def test_what_contradicts_itself_is_noted_where_it_is_written() -> None:
    contradiction = Selector((("a", "b"),), (where("a", MISSING),))
    nameless = Peer(namespaces=Selector(requirements=(where(NAME_LABEL, MISSING),)), at="f:3")
    policy = Policy("shop", "a", contradiction, ingress=(Rule((nameless,)),), at="f:1")

    pods, namespaces = stand_ins_for([policy]).notes
    assert pods.startswith("podSelector of policy shop/a (f:1) contradicts itself: no pod can have")
    assert namespaces.startswith("namespaceSelector of a peer of policy shop/a (f:3) contradicts itself")


def test_stand_ins_have_every_port_that_policies_name_and_one_more() -> None:
    ports = (Port(Protocol.TCP, 8080), Port(Protocol.UDP, 90, 99), Port(Protocol.TCP, "http"), Port(Protocol.SCTP))
    [pod, *_] = stand_ins_for([allowing(ports=ports)]).pods

    assert pod.ports == (
        ContainerPort(8080, Protocol.TCP),
        ContainerPort(90, Protocol.UDP),
        ContainerPort(99, Protocol.UDP),
        ContainerPort(8081, Protocol.TCP, "http"),
        ContainerPort(8082, Protocol.TCP),
    )


def test_stand_ins_have_names_and_addresses_of_their_own() -> None:
    pods = stand_ins_for([Policy("shop", "a", WEB), Policy("bank", "b", WEB)]).pods

    assert len({pod.id for pod in pods}) == len({pod.address for pod in pods}) == 4


def test_a_world_with_pods_needs_no_stand_ins() -> None:
    world = World((Namespace("shop"),), (Pod("shop", "web", "10.1.0.1"),), (Policy("shop", "a", WEB),))

    assert with_stand_ins(world) == (world, ())


def test_a_world_of_policies_alone_gets_them() -> None:
    world, notes = with_stand_ins(World((Namespace("shop"),), policies=(Policy("shop", "a", WEB),)))

    assert [pod.id for pod in world.pods] == ["shop/stand-in-1", "shop/stand-in-2"]
    assert notes == ()
