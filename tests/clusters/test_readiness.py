"""The logic of the canary's flip, against a cluster that is made up; real ones are in tests/live."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from harness.clusters import readiness
from harness.clusters.provider import Cluster
from harness.errors import ComponentDied, PolicyNotEnforced, ProbeError
from harness.kube.client import Api, ApiError, ApiUnreachable

Enforcer = Callable[[bool, int], bool]
"""Whether the pair connects, by whether the policy is there and how many times it was asked since that changed."""


class MadeUpCluster:
    """An API with one pod and a place for one policy, and a probe that connects as its enforcer says."""

    def __init__(self, enforcer: Enforcer) -> None:
        self._enforcer = enforcer
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

    def connects(self, address: str, port: int, seconds: float) -> bool:
        assert (address, port, seconds) == ("10.244.0.9", readiness.PORT, readiness.CONNECT_SECONDS)
        self._asked += 1
        return self._enforcer(self.policy is not None, self._asked)

    def close(self) -> None:
        self.events.append("closed")

    def flip(self) -> str:
        return readiness._flip(cast("Api", self), self, "ns")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CANARY_SECONDS", 0.1)


def test_a_policy_that_denies_and_is_lifted_is_enforced() -> None:
    cluster = MadeUpCluster(lambda policy, _asked: not policy)

    assert "enforced after" in cluster.flip()
    assert cluster.events == ["created", "deleted"]


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


def test_a_probe_that_could_not_be_run_is_neither_denied_nor_enforced() -> None:
    def broken(policy: bool, _asked: int) -> bool:  # noqa: FBT001 -- as it is called
        if policy:
            raise ProbeError("the stream to the prober ended")
        return True

    with pytest.raises(ProbeError, match="the stream to the prober ended"):
        MadeUpCluster(broken).flip()


def test_the_policy_is_about_the_server_alone_and_allows_nothing_in() -> None:
    cluster = MadeUpCluster(lambda policy, _asked: not policy)
    seen: list[dict[str, Any]] = []
    create = cluster.post

    def post(path: str, body: dict[str, Any]) -> None:
        seen.append(body)
        create(path, body)

    cluster.post = post  # type: ignore[method-assign]
    cluster.flip()

    assert [policy["spec"] for policy in seen] == [
        {"podSelector": {"matchLabels": {"role": "server"}}, "policyTypes": ["Ingress"]}
    ]


class BrokenCluster:
    """A cluster that has broken."""

    def check(self) -> None:
        raise ComponentDied("etcd was killed")


def test_a_cluster_that_broke_is_told_at_once_and_not_after_the_deadline() -> None:
    def refused() -> bool:
        raise ApiUnreachable("GET", "/readyz", 0, "connection refused")

    with pytest.raises(ComponentDied, match="etcd was killed"):
        readiness._wait(cast("Cluster", BrokenCluster()), "the API server to answer", refused, tolerate=(ApiError,))
