"""Ready has one meaning, and says what it lacks."""

import io
import re

import pytest

from harness.clusters import readiness
from harness.clusters.embedded.provider import EmbeddedCluster
from harness.clusters.provider import Cluster
from harness.clusters.readiness import wait_until_ready
from harness.errors import PolicyNotEnforced, WaitTimeout
from harness.kube.wait import wait_until
from harness.probing import canary, prove_policy_on
from harness.timeline import Timeline


def test_a_ready_cluster_passes_all_six_phases_each_timed_and_shown(cluster: Cluster, image: str) -> None:
    shown = io.StringIO()
    timeline = Timeline(shown)

    wait_until_ready(cluster, timeline, canary(image))

    phases = [
        "API answers",
        "node Ready",
        "default ServiceAccount",
        "DNS answers from a pod",
        "Ingress answers",
        "policy canary",
    ]
    assert [phase.name for phase in timeline.phases] == phases
    for phase in phases:
        assert re.search(rf"✓ {phase} +\d+\.\d\d s", shown.getvalue())


def test_a_phase_that_times_out_says_what_it_waited_for_and_what_was_there(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "SECONDS", 1.0)

    with pytest.raises(WaitTimeout, match=r"waited 1 s for the canary's \w+ pod to run; last seen: .*Pending") as late:
        wait_until_ready(cluster, Timeline(io.StringIO()), canary("harness.dev/there-is-none:1"))

    assert "harness.dev/there-is-none:1" in str(late.value)


def test_the_canary_fails_while_felix_is_stopped_and_passes_once_it_runs_again(
    embedded: EmbeddedCluster, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "enforced after" in prove_policy_on(embedded, image)

    embedded.stop_component("felix")
    try:
        assert "felix" not in embedded.components()
        with monkeypatch.context() as patch:
            patch.setattr(readiness, "CANARY_SECONDS", 4.0)
            with pytest.raises(PolicyNotEnforced, match="the policy canary failed: waited 4 s for the canary's"):
                prove_policy_on(embedded, image)
    finally:
        embedded.start_component("felix")

    def proven() -> str:
        return prove_policy_on(embedded, image)

    assert "enforced after" in wait_until("the canary to pass", proven, seconds=60, tolerate=(PolicyNotEnforced,))


def test_the_canary_leaves_no_namespace(cluster: Cluster, image: str) -> None:
    prove_policy_on(cluster, image)

    wait_until(
        "the canaries' namespaces to be gone",
        lambda: "harness-canary" not in cluster.kubectl.run("get", "namespaces", "-o", "name"),
        seconds=60,
        interval=0.5,
    )
