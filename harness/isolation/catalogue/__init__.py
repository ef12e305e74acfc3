"""The catalogue: a fixed list of NetworkPolicy cases, for every rule of docs/network-policy.md that a cluster can show.

It covers by cases of its own what cyclonus generates (github.com/mattfenwick/cyclonus: 230 cases) and what the tests of
Kubernetes cover, and beyond them blocks, Services, nodes, pods on the host's network, and changes.
"""

from dataclasses import replace
from typing import Final

from harness.isolation.catalogue import (
    actions,
    blocks,
    conflicts,
    nodes,
    peers,
    ports,
    rules,
    selectors,
    services,
    upstream,
)
from harness.isolation.catalogue.case import Case

NAMED: Final = frozenset(
    {
        "ingress: deny all",
        "egress: deny all",
        "ingress: deny all, then allow all beside it, then alone",
        "egress: two rules with a peer and a port each do not mix",
        "ingress denied to every pod of namespace y, and to no other",
        "egress: a policy of namespace y allows nothing to a pod of namespace x",
        "egress: 8080/TCP for a and b, 8081/TCP for a",
        "both ends: the source may on 8080/TCP, the destination lets in on 8081/TCP",
        "types: no types and an egress rule: Egress, and Ingress which then denies all",
        "types: type Egress with ingress rules alone: they mean nothing",
        "ingress from every pod in every namespace",
        "ingress from pods labelled c of its own namespace",
        "egress to pods labelled c in every namespace",
        "ingress from pods labelled b and in namespaces labelled y",
        "ingress from pods labelled b here, or anything in namespaces labelled y",
        "ingress from pods not of a red team, or of none, in every namespace",
        "egress to namespaces without a team",
        "egress to all of namespaces by their own names: every but x",
        "ingress on 8080/UDP",
        "egress on every port of SCTP",
        "ingress on web/TCP",
        "egress on alt/TCP",
        "egress on web/UDP, a name of another protocol",
        "ingress on nowhere/TCP, which no pod has",
        "ingress on 8080-8080/TCP",
        "egress on 8080-8081/TCP",
        "ingress on 8000-8079/TCP or 8081-8090/TCP",
        "egress on 80/TCP, where Services have their ports",
        "egress to pods labelled b in namespaces labelled y, through Services on 8080/TCP",
        "pods that may reach nobody ask their own Services, and their own addresses",
        "Services asked from outside, their pods isolated for egress alone",
        "ingress from the block around the outside address except it",
        "egress: deny all, then 0.0.0.0/0",
        "egress to two blocks that overlap, the address excepted from the wider",
        "egress: what a block excepts, another policy allows, as long as it is there",
        "a node reaches its pods, though every namespace denies ingress",
        "a pod that may reach nobody does not reach its own node",
        "namespaces deny everything, a pod on the host's network in them stays open",
        "egress to all pods of a namespace does not mean its pod on the host's network",
        "answers come back to a pod that lets nobody in",
        "ingress: a policy is updated: its port",
        "egress: a policy is created and deleted",
        "ingress from a pod that gets the label, and loses it",
        "egress of a pod that is created and deleted",
        "ingress from a namespace that is created and deleted",
    }
)
"""The cases that run in every continuous-integration run: one at least for each rule."""

NOT_SHOWN: Final = {22: "a cluster that enforces nothing is what the canary finds before any case"}
"""Rules that no case can show, and why."""


def _all() -> tuple[Case, ...]:
    families = (peers, ports, rules, selectors, blocks, services, nodes, conflicts, actions, upstream)
    cases = (case for family in families for case in family.cases())
    return tuple(replace(case, named=case.name in NAMED) for case in cases)


CASES: Final = _all()
"""Every case, in a fixed order; their names are unique and stay."""

__all__ = ["CASES", "NAMED", "NOT_SHOWN", "Case"]
