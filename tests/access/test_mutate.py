"""Mutants are every single slip of the hand in roles and bindings: none twice, and none that grants the same."""

from harness.access.defaults import defaults
from harness.access.mutate import Mutant, mutants
from harness.access.resources import Resource, beyond, served
from harness.access.rules import Account, Binding, Home, Kind, Realm, Role, Rule, Subject

PODS = Resource("pods", verbs=("create", "delete", "get", "list", "watch"))
LOG = Resource("pods", subresource="log", verbs=("get",))
EXEC = Resource("pods", subresource="exec", verbs=("create", "get"))
METRICS = Resource("pods", "metrics.k8s.io", verbs=("get", "list"))
SECRETS = Resource("secrets", verbs=("get",))
NODES = Resource("nodes", verbs=("get",), namespaced=False)
HEALTH = Resource(url="/healthz", verbs=("get",), namespaced=False)
ETCD = Resource(url="/healthz/etcd", verbs=("get",), namespaced=False)
SERVED = (PODS, LOG, EXEC, SECRETS, METRICS, NODES, HEALTH, ETCD)
TEAM, BANK = Subject(Kind.GROUP, "team"), Subject(Kind.GROUP, "bank")


def role(*rules: Rule, name: str = "r", namespace: str = "shop") -> Role:
    return Role(name, rules, namespace, at="r.yaml:1")


def binding(*subjects: Subject, name: str = "b", namespace: str = "shop", of: str = "r") -> Binding:
    return Binding(name, of, subjects, namespace, namespace, at="b.yaml:1")


def shop(*rules: Rule, more: Realm | None = None) -> Realm:
    other = more or Realm()
    return Realm((role(*rules), *other.roles), (binding(TEAM), *other.bindings), other.accounts, other.homes)


def found(realm: Realm, around: Realm | None = None) -> dict[str, Mutant]:
    return {one.what: one for one in mutants(realm, around or Realm(), SERVED)}


def of_rule(rule: Rule) -> dict[str, Rule]:
    """What comes of the one rule of a role, by what was done to it."""
    begin = "Role shop/r rule 1 "
    return {
        what.removeprefix(begin): one.realm.roles[0].rules[0]
        for what, one in found(shop(rule)).items()
        if what.startswith(begin) and one.realm.roles[0].rules
    }


def test_everything_is_changed_once_and_told_by_its_own_place() -> None:
    subject = Subject(Kind.GROUP, "team", at="b.yaml:9")
    realm = Realm(
        (Role("r", (Rule(("get", "list"), ("",), ("pods",), at="r.yaml:7"),), "shop", at="r.yaml:1"),),
        (Binding("b", "r", (subject,), "shop", "shop", at="b.yaml:1"),),
    )

    assert [(one.what, one.at) for one in mutants(realm, defaults(), SERVED)] == [
        ("Role shop/r is deleted", "r.yaml:1"),
        ("Role shop/r rule 1 loses verb get", "r.yaml:7"),
        ("Role shop/r rule 1 loses verb list", "r.yaml:7"),
        ("Role shop/r rule 1 gets verb watch", "r.yaml:7"),
        ("Role shop/r rule 1 gets verb create", "r.yaml:7"),
        ("Role shop/r rule 1 gets verb delete", "r.yaml:7"),
        ("Role shop/r rule 1 gets verb *", "r.yaml:7"),
        ("Role shop/r rule 1 has * in place of pods", "r.yaml:7"),
        ("Role shop/r rule 1 gets pods/log", "r.yaml:7"),
        ("Role shop/r rule 1 gets pods/exec", "r.yaml:7"),
        ('Role shop/r rule 1 has apiGroup * in place of ""', "r.yaml:7"),
        ("RoleBinding shop/b is for Group system:authenticated in place of Group team", "b.yaml:9"),
        ("RoleBinding shop/b is for Group system:unauthenticated in place of Group team", "b.yaml:9"),
        ("RoleBinding shop/b is for Group system:authenticated, too", "b.yaml:1"),
        ("RoleBinding shop/b is for Group system:unauthenticated, too", "b.yaml:1"),
        ("RoleBinding shop/b refers to ClusterRole view", "b.yaml:1"),
        ("RoleBinding shop/b refers to ClusterRole edit", "b.yaml:1"),
        ("RoleBinding shop/b refers to ClusterRole cluster-admin", "b.yaml:1"),
        ("RoleBinding shop/b becomes a ClusterRoleBinding", "b.yaml:1"),
    ]  # fmt: skip


def test_a_subresource_is_forgotten_or_added() -> None:
    assert of_rule(Rule(("get",), ("",), ("pods/log",)))["has pods in place of pods/log"].resources == ("pods",)
    added = of_rule(Rule(("get",), ("",), ("pods", "pods/log")))
    assert added["gets pods/exec"].resources == ("pods", "pods/log", "pods/exec")
    assert added["loses pods/log"].resources == ("pods",)


def test_a_subresource_that_the_verbs_open_nothing_of_is_not_added() -> None:
    assert "gets pods/log" not in of_rule(Rule(("list",), ("",), ("pods",)))


def test_a_group_is_lost_widened_or_forgotten() -> None:
    edits = of_rule(Rule(("get",), ("metrics.k8s.io", "", "apps"), ("pods",)))

    assert edits["loses apiGroup metrics.k8s.io"].groups == ("", "apps")
    assert edits['loses apiGroup ""'].groups == ("metrics.k8s.io", "apps")
    alone = of_rule(Rule(("get",), ("metrics.k8s.io",), ("pods",)))
    assert alone['has apiGroup "" in place of metrics.k8s.io'].groups == ("",)
    assert alone["has apiGroup * in place of metrics.k8s.io"].groups == ("*",)
    assert "loses apiGroup apps" not in edits  # it serves no pods


def test_names_of_objects_are_lost_or_dropped() -> None:
    edits = of_rule(Rule(("get",), ("",), ("pods",), ("web", "db")))

    assert edits["has no resourceNames: every object"].names == ()
    assert edits["loses resourceName web"].names == ("db",)
    assert edits["loses resourceName db"].names == ("web",)


def test_paths_are_lost_and_widened() -> None:
    written = Realm(
        (Role("r", (Rule(("get",), urls=("/healthz", "/version")),)),), (Binding("b", "r", (TEAM,), at="f:1"),)
    )
    begin = "ClusterRole r rule 1 "
    edits = {what.removeprefix(begin) for what in found(written) if what.startswith(begin)}

    assert edits == {"is deleted", "has /healthz/* in place of /healthz", "has * in place of /healthz"} - {"is deleted"}


def test_a_cluster_role_gets_and_loses_the_labels_by_which_default_roles_take_it_in() -> None:
    label = "rbac.authorization.k8s.io/aggregate-to-view"
    orders = Rule(("get",), ("",), ("pods/exec",))
    viewers = Binding("v", "view", (TEAM,), "shop", "")
    plain = Realm((Role("orders", (orders,)),), (viewers,))
    clerks = Binding("c", "orders", (BANK,), "shop", "")
    labelled = Realm((Role("orders", (orders,), labels={label: "true"}),), (viewers, clerks))

    assert f"ClusterRole orders gets the label {label}" in found(plain, defaults())
    assert f"ClusterRole orders loses the label {label}" in found(labelled, defaults())
    assert not [what for what in found(plain, defaults()) if "aggregate-to-admin" in what]  # nobody is bound to that


def test_a_subject_is_lost_or_becomes_another_that_a_binding_names() -> None:
    app = Subject(Kind.ACCOUNT, "app", "shop")
    more = Realm((role(name="q"),), (binding(BANK, app, name="c", of="q"),))
    changes = found(shop(Rule(("get",), ("",), ("pods",)), more=more))

    moved = changes["RoleBinding shop/b is for Group bank in place of Group team"].realm.bindings[0]
    added = changes["RoleBinding shop/b is for ServiceAccount shop/app, too"].realm.bindings[0]
    assert moved.subjects == (BANK,)
    assert added.subjects == (TEAM, app)


def test_one_of_several_subjects_is_lost() -> None:
    realm = Realm((role(Rule(("get",), ("",), ("pods",))),), (binding(TEAM, BANK),))

    assert found(realm)["RoleBinding shop/b loses Group bank"].realm.bindings[0].subjects == (TEAM,)


def test_a_binding_refers_to_another_role_at_hand() -> None:
    more = Realm((role(Rule(("create",), ("",), ("pods",)), name="q"), role(name="far", namespace="bank")))
    changes = found(shop(Rule(("get",), ("",), ("pods",)), more=more))

    assert changes["RoleBinding shop/b refers to Role shop/q"].realm.bindings[0].role == "q"
    assert not [what for what in changes if "bank/far" in what]


def test_a_binding_of_a_namespace_becomes_one_of_the_cluster_and_stays_one_that_the_api_would_take() -> None:
    [mutant] = [one for what, one in found(shop(Rule(("get",), ("",), ("pods",)))).items() if "ClusterRoleB" in what]

    assert (mutant.realm.bindings[0].namespace, mutant.realm.bindings[0].role_namespace) == ("", "")
    assert [(one.namespace, one.name) for one in mutant.realm.roles] == [("shop", "r"), ("", "r")]


def test_a_role_and_its_bindings_move_to_each_other_namespace() -> None:
    changes = found(shop(Rule(("get",), ("",), ("pods",)), more=Realm(homes=(Home("bank"),))))

    moved = changes["Role shop/r moves to namespace bank with its bindings"].realm
    assert (moved.roles[0].namespace, moved.bindings[0].namespace, moved.bindings[0].role_namespace) == ("bank",) * 3
    assert "Role shop/r moves to namespace bank" not in changes  # it is as if it were deleted


def test_a_binding_of_a_cluster_role_moves_by_itself() -> None:
    realm = Realm((), (Binding("b", "view", (TEAM,), "shop", ""),), (Account("bank", "x"),))

    moved = found(realm, defaults())["RoleBinding shop/b moves to namespace bank"].realm
    assert moved.bindings == (Binding("b", "view", (TEAM,), "bank", ""),)


def test_nothing_moves_where_another_of_its_name_is() -> None:
    more = Realm((role(namespace="bank"),), (binding(BANK, namespace="bank"),))

    assert not [what for what in found(shop(Rule(("get",), ("",), ("pods",)), more=more)) if "moves" in what]


def test_the_defaults_are_never_changed_and_names_of_mutants_are_unique() -> None:
    everything = (*served(), *beyond())
    rules = (Rule(("get", "list"), ("", "apps"), ("pods", "deployments")), Rule(("*",), ("batch",), ("*",)))

    every = list(mutants(shop(*rules), defaults(), everything))

    assert len({one.what for one in every}) == len(every) > 30
    assert all(one.what.startswith(("Role shop/r", "RoleBinding shop/b")) for one in every)


def test_where_nothing_is_written_nothing_is_changed() -> None:
    assert found(Realm(), defaults()) == {}
