"""A cluster that does not do as Kubernetes says is found out, by the smallest world that shows it."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.isolation import own, stage
from harness.isolation.lab import Lab
from harness.isolation.policy import Policy
from harness.isolation.proving import Generated
from harness.isolation.render import policy_object, to_yaml, world_objects
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import load

SEED = 7


def without_end_port(policy: Policy) -> JsonObject:
    """A policy as a plugin takes it that ignores ``endPort``, as some did (cilium 28684)."""
    rules = {
        "ingress": [
            replace(rule, ports=tuple(replace(port, end=None) for port in rule.ports)) for rule in policy.ingress
        ],
        "egress": [
            replace(rule, ports=tuple(replace(port, end=None) for port in rule.ports)) for rule in policy.egress
        ],
    }
    return policy_object(replace(policy, ingress=tuple(rules["ingress"]), egress=tuple(rules["egress"])))


def test_a_plugin_that_ignores_end_port_is_shown_by_one_policy_with_one_port(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stage, "policy_object", without_end_port)

    found = next(one for _, one in Generated(lab, SEED, at_once=4).prove(range(400)) if one)

    [policy] = found.world.policies
    [port] = [port for rule in (*policy.ingress, *policy.egress) for port in rule.ports]
    assert port.end is not None
    assert found.wrong
    file = tmp_path / "world.yaml"
    file.write_text(to_yaml(world_objects(found.world)))
    again = own.of_manifests(load(file))
    assert again.written.policies == found.world.policies
