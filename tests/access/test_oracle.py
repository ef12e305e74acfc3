"""What the oracle adds to the rules (test_points.py): its reasons. And the rules once more, over drawn realms."""

import re
from collections.abc import Iterator

from hypothesis import given, settings

from harness.access.oracle import NEAR, Oracle, aggregated
from harness.access.request import Identity, Request
from harness.access.rules import Binding, Kind, Realm, Role, Rule, Subject
from harness.kube.selectors import Operator, Selector

from .realms import IDENTITIES, Drawing, drawings

JANE = Identity.user("jane", ["shop"])
PODS = Request("get", "pods", namespace="shop")
SHOP = Subject(Kind.GROUP, "shop", at="binding.yaml:9")


def realm(*rules: Rule, namespace: str = "shop", bound: str = "worker") -> Realm:
    """Group shop is bound to ClusterRole worker, in namespace shop."""
    role = Role("worker", rules, at="role.yaml:1")
    binding = Binding("those", bound, (SHOP,), namespace, at="binding.yaml:1")
    return Realm((role,), (binding,))


def rule(verbs: str, resources: str = "pods", names: str = "", line: int = 5) -> Rule:
    return Rule(tuple(verbs.split()), ("",), tuple(resources.split()), tuple(names.split()), at=f"role.yaml:{line}")


# -------------------------------------------------------------------------------------------------------------- reasons


def test_an_allowed_request_names_every_rule_that_allows_it_with_its_binding() -> None:
    decision = Oracle(realm(rule("get", line=5), rule("list", line=6), rule("*", line=7))).decide(JANE, PODS)

    assert [reason.at for reason in decision.reasons] == ["role.yaml:5", "role.yaml:7"]
    assert str(decision).startswith(
        "allow: RoleBinding shop/those (binding.yaml:1) binds Group shop to ClusterRole worker, which allows it "
        "(role.yaml:5)"
    )


def test_a_denied_request_says_so_of_the_one_who_asks() -> None:
    assert str(Oracle(Realm()).decide(JANE, PODS)) == "deny: no rule that user jane has allows it"


def nearly(*rules: Rule, request: Request = PODS, namespace: str = "shop", bound: str = "worker") -> list[str]:
    """What a denial says besides."""
    decision = Oracle(realm(*rules, namespace=namespace, bound=bound)).decide(JANE, request)
    assert not decision.allowed
    return [str(reason) for reason in decision.reasons[1:]]


def test_a_denied_request_names_the_rule_that_lacks_the_verb() -> None:
    assert nearly(rule("list watch")) == ["ClusterRole worker has pods, but only to list, watch (role.yaml:5)"]


def test_a_denied_request_names_the_rule_that_is_of_another_namespace() -> None:
    assert nearly(rule("get"), namespace="bank") == [
        "ClusterRole worker allows it, but only in namespace bank (role.yaml:5)"
    ]


def test_a_denied_request_names_the_rule_that_is_for_other_names() -> None:
    assert nearly(rule("get", names="web db")) == ["ClusterRole worker allows it, but only of web, db (role.yaml:5)"]


def test_a_denied_request_names_the_rule_that_forgets_the_subresource() -> None:
    log = Request("get", "pods", "", "log", "shop")

    assert nearly(rule("get"), request=log) == ["ClusterRole worker allows pods, which is not pods/log (role.yaml:5)"]


def test_a_denied_request_names_the_binding_whose_role_is_gone() -> None:
    assert nearly(rule("get"), bound="gone") == [
        "RoleBinding shop/those binds ClusterRole gone, which is not there (binding.yaml:1)"
    ]


def test_a_denied_request_names_no_more_than_a_few_rules() -> None:
    assert len(nearly(*(rule("list", line=line) for line in range(9)))) == NEAR


def test_a_member_of_system_masters_needs_no_rule() -> None:
    decision = Oracle(Realm()).decide(Identity.user("root", ["system:masters"]), PODS)

    assert str(decision) == "allow: group system:masters passes by every authorizer"


# ---------------------------------------------------------------------------------------------------------- aggregation


def test_a_rule_keeps_its_place_through_aggregation() -> None:
    top = Role("top", aggregates=(Selector((("to", "top"),)),))
    part = Role("part", (rule("get", line=8),), labels={"to": "top"})

    [found, _] = aggregated((top, part))

    assert [one.at for one in found.rules] == ["role.yaml:8"]


def test_roles_that_select_each_other_come_to_rest() -> None:
    one = Role("one", labels={"to": "two"}, aggregates=(Selector((("to", "one"),)),))
    two = Role("two", labels={"to": "one"}, aggregates=(Selector((("to", "two"),)),))
    part = Role("part", (rule("get"),), labels={"to": "one"})

    assert [role.rules for role in aggregated((one, two, part))] == [part.rules] * 3


# -------------------------------------------------------------------------------- the rules, restated in another manner


def pattern(written: str) -> str:
    """What is written in a rule as a regular expression of what it stands for: one star means all."""
    return ".*" if written == "*" else re.escape(written)


def resource_pattern(written: str) -> str:
    """Of ``resource`` or ``resource/subresource``: a star before the slash is any resource."""
    any_of, slash, subresource = written.partition("/")
    return rf"[^/]+/{re.escape(subresource)}" if any_of == "*" and slash and subresource != "*" else pattern(written)


def one_matches(patterns: Iterator[str], text: str) -> bool:
    return any(re.fullmatch(one, text) for one in patterns)


def naively_allows(one: Rule, request: Request) -> bool:
    """As ``RuleAllows`` says."""
    if not one_matches(map(pattern, one.verbs), request.verb):
        return False
    if request.url:
        paths = (re.escape(url.rstrip("*")) + (".*" if url[-1] == "*" else "") for url in one.urls)
        return one_matches(paths, request.url)
    path = request.resource + ("/" + request.subresource if request.subresource else "")
    return (
        one_matches(map(pattern, one.groups), request.group)
        and one_matches(map(resource_pattern, one.resources), path)
        and (one.names == () or one.names.count(request.name) > 0)
    )


def naive_rules(everything: Realm, name: str, seen: frozenset[str] = frozenset()) -> set[Rule]:
    """The rules of a ClusterRole: what it selects is walked, where the controller writes and looks again."""
    found: set[Rule] = set()
    for role in everything.roles:
        if role.namespace == "" and role.name == name:
            if not role.aggregates:
                return set(role.rules)
            for other in everything.roles:
                selected = any(naively_selects(one, dict(other.labels)) for one in role.aggregates)
                if selected and other.namespace == "" and other.name not in seen | {name}:
                    found |= naive_rules(everything, other.name, seen | {name})
    return found


def naively_selects(selector: Selector, labels: dict[str, str]) -> bool:
    for key, value in selector.labels:
        if labels.get(key) != value:
            return False
    for one in selector.requirements:
        there, listed = one.key in labels, labels.get(one.key) in one.values
        wanted = {
            Operator.IN: there and listed,
            Operator.NOT_IN: not (there and listed),
            Operator.EXISTS: there,
            Operator.DOES_NOT_EXIST: not there,
        }
        if not wanted[one.operator]:
            return False
    return True


def naively_decided(everything: Realm, identity: Identity, request: Request) -> bool:
    """As ``VisitRulesFor`` says."""
    if "system:masters" in identity.groups:
        return True
    for binding in everything.bindings:
        names = {f"{Kind.USER} {identity.name}", *(f"{Kind.GROUP} {group}" for group in identity.groups)}
        if identity.name.startswith("system:serviceaccount:"):
            _, _, namespace, name = identity.name.split(":")
            names.add(f"{Kind.ACCOUNT} {namespace}/{name}")
        if not names & {str(subject) for subject in binding.subjects}:
            continue
        if binding.namespace not in ("", request.namespace):
            continue
        if binding.role_namespace:
            of = [role for role in everything.roles if role.namespace == binding.role_namespace]
            rules = {one for role in of if role.name == binding.role for one in role.rules}
        else:
            rules = naive_rules(everything, binding.role)
        if any(naively_allows(one, request) for one in rules):
            return True
    return False


@settings(max_examples=2000, derandomize=True)
@given(drawings)
def test_the_oracle_agrees_with_a_naive_one(drawing: Drawing) -> None:
    everything = drawing.realm()
    oracle = Oracle(everything)
    for identity in IDENTITIES:
        request = drawing.request()
        allowed = oracle.decide(identity, request).allowed
        assert allowed == naively_decided(everything, identity, request), f"{identity}: {request} in {everything}"


def test_drawn_realms_allow_a_good_part_of_what_is_asked() -> None:
    asked = []
    for number in range(200):
        drawing = Drawing(number)
        oracle = Oracle(drawing.realm())
        asked += [oracle.decide(identity, drawing.request()).allowed for identity in IDENTITIES[:5]]

    assert 0.05 < sum(asked) / len(asked) < 0.95
