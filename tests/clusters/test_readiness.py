"""The logic of the canary's flip, against a cluster that is made up; real ones are in tests/live."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from harness.clusters import readiness
from harness.errors import ComponentDied, PolicyNotEnforced, ProbeError
from harness.kube.client import Api, ApiError, ApiUnreachable

Enforcer = Callable[[bool, int], bool]
"""Whether the pair connects, by whether the policy is there and how many times it was asked since that changed."""
PORTS = (readiness.PROBED_PORT, readiness.HTTP_PORT)


class MadeUpCluster:
    """An API with one pod and a place for one policy, and a probe that connects as its enforcer says.

    On the port that the policy allows it connects as ``control`` says, by default always.
    """

    def __init__(self, enforcer: Enforcer, control: Enforcer = lambda _policy, _asked: True) -> None:
        self._enforcer = enforcer
        self._control = control
        self.waited: list[float] = []
        self.policy: dict[str, Any] | None = None
        self.events: list[str] = []
        self._asked = 0

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/api/v1/namespaces/ns/pods/server"
        return {"status": {"podIP": "10.244.0.9"}}

    def post(self, path: str, body: dict[str, Any]) -> None:
        assert path == "/apis/networking.k8s.io/v1/namespaces/ns/networkpolicies"
        self.policy, self._asked = body, 0
        self.events.append("created")

    def delete(self, path: str) -> None:
        assert path == "/apis/networking.k8s.io/v1/namespaces/ns/networkpolicies/canary"
        assert self.policy is not None
        self.policy, self._asked = None, 0
        self.events.append("deleted")

    def resolves(self, name: str) -> bool:
        raise AssertionError(f"the flip has no business with DNS, but asked for {name}")

    def connects(self, address: str, ports: Sequence[int], seconds: float) -> list[bool]:
        assert (address, tuple(ports)) == ("10.244.0.9", PORTS)
        assert seconds in {readiness.CONNECT_SECONDS, *readiness.DENIED_SECONDS}
        self.waited.append(seconds)
        self._asked += 1
        there = self.policy is not None
        return [self._enforcer(there, self._asked), self._control(there, self._asked)]

    def close(self) -> None:
        self.events.append("closed")

    def flip(self) -> str:
        return readiness._flip(cast("Api", self), self, "ns", lambda: None)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CANARY_SECONDS", 0.1)


def test_a_policy_that_denies_and_is_lifted_is_enforced() -> None:
    cluster = MadeUpCluster(lambda policy, _asked: not policy)

    assert "enforced after" in cluster.flip()
    assert cluster.events == ["created", "deleted"]


def test_one_slow_connect_is_no_denial() -> None:
    slow_once = MadeUpCluster(lambda policy, asked: not (policy and asked == 1))

    with pytest.raises(PolicyNotEnforced, match=r"waited .* s for the canary's policy to deny the pair"):
        slow_once.flip()


def test_a_denial_is_several_in_a_row_one_of_them_longer_than_a_lost_packet_takes_to_be_sent_again() -> None:
    cluster = MadeUpCluster(lambda policy, _asked: not policy)
    cluster.flip()

    assert len(readiness.DENIED_SECONDS) > 2
    assert max(readiness.DENIED_SECONDS) > 1
    assert cluster.waited == [readiness.CONNECT_SECONDS, *readiness.DENIED_SECONDS, readiness.CONNECT_SECONDS]


@pytest.mark.parametrize("asked", range(1, 4))
def test_a_connection_among_the_denials_begins_them_anew(asked: int) -> None:
    cluster = MadeUpCluster(lambda policy, number: not policy or number == asked)

    assert "enforced after" in cluster.flip()
    assert len(cluster.waited) == 1 + asked + len(readiness.DENIED_SECONDS) + 1


@pytest.mark.parametrize("silent_from", range(1, 4))
def test_a_denial_counts_only_beside_a_connection_that_the_policy_allows(silent_from: int) -> None:
    dead = MadeUpCluster(lambda policy, _asked: not policy, lambda policy, asked: not policy or asked < silent_from)

    with pytest.raises(PolicyNotEnforced, match="or denies what a policy allows"):
        dead.flip()


def test_a_pair_that_connects_on_one_port_only_before_there_is_a_policy_proves_nothing() -> None:
    with pytest.raises(PolicyNotEnforced, match="Without any policy two pods cannot talk"):
        MadeUpCluster(lambda policy, _asked: not policy, lambda policy, _asked: policy).flip()


def test_an_enforcer_may_take_its_time_within_the_deadline() -> None:
    cluster = MadeUpCluster(lambda policy, asked: policy == (asked < 3))

    assert "lifted after" in cluster.flip()


def test_a_policy_that_never_denies_names_the_enforcer() -> None:
    with pytest.raises(PolicyNotEnforced, match="no effect on this cluster: its enforcer is missing, stopped"):
        MadeUpCluster(lambda _policy, _asked: True).flip()


def test_a_policy_that_is_never_lifted_names_the_enforcer() -> None:
    denied = False

    def stuck(policy: bool, _asked: int) -> bool:  # noqa: FBT001 -- as it is called
        nonlocal denied
        denied = denied or policy
        return not denied

    with pytest.raises(PolicyNotEnforced, match="stays in force after it was deleted: the enforcer is stopped"):
        MadeUpCluster(stuck).flip()


def test_a_pair_that_never_connects_proves_nothing_and_creates_no_policy() -> None:
    cluster = MadeUpCluster(lambda _policy, _asked: False)

    with pytest.raises(PolicyNotEnforced, match="Without any policy two pods cannot talk"):
        cluster.flip()
    assert cluster.events == []


def test_the_error_says_how_long_was_waited_for_what() -> None:
    with pytest.raises(PolicyNotEnforced, match=r"waited .* s for the canary's policy to deny the pair"):
        MadeUpCluster(lambda _policy, _asked: True).flip()


def test_a_server_that_does_not_listen_yet_is_waited_for_before_there_is_a_policy() -> None:
    def refused_at_first(policy: bool, asked: int) -> bool:  # noqa: FBT001 -- as it is called
        if not policy and asked < 3 and "created" not in cluster.events:
            raise ProbeError("met neither an answer nor a policy: refused")
        return not policy

    cluster = MadeUpCluster(refused_at_first)

    assert "enforced after" in cluster.flip()
    assert cluster.events == ["created", "deleted"]


def test_a_server_that_never_listens_is_told_with_what_was_met() -> None:
    def refused(_policy: bool, _asked: int) -> bool:  # noqa: FBT001 -- as it is called
        raise ProbeError("met neither an answer nor a policy: refused")

    with pytest.raises(PolicyNotEnforced, match="neither an answer nor a policy: refused"):
        MadeUpCluster(refused).flip()


def test_a_probe_that_could_not_be_run_is_neither_denied_nor_enforced() -> None:
    def broken(policy: bool, _asked: int) -> bool:  # noqa: FBT001 -- as it is called
        if policy:
            raise ProbeError("the stream to the prober ended")
        return True

    with pytest.raises(ProbeError, match="the stream to the prober ended"):
        MadeUpCluster(broken).flip()


def test_the_policy_is_about_the_server_alone_and_allows_nothing_in_but_the_control() -> None:
    cluster = MadeUpCluster(lambda policy, _asked: not policy)
    seen: list[dict[str, Any]] = []
    create = cluster.post

    def post(path: str, body: dict[str, Any]) -> None:
        seen.append(body)
        create(path, body)

    cluster.post = post  # type: ignore[method-assign]
    cluster.flip()

    assert [policy["spec"] for policy in seen] == [
        {
            "podSelector": {"matchLabels": {"role": "server"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": readiness.HTTP_PORT}]}],
        }
    ]


def test_a_cluster_that_broke_is_told_at_once_and_not_after_the_deadline() -> None:
    def broken() -> None:
        raise ComponentDied("etcd was killed")

    def refused() -> bool:
        raise ApiUnreachable("GET", "/readyz", 0, "connection refused")

    with pytest.raises(ComponentDied, match="etcd was killed"):
        readiness._wait(broken, "the API server to answer", refused, tolerate=(ApiError,))
