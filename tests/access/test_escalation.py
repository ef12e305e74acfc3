"""Every single step by the rights that open it, and by those that do not; then paths of several, and the case's own."""

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from textwrap import dedent

import pytest
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from harness.access.defaults import defaults
from harness.access.escalation import Escalation
from harness.access.oracle import Oracle
from harness.access.parse import joined, realm_of
from harness.access.powers import (
    Being,
    Inside,
    Power,
    Rewriting,
    Rights,
    Secrets,
    Traffic,
    Whole,
    outside,
    survey,
    told,
)
from harness.access.request import Identity
from harness.access.rules import Account, Binding, Home, Kind, Realm, Role, Rule, Subject
from harness.access.steps import PRACTICES
from harness.kube.manifests import load
from harness.kube.selectors import Selector

JANE = Identity.user("jane")
TILL = Identity.account("shop", "till")
BOSS = Identity.account("bank", "boss")
RBAC, CERTS, ADMISSION = "rbac.authorization.k8s.io", "certificates.k8s.io", "admissionregistration.k8s.io"
MANIFESTS = Path(__file__).parents[2] / "manifests"


def rule(text: str) -> Rule:
    """``verb,verb resource.group/subresource,… [name,…]`` as a rule."""
    verbs, resources, *names = text.split()
    groups, kinds = set(), []
    for one in resources.split(","):
        whole, slash, subresource = one.partition("/")
        name, _, group = whole.partition(".")
        groups.add(group)
        kinds.append(f"{name}{slash}{subresource}")
    return Rule(
        tuple(verbs.split(",")), tuple(sorted(groups)), tuple(kinds), tuple(names[0].split(",")) if names else ()
    )


def given(text: str, namespace: str = "shop", who: Identity = JANE, name: str = "given") -> Realm:
    """Somebody has these rules, one a line, in a namespace; everywhere where that is empty."""
    rules = tuple(replace(rule(line), at=f"{name}.yaml:{number}") for number, line in enumerate(lines(text), 1))
    to = Subject(Kind.USER, who.name)
    return Realm(
        (Role(name, rules, at=f"{name}.yaml:0"),), (Binding(name, name, (to,), namespace, at=f"{name}.yaml:99"),)
    )


def lines(text: str) -> list[str]:
    return dedent(text).strip().splitlines()


AROUND = Realm(
    accounts=(Account("shop", "till"), Account("bank", "boss")),
    homes=(Home("shop", "restricted"), Home("bank", "privileged")),
)


def together(*realms: Realm) -> Realm:
    """One realm of several."""
    found = AROUND
    for one in realms:
        found = joined(found, one)
    return found


def reached(*realms: Realm, who: Identity = JANE, upgrades: bool = False) -> dict[Power, int]:
    """What somebody can come to have, and in how many steps."""
    paths = Escalation(together(*realms), upgrades=upgrades).reached(who)
    return {power: len(path) for power, path in paths.items()}


# --------------------------------------------------------------------------------------------------------- single steps

POD: dict[Power, int] = {Being(TILL): 1, Secrets("shop"): 1}
INSIDE: dict[Power, int] = {Inside("shop"): 1, Being(TILL): 2}
TRAFFIC: dict[Power, int] = {Traffic("shop"): 1}
NOTHING: dict[Power, int] = {}


@dataclass(frozen=True)
class Row:
    """What somebody reaches by some rights in namespace shop."""

    rights: str
    reached: dict[Power, int]

    def __str__(self) -> str:
        return self.rights.replace("\n", "; ")


IN_SHOP = [
    # Pods run as any ServiceAccount of their namespace, and mount any Secret of it.
    *(
        Row(f"{verb} {kind}", POD)
        for kind in ("deployments.apps", "statefulsets.apps", "daemonsets.apps")
        for verb in ("create", "patch", "update")
    ),
    *(
        Row(f"{verb} {kind}", POD)
        for kind in ("replicasets.apps", "cronjobs.batch", "replicationcontrollers")
        for verb in ("create", "patch", "update")
    ),
    *(Row(f"create {kind}", POD) for kind in ("pods", "jobs.batch")),
    Row("patch deployments.apps web", POD),
    Row("create,patch pods web", POD | INSIDE | {Being(TILL): 1}),  # an apply has a name
    Row("create pods web", NOTHING),  # no pod can be made by its name
    Row("patch,update jobs.batch", NOTHING),  # its template cannot be changed
    Row("delete deployments.apps", NOTHING),
    Row("get,list,watch deployments.apps,pods", NOTHING),
    Row("patch deployments.apps/scale", NOTHING),
    Row("patch deployments.apps/status", NOTHING),
    Row("create deployments", NOTHING),  # the core has none
    # Into pods that are there.
    Row("create pods/exec", INSIDE),
    Row("create pods/attach", INSIDE),
    Row("patch pods/ephemeralcontainers", INSIDE),
    Row("update pods/ephemeralcontainers", INSIDE),
    Row("patch pods", INSIDE),
    Row("update pods", INSIDE),
    Row("create pods/exec web", INSIDE),
    Row("get pods/exec,pods/attach,pods/portforward", NOTHING),
    Row("create pods/portforward", TRAFFIC),
    Row("get pods/proxy", TRAFFIC),
    Row("create services/proxy", TRAFFIC),
    Row("get pods/log", NOTHING),
    Row("create pods/eviction,pods/binding", NOTHING),
    # Tokens and Secrets.
    Row("create serviceaccounts/token", {Being(TILL): 1}),
    Row("create serviceaccounts/token till", {Being(TILL): 1}),
    Row("create serviceaccounts/token other", NOTHING),
    Row("create serviceaccounts", NOTHING),
    *(Row(f"{verb} secrets", {Secrets("shop"): 1}) for verb in ("get", "list", "watch")),
    Row("get secrets db", {Secrets("shop", "db"): 1}),
    Row("create secrets", NOTHING),
    Row("create,get secrets", {Secrets("shop"): 1, Being(TILL): 1}),
    Row("create secrets\nget secrets mine", {Secrets("shop", "mine"): 1, Being(TILL): 1}),
    # Impersonation: a header for a user, with it headers for groups.
    Row("impersonate serviceaccounts", {Being(TILL): 1}),
    Row("impersonate serviceaccounts till", {Being(TILL): 1}),
    Row("impersonate serviceaccounts other", NOTHING),
    Row("impersonate:serviceaccount serviceaccounts.authentication.k8s.io", {Being(TILL): 1}),
    Row("impersonate users", NOTHING),  # users lie in no namespace
    # Roles and bindings: without bind and escalate nobody grants more than he has.
    Row(f"create,patch,update roles.{RBAC},rolebindings.{RBAC}", NOTHING),
    Row(f"bind clusterroles.{RBAC}", NOTHING),
    Row(f"escalate roles.{RBAC}", NOTHING),
    # All of it: also a namespace's own labels lie in it.
    Row("patch namespaces shop", NOTHING),
    Row(
        "patch namespaces shop\ncreate pods",
        POD | {Whole.NODE: 1, Inside("shop"): 2, Inside("bank"): 2, Being(BOSS): 3},
    ),
    Row("patch namespaces bank\ncreate pods", POD),
]


@pytest.mark.parametrize("row", IN_SHOP, ids=str)
def test_rights_in_a_namespace_reach(row: Row) -> None:
    assert reached(given(row.rights)) == row.reached


def test_a_get_that_is_upgraded_was_enough_to_get_into_a_pod_before_1_35() -> None:
    assert reached(given("get pods/exec,pods/portforward"), upgrades=True) == INSIDE | TRAFFIC


def test_where_pod_security_is_not_enforced_a_pod_is_the_node() -> None:
    found = reached(given("create pods", "bank"))

    assert found[Whole.NODE] == 1
    assert found[Inside("shop")] == 2
    assert found[Being(TILL)] == 3


EVERYWHERE = [
    Row("get nodes/proxy", {Inside("shop"): 1, Inside("bank"): 1, Being(TILL): 2, Being(BOSS): 2}),
    Row("create nodes/proxy node1", {Inside("shop"): 1, Inside("bank"): 1, Being(TILL): 2, Being(BOSS): 2}),
    Row("get nodes/metrics,nodes/stats,nodes/log", NOTHING),
    *(
        Row(f"{verb} mutatingwebhookconfigurations.{ADMISSION}", {Whole.EVERYBODY: 1})
        for verb in ("create", "patch", "update")
    ),
    Row(f"patch validatingwebhookconfigurations.{ADMISSION}", {Secrets("shop"): 1, Secrets("bank"): 1}),
    Row(f"delete mutatingwebhookconfigurations.{ADMISSION}", NOTHING),
    Row(f"create mutatingadmissionpolicies.{ADMISSION}", NOTHING),
    Row(
        f"create mutatingadmissionpolicies.{ADMISSION},mutatingadmissionpolicybindings.{ADMISSION}",
        {Whole.EVERYBODY: 1},
    ),
    Row("create persistentvolumes", NOTHING),
    Row("impersonate groups", NOTHING),  # only together with a user
    Row(
        "impersonate users anybody-else\nimpersonate groups system:masters",
        {Whole.EVERYBODY: 1, Being(Identity.user("anybody-else")): 1},
    ),
    Row("impersonate serviceaccounts till\nimpersonate groups system:masters", {Whole.EVERYBODY: 1, Being(TILL): 1}),
    Row("impersonate users alice", {Being(Identity.user("alice")): 1}),
    Row(
        "impersonate users alice\nimpersonate groups cooks",
        {Being(Identity.user("alice")): 1, Being.member("cooks"): 1},
    ),
    Row(
        "impersonate:arbitrary-node nodes.authentication.k8s.io",
        {Whole.NODE: 1, Inside("shop"): 2, Inside("bank"): 2, Being(TILL): 3, Being(BOSS): 3},
    ),
    Row("impersonate uids.authentication.k8s.io,userextras.authentication.k8s.io/scopes", NOTHING),
    Row(f"create certificatesigningrequests.{CERTS}", NOTHING),
    Row(f"create certificatesigningrequests.{CERTS}\nupdate certificatesigningrequests.{CERTS}/approval", NOTHING),
    Row(
        f"create certificatesigningrequests.{CERTS},certificatesigningrequests.{CERTS}/status\nsign signers.{CERTS}",
        NOTHING,
    ),
    Row(f"create certificatesigningrequests.{CERTS}/nodeclient", NOTHING),
]


@pytest.mark.parametrize("row", EVERYWHERE, ids=str)
def test_rights_everywhere_reach(row: Row) -> None:
    assert reached(given(row.rights, "")) == row.reached


@pytest.mark.parametrize("signer", ["kubernetes.io/kube-apiserver-client", "kubernetes.io/*"])
def test_who_approves_his_own_request_is_anybody_but_system_masters(signer: str) -> None:
    rights = f"""
        create certificatesigningrequests.{CERTS}
        patch certificatesigningrequests.{CERTS}/approval
        approve signers.{CERTS} {signer}
    """

    found = reached(given(rights, ""))

    assert {power for power, steps in found.items() if steps == 1} == {Whole.NODE, Being(TILL), Being(BOSS)}
    assert Whole.EVERYBODY not in found


def test_a_certificate_of_a_signer_that_the_api_server_does_not_ask_is_no_step() -> None:
    rights = f"""
        create certificatesigningrequests.{CERTS}
        patch certificatesigningrequests.{CERTS}/approval
        approve signers.{CERTS} kubernetes.io/legacy-unknown
    """

    assert reached(given(rights, "")) == NOTHING


def test_two_halves_of_a_step_can_be_taken_by_two() -> None:
    asks = given(f"create certificatesigningrequests.{CERTS}\nimpersonate serviceaccounts boss", "", name="asks")
    approves = given(
        f"patch certificatesigningrequests.{CERTS}/approval\napprove signers.{CERTS}", "", BOSS, "approves"
    )

    assert reached(asks, approves)[Being(TILL)] == 2


def test_two_halves_of_a_right_must_be_one_persons() -> None:
    makes = given(f"create rolebindings.{RBAC}\nimpersonate serviceaccounts boss", "", name="makes")
    binds = given(f"bind clusterroles.{RBAC}", "", BOSS, "binds")

    assert reached(makes, binds) == {Being(BOSS): 1}


def test_a_node_is_approved_by_itself_where_that_is_granted() -> None:
    both = f"create certificatesigningrequests.{CERTS},certificatesigningrequests.{CERTS}/nodeclient"

    assert reached(given(both, ""))[Whole.NODE] == 1


def test_a_volume_of_the_nodes_own_folder_is_the_node_even_where_pod_security_is_enforced() -> None:
    volume = given("create persistentvolumes", "", name="volume")
    pods = given("create pods,persistentvolumeclaims", name="pods")

    assert Whole.NODE not in reached(pods)
    assert reached(volume, pods)[Whole.NODE] == 1


# ----------------------------------------------------------------------------------------------- roles that are granted

STRONG = Realm((Role("strong", (rule("get secrets"),)), Role("local", (rule("get secrets"),), "shop")))


def test_who_may_bind_has_the_rights_of_what_he_may_bind() -> None:
    binds = given(f"bind clusterroles.{RBAC} strong\ncreate rolebindings.{RBAC}")

    assert reached(STRONG, binds) == {Rights("strong", "shop"): 1, Secrets("shop"): 2}


def test_who_may_bind_by_name_binds_no_other_role() -> None:
    binds = given(f"bind roles.{RBAC} local\ncreate rolebindings.{RBAC}")

    assert reached(STRONG, binds) == {Rights("local", "shop", "shop"): 1, Secrets("shop"): 2}


def test_a_binding_that_is_there_gets_another_subject_but_no_other_role() -> None:
    there = Realm(bindings=(Binding("there", "strong", (), "shop"),))
    binds = given(f"bind clusterroles.{RBAC}\npatch rolebindings.{RBAC} there")

    assert reached(STRONG, there, binds) == {Rights("strong", "shop"): 1, Secrets("shop"): 2}
    assert reached(STRONG, binds) == NOTHING


def test_who_may_bind_in_a_namespace_binds_nothing_everywhere() -> None:
    binds = given(f"bind clusterroles.{RBAC}\ncreate clusterrolebindings.{RBAC},rolebindings.{RBAC}")

    assert not [power for power in reached(STRONG, binds) if isinstance(power, Rights) and power.namespace != "shop"]


def test_rights_that_are_bound_open_what_needs_them_and_what_one_has() -> None:
    chain = Realm((Role("binder", (rule(f"bind clusterroles.{RBAC}"),)), *STRONG.roles))
    binds = given(f"bind clusterroles.{RBAC} binder\ncreate rolebindings.{RBAC}")

    assert reached(chain, binds)[Secrets("shop")] == 3


def test_rights_that_one_has_already_are_no_gain() -> None:
    binds = given(f"bind clusterroles.{RBAC} strong\ncreate rolebindings.{RBAC}\nget secrets")

    assert reached(STRONG, binds) == {Secrets("shop"): 1}


def test_who_may_bind_a_role_of_all_rights_is_told_of_no_lesser_one() -> None:
    admin = Realm((Role("cluster-admin", (rule("* *.*"),)), *STRONG.roles))
    binds = given(f"bind clusterroles.{RBAC}\ncreate clusterrolebindings.{RBAC}", "")

    found = reached(admin, binds)

    assert found[Whole.EVERYBODY] == 2
    assert [power for power in found if isinstance(power, Rights)] == [Rights("cluster-admin")]


def test_who_may_do_everything_is_everybody() -> None:
    assert reached(given("* *.*", ""))[Whole.EVERYBODY] == 1


def test_who_may_do_everything_in_a_namespace_lifts_its_pod_security() -> None:
    found = reached(given("* *.*"))

    assert Whole.EVERYBODY not in found
    assert found[Whole.NODE] == 1


def test_who_may_rewrite_a_role_that_he_is_bound_to_has_all_in_its_place() -> None:
    found = reached(given("list pods", name="small"), given(f"escalate,patch clusterroles.{RBAC} small", ""))

    assert found[Rewriting("small")] == 1
    assert found[Secrets("shop")] == 2
    assert found[Whole.NODE] == 2
    assert Whole.EVERYBODY not in found


def test_who_may_rewrite_a_role_that_he_is_bound_to_everywhere_is_everybody() -> None:
    assert reached(given(f"escalate,update clusterroles.{RBAC} given", ""))[Whole.EVERYBODY] == 2


def test_who_may_rewrite_a_role_that_only_others_have_gains_no_more() -> None:
    assert reached(STRONG, given(f"escalate,patch clusterroles.{RBAC} strong", "")) == {Rewriting("strong"): 1}


def test_escalate_without_a_change_or_a_change_without_escalate_is_nothing() -> None:
    assert reached(given(f"escalate clusterroles.{RBAC}", "")) == NOTHING
    assert reached(given(f"patch,update,create clusterroles.{RBAC},roles.{RBAC}", "")) == NOTHING


def test_a_new_role_that_an_aggregated_one_selects_grants_what_is_written_into_it() -> None:
    to = Subject(Kind.USER, "jane")
    edit = Role("edit", aggregates=(Selector((("to", "edit"),)),))
    bound = Realm((edit,), (Binding("edits", "edit", (to,), "shop"),))

    found = reached(bound, given(f"escalate,create clusterroles.{RBAC}", ""))

    assert found[Rewriting("edit")] == 1
    assert found[Secrets("shop")] == 2


# ----------------------------------------------------------------------------------------------------- paths of several


def test_a_path_goes_through_a_service_account_and_names_every_rule() -> None:
    jane = given("create pods", name="jane")
    till = given("get secrets", "bank", TILL, "till")

    path = Escalation(together(jane, till)).reached(JANE)[Secrets("bank")]

    assert told(path) == (
        "1. runs a pod as ServiceAccount shop/till -> ServiceAccount shop/till "
        "[user jane may create pods in shop: RoleBinding shop/jane (jane.yaml:99) binds User jane to ClusterRole jane, "
        "which allows it (jane.yaml:1)]\n"
        "2. reads them -> every Secret of namespace bank "
        "[ServiceAccount shop/till may get secrets in bank: RoleBinding bank/till (till.yaml:99) binds User "
        "system:serviceaccount:shop:till to ClusterRole till, which allows it (till.yaml:1)]"
    )


def test_the_shortest_of_several_paths_is_told() -> None:
    long_way = given("create pods", name="long")
    till = given("get secrets", "bank", TILL, "till")
    short_way = given("get secrets", "bank", name="short")

    assert reached(long_way, till)[Secrets("bank")] == 2
    assert reached(long_way, till, short_way)[Secrets("bank")] == 1


def test_a_survey_tells_of_everybody_what_he_can_come_to_have() -> None:
    escalation = Escalation(together(given("create pods/exec")))

    text = survey({"jane": escalation.reached(JANE), "till": escalation.reached(TILL)})

    assert text.startswith(
        "jane can come to have 2:\n\nthe pods of namespace shop from within\n1. runs a program in a pod"
    )
    assert text.endswith("till can come to have nothing more\n")


def test_every_step_says_where_it_is_described() -> None:
    [path] = Escalation(together(given("create serviceaccounts/token"))).reached(JANE).values()

    assert [step.source for step in path] == [f"{PRACTICES}#token-request"]


def test_a_member_of_system_masters_has_everything() -> None:
    assert reached(who=Identity.user("root", ["system:masters"])) == {Whole.EVERYBODY: 1}


def test_a_service_account_that_only_a_binding_names_counts_as_made() -> None:
    ghost = Subject(Kind.ACCOUNT, "ghost", "shop")
    bound = Realm(bindings=(Binding("haunts", "strong", (ghost,), "bank"),))

    assert reached(STRONG, bound, given("create pods"))[Secrets("bank")] == 2


def test_nobody_comes_to_be_himself_or_in_a_group_of_his_own() -> None:
    everybody = given("impersonate users jane\nimpersonate groups cooks", "")

    assert reached(everybody, who=Identity.user("jane", ["cooks"])) == NOTHING


def test_what_lies_in_no_namespace_of_ones_own_is_outside_the_nearest_first() -> None:
    jane = given("create pods\npatch namespaces shop", name="jane")
    paths = Escalation(together(jane)).reached(JANE)

    assert list(map(str, outside(paths, frozenset({"shop"})))) == [
        "a node",
        "the pods of namespace bank from within",
        "ServiceAccount bank/boss",
    ]
    assert list(map(str, outside(paths, frozenset({"shop", "bank"})))) == ["a node"]


# ---------------------------------------------------------------------------------------------------- whatever is drawn

RIGHTS = (
    "create pods",
    "patch deployments.apps",
    "patch pods",
    "create pods/exec",
    "get secrets",
    "create secrets",
    "create serviceaccounts/token",
    "create serviceaccounts/token till",
    "impersonate serviceaccounts",
    "impersonate users,groups",
    "impersonate groups system:masters",
    "get nodes/proxy",
    "patch namespaces",
    "create persistentvolumes,persistentvolumeclaims",
    f"bind clusterroles.{RBAC},roles.{RBAC}",
    f"create rolebindings.{RBAC}",
    f"create clusterrolebindings.{RBAC}",
    f"escalate clusterroles.{RBAC}",
    f"patch,create clusterroles.{RBAC}",
    f"create certificatesigningrequests.{CERTS}",
    f"update certificatesigningrequests.{CERTS}/approval",
    f"approve signers.{CERTS}",
)


def drawn(number: int) -> list[Realm]:
    """Up to six grants of such rights to jane and to two ServiceAccounts."""
    random = Random(number)  # noqa: S311 -- examples, not secrets
    return [
        given(
            "\n".join(random.sample(RIGHTS, random.randint(1, 3))),
            random.choice(("", "shop", "bank")),
            random.choice((JANE, TILL, BOSS)),
            f"r{index}",
        )
        for index in range(random.randint(1, 6))
    ]


@settings(max_examples=200, derandomize=True)
@given_by(st.integers(0, 2**32).map(drawn))
def test_every_path_is_made_of_steps_that_are_open_by_then(grants: list[Realm]) -> None:
    realm = together(*grants)
    for power, path in Escalation(realm).reached(JANE).items():
        assert path.power == power
        assert len({step.gain for step in path}) == len(path)
        one_can_be, now = {JANE}, realm
        for step in path:
            for act in step.acts:
                assert act.identity in one_can_be
                assert Oracle(now).decide(act.identity, act.request).allowed, f"{act} in {told(path)}"
            match step.gain:
                case Being(identity):
                    one_can_be.add(identity)
                case Rights(role, namespace, role_namespace):
                    everybody = (Subject(Kind.GROUP, "system:authenticated"),)
                    made = Binding(f"made-{len(now.bindings)}", role, everybody, namespace, role_namespace)
                    now = replace(now, bindings=(*now.bindings, made))
                case Rewriting(name, namespace):
                    roles = {(one.namespace, one.name): one for one in now.roles}
                    rules = (*roles[namespace, name].rules, Rule(("*",), ("*",), ("*",)))
                    roles[namespace, name] = replace(roles[namespace, name], rules=rules, aggregates=())
                    now = replace(now, roles=tuple(roles.values()))


@settings(max_examples=200, derandomize=True)
@given_by(st.integers(0, 2**32).map(drawn))
def test_more_rights_never_reach_less_or_later(grants: list[Realm]) -> None:
    fewer, all_of_them = reached(*grants[:-1]), reached(*grants)
    if Whole.EVERYBODY in all_of_them:
        return  # which has everything, and nothing behind it is sought

    for power, steps in fewer.items():
        if power in all_of_them:
            assert all_of_them[power] <= steps
        else:  # a role that all has, or all Secrets, say it now; or what is to be granted is had already
            assert isinstance(power, Rights | Secrets)


# ------------------------------------------------------------------------------------------------------------- the case


@pytest.fixture(scope="module")
def written() -> Escalation:
    """The case's own roles and bindings, with those that every cluster has."""
    files = [file for file in sorted(MANIFESTS.rglob("*.yaml")) if file.name != "kustomization.yaml"]
    return Escalation(joined(realm_of(one for file in files for one in load(file)), defaults()))


@pytest.mark.parametrize(("team", "home"), [("team-invoice", "invoice"), ("team-payments", "payments")])
def test_a_team_of_the_case_reaches_all_of_its_namespace_and_nothing_else(
    team: str, home: str, written: Escalation
) -> None:
    paths = written.reached(Identity.user("somebody", [team]))

    assert {len(path) for path in paths.values()} == {1}
    assert {power.namespace for power in paths} == {home}
    assert Secrets(home) in paths


def test_no_service_account_of_the_case_reaches_anything(written: Escalation) -> None:
    accounts = [("invoice", "invoice-app"), ("invoice", "invoice-db"), ("payments", "payment-provider")]

    assert [written.reached(Identity.account(*one)) for one in (*accounts, ("payments", "payments-db"))] == [{}] * 4


def test_what_the_default_roles_make_of_a_team_is_found(written: Escalation) -> None:
    """``edit`` reads Secrets and runs pods; ``admin`` grants it on; neither leads out of a restricted namespace."""
    for role in ("edit", "admin"):
        bound = Realm(bindings=(Binding("more", role, (Subject(Kind.USER, "jane"),), "shop"),))
        found = Escalation(together(bound, defaults())).reached(JANE)

        assert {Secrets("shop"), Inside("shop"), Traffic("shop"), Being(TILL)} <= found.keys()
        assert not outside(found, frozenset({"shop"}))
