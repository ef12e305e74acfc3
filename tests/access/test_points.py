"""What RBAC means, as a table: what Kubernetes says, where it says so, and the verdict.

The expectations are taken from the sources by hand, never from the model. The sources are files and issues of
Kubernetes, or of the project that is named, and pages of its documentation.

Roles and bindings are written as YAML and parsed. ``# here`` marks a line that must be among the reasons.
"""

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from harness.access.oracle import Oracle
from harness.access.parse import realm_of
from harness.access.request import Identity, Request
from harness.kube.manifests import load

HERE = "# here"
HELPERS = "pkg/apis/rbac/v1/evaluation_helpers.go"
RESOLVER = "pkg/registry/rbac/validation/rule.go"
AUTHORIZER = "plugin/pkg/auth/authorizer/rbac/rbac.go"
CONTROLLER = "pkg/controller/clusterroleaggregation"
REQUEST_INFO = "RequestInfoFactory of k8s.io/apiserver, pkg/endpoints/request/requestinfo.go"
PAGE = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"

JANE = Identity.user("jane", ["shop"])
TILL = Identity.account("shop", "till")
ANONYMOUS = Identity.anonymous()


def role(rules: str, kind: str = "Role", name: str = "worker", labels: str = "") -> str:
    """A role with rules in flow style, one a line."""
    where = ", namespace: shop" if kind == "Role" else ""
    labelled = f", labels: {labels}" if labels else ""
    lines = "".join(f"\n  - {line}" for line in dedent(rules).strip().splitlines())
    head = f"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\n"
    return f"{head}metadata: {{name: {name}{where}{labelled}}}\nrules:{lines}\n"


def aggregate(selector: str, name: str = "worker", labels: str = "", rules: str = "") -> str:
    """A ClusterRole whose rules the controller writes."""
    labelled = f", labels: {labels}" if labels else ""
    head = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"
    rule = f"aggregationRule: {{clusterRoleSelectors: [{selector}]}}\n"
    return f"{head}metadata: {{name: {name}{labelled}}}\n{rule}" + (f"rules: [{rules}]\n" if rules else "")


def bind(subject: str = "{kind: User, name: jane}", to: str = "Role/worker", namespace: str = "shop") -> str:
    """A binding of ``kind/name``: a RoleBinding, or a ClusterRoleBinding where no namespace is given."""
    kind, _, name = to.partition("/")
    meta = f"metadata: {{name: those{f', namespace: {namespace}' if namespace else ''}}}"
    reference = f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}"
    head = f"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {'' if namespace else 'Cluster'}RoleBinding\n"
    return f"{head}{meta}\n{reference}\nsubjects: [{subject}]\n"


def rule(resources: str, verbs: str = "get", groups: str = '""', names: str = "") -> str:
    """A rule in flow style."""
    named = f", resourceNames: [{names}]" if names else ""
    return f"{{apiGroups: [{groups}], resources: [{resources}], verbs: [{verbs}]{named}}}"


def urls(paths: str, verbs: str = "get") -> str:
    """A rule for paths that are no resources."""
    return f"{{nonResourceURLs: [{paths}], verbs: [{verbs}]}}"


def in_shop(
    verb: str = "get", resource: str = "pods", name: str = "", group: str = "", subresource: str = ""
) -> Request:
    return Request(verb, resource, group, subresource, "shop", name)


@dataclass(frozen=True)
class Row:
    """A request of somebody under some roles and bindings."""

    says: str
    source: str
    manifests: str
    request: Request
    allowed: bool
    who: Identity = JANE

    def __str__(self) -> str:
        return self.says


def named(names: str, verbs: str) -> str:
    """Jane has a rule that is restricted to names."""
    return role(rule("pods", verbs, names=names)) + bind()


def everywhere(rules: str) -> str:
    """Jane has a ClusterRole by a ClusterRoleBinding."""
    return role(rules, "ClusterRole") + bind(to="ClusterRole/worker", namespace="")


VIEW = "{matchLabels: {to-view: yes-it-is}}"
VIEWED = "{to-view: yes-it-is}"
PODS = rule("pods")
WORKER = role(PODS)
LOGS = in_shop(subresource="log")
SCALE = in_shop("update", "deployments", "web", "apps", "scale")
METRICS = Request("get", url="/metrics")
HEALTH = Request("get", url="/healthz/etcd")
NODES = Request("list", "nodes")

ROWS = [
    # Rules only ever allow.
    Row("without a binding nothing is allowed", PAGE, WORKER, in_shop(), allowed=False),
    Row("what a rule allows is allowed", PAGE, WORKER + bind(), in_shop(), allowed=True),
    Row(
        "no rule takes away what another one gives",
        f"{PAGE}: permissions are purely additive",
        role(f"{rule('pods', 'list')}\n{PODS} {HERE}") + bind(),
        in_shop(),
        allowed=True,
    ),
    # Verbs, groups and resources are exact, or a star.
    Row("a verb is no other verb", HELPERS, WORKER + bind(), in_shop("list"), allowed=False),
    Row("a star is every verb", HELPERS, role(rule("pods", '"*"')) + bind(), in_shop("frobnicate"), allowed=True),
    Row("a star in a verb's name is a letter", HELPERS, role(rule("pods", '"ge*"')) + bind(), in_shop(), allowed=False),
    Row("verbs have no capitals", HELPERS, role(rule("pods", "Get")) + bind(), in_shop(), allowed=False),
    Row("a group is no other group", HELPERS, role(rule("pods", groups="apps")) + bind(), in_shop(), allowed=False),
    Row("a star is every group", HELPERS, role(rule("pods", groups='"*"')) + bind(), in_shop(), allowed=True),
    Row(
        "the core's group is empty, and no star",
        HELPERS,
        role(rule("deployments")) + bind(),
        in_shop(resource="deployments", group="apps"),
        allowed=False,
    ),
    Row("a resource is no other one", HELPERS, role(rule("services")) + bind(), in_shop(), allowed=False),
    # Subresources.
    Row("pods are not their logs", f"{HELPERS}; checkov 2938", WORKER + bind(), LOGS, allowed=False),
    Row("logs are not their pods", HELPERS, role(rule("pods/log")) + bind(), in_shop(), allowed=False),
    Row("a subresource is named with its resource", HELPERS, role(rule("pods/log")) + bind(), LOGS, allowed=True),
    Row("a star is every resource and subresource", HELPERS, role(rule('"*"')) + bind(), LOGS, allowed=True),
    Row(
        "a star before a slash is that subresource of all",
        HELPERS,
        role(rule('"*/scale"', "update", "apps")) + bind(),
        SCALE,
        allowed=True,
    ),
    Row(
        "a star before a slash is no other subresource",
        HELPERS,
        role(rule('"*/scale"', "update", "apps")) + bind(),
        in_shop("update", "deployments", "web", "apps", "status"),
        allowed=False,
    ),
    Row(
        "a star before a slash is not the resource itself",
        HELPERS,
        role(rule('"*/scale"', "update", "apps")) + bind(),
        in_shop("update", "deployments", "web", "apps"),
        allowed=False,
    ),
    Row(
        "a star behind a slash is nothing",
        f"{HELPERS}; issue 78936",
        role(rule('"pods/*"')) + bind(),
        LOGS,
        allowed=False,
    ),
    Row("two stars with a slash are nothing", HELPERS, role(rule('"*/*"')) + bind(), LOGS, allowed=False),
    Row(
        "a subresource is no object of that name",
        "issues 108706 and 70920",
        role(rule("pods", names="exec")) + bind(),
        in_shop(subresource="exec"),
        allowed=False,
    ),
    # Names.
    Row("a rule without names is for all", HELPERS, WORKER + bind(), in_shop(name="web"), allowed=True),
    Row("a name is exact", HELPERS, named("web", "get"), in_shop(name="web"), allowed=True),
    Row("a name is no other name", HELPERS, named("web", "get"), in_shop(name="web-2"), allowed=False),
    Row("a star in a name is a letter", "issue 56582", named('"web-*"', "get"), in_shop(name="web-2"), allowed=False),
    Row("a star is no name", "issue 56582", named('"*"', "get"), in_shop(name="web"), allowed=False),
    Row("names and create do not go together", PAGE, named("web", "create"), in_shop("create"), allowed=False),
    Row(
        "names and deletecollection do not go together",
        PAGE,
        named("web", "deletecollection"),
        in_shop("deletecollection"),
        allowed=False,
    ),
    Row("a list of all is no list of one", PAGE, named("web", "list"), in_shop("list"), allowed=False),
    Row(
        "a list or watch of one has the name of its field selector",
        f"{PAGE}; {REQUEST_INFO}",
        named("web", "watch"),
        in_shop("watch", name="web"),
        allowed=True,
    ),
    Row(
        "an apply that creates has the object's name",
        "pkg/endpoints/handlers/patch.go of k8s.io/apiserver",
        named("web", "create"),
        in_shop("create", name="web"),
        allowed=True,
    ),
    Row(
        "a subresource is created by the name of its object",
        REQUEST_INFO,
        role(rule("pods/exec", "create", names="web")) + bind(),
        in_shop("create", name="web", subresource="exec"),
        allowed=True,
    ),
    # Paths that are no resources.
    Row("a path is exact", HELPERS, everywhere(urls("/metrics")), METRICS, allowed=True),
    Row("a path is no other path", HELPERS, everywhere(urls("/healthz")), HEALTH, allowed=False),
    Row("a path's last star is any end", HELPERS, everywhere(urls('"/healthz/*"')), HEALTH, allowed=True),
    Row("a path's last star needs what is before it", HELPERS, everywhere(urls('"/livez/*"')), HEALTH, allowed=False),
    Row("a star is every path", HELPERS, everywhere(urls('"*"')), METRICS, allowed=True),
    Row("a path has verbs, too", AUTHORIZER, everywhere(urls("/metrics", "post")), METRICS, allowed=False),
    Row("all resources are no path", AUTHORIZER, everywhere(rule('"*"', '"*"', '"*"')), METRICS, allowed=False),
    Row("all paths are no resource", AUTHORIZER, everywhere(urls('"*"', '"*"')), in_shop(), allowed=False),
    Row(
        "a path is not granted in a namespace",
        RESOLVER,
        role(urls("/metrics"), "ClusterRole") + bind(to="ClusterRole/worker"),
        METRICS,
        allowed=False,
    ),
    # Bindings.
    Row(
        "a RoleBinding grants a ClusterRole in its namespace",
        f"{RESOLVER}; kubectl-who-can 31",
        role(f"{PODS} {HERE}", "ClusterRole") + bind(to="ClusterRole/worker"),
        in_shop(),
        allowed=True,
    ),
    Row(
        "a RoleBinding grants nothing in another namespace",
        RESOLVER,
        role(PODS, "ClusterRole") + bind(to="ClusterRole/worker"),
        Request("get", "pods", namespace="bank"),
        allowed=False,
    ),
    Row(
        "a RoleBinding grants nothing of all namespaces at once",
        RESOLVER,
        role(PODS, "ClusterRole") + bind(to="ClusterRole/worker"),
        Request("get", "pods"),
        allowed=False,
    ),
    Row(
        "a RoleBinding grants nothing that lies in no namespace",
        "issue 75970",
        role(rule("nodes", "list"), "ClusterRole") + bind(to="ClusterRole/worker"),
        NODES,
        allowed=False,
    ),
    Row(
        "a request for a namespace by its name lies in it",
        REQUEST_INFO,
        role(rule("namespaces")) + bind(),
        in_shop(resource="namespaces", name="shop"),
        allowed=True,
    ),
    Row("a ClusterRoleBinding grants everywhere", RESOLVER, everywhere(PODS), in_shop(), allowed=True),
    Row(
        "a ClusterRoleBinding grants what lies nowhere",
        RESOLVER,
        everywhere(rule("nodes", "list")),
        NODES,
        allowed=True,
    ),
    Row("a role that is not there grants nothing", RESOLVER, bind(to="Role/gone"), in_shop(), allowed=False),
    Row(
        "a ClusterRole is no Role of that name",
        RESOLVER,
        role(PODS, "ClusterRole") + bind(to="Role/worker"),
        in_shop(),
        allowed=False,
    ),
    # Subjects.
    Row("a user is no other user", RESOLVER, WORKER + bind("{kind: User, name: joan}"), in_shop(), allowed=False),
    Row("a group is all its members", RESOLVER, WORKER + bind("{kind: Group, name: shop}"), in_shop(), allowed=True),
    Row(
        "a group is no user of that name",
        RESOLVER,
        WORKER + bind("{kind: Group, name: jane}"),
        in_shop(),
        allowed=False,
    ),
    Row(
        "a user is no group of that name", RESOLVER, WORKER + bind("{kind: User, name: shop}"), in_shop(), allowed=False
    ),
    Row(
        "a ServiceAccount is named with its namespace",
        RESOLVER,
        WORKER + bind("{kind: ServiceAccount, name: till, namespace: shop}"),
        in_shop(),
        allowed=True,
        who=TILL,
    ),
    Row(
        "a ServiceAccount without a namespace is one of the binding's",
        f"appliesToUser in {RESOLVER}",
        WORKER + bind("{kind: ServiceAccount, name: till}"),
        in_shop(),
        allowed=True,
        who=TILL,
    ),
    Row(
        "a ServiceAccount is no other namespace's",
        RESOLVER,
        WORKER + bind("{kind: ServiceAccount, name: till, namespace: bank}"),
        in_shop(),
        allowed=False,
        who=TILL,
    ),
    Row(
        "a ServiceAccount is a user by its long name",
        "serviceaccount.MakeUsername of k8s.io/apiserver",
        WORKER + bind('{kind: User, name: "system:serviceaccount:shop:till"}'),
        in_shop(),
        allowed=True,
        who=TILL,
    ),
    Row(
        "a ServiceAccount is no user by its short name",
        RESOLVER,
        WORKER + bind("{kind: User, name: till}"),
        in_shop(),
        allowed=False,
        who=TILL,
    ),
    *(
        Row(
            f"a ServiceAccount is in {group}",
            "serviceaccount.MakeGroupNames of k8s.io/apiserver; istio 58120",
            WORKER + bind(f'{{kind: Group, name: "{group}"}}'),
            in_shop(),
            allowed=True,
            who=TILL,
        )
        for group in ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated")
    ),
    Row(
        "a ServiceAccount is not in the group of another namespace",
        "serviceaccount.MakeGroupNames of k8s.io/apiserver",
        WORKER + bind('{kind: Group, name: "system:serviceaccounts:bank"}'),
        in_shop(),
        allowed=False,
        who=TILL,
    ),
    Row(
        "everybody with a credential is authenticated",
        f"{PAGE}#default-roles-and-role-bindings",
        WORKER + bind('{kind: Group, name: "system:authenticated"}'),
        in_shop(),
        allowed=True,
    ),
    Row(
        "nobody is authenticated without a credential",
        f"{PAGE}#default-roles-and-role-bindings",
        WORKER + bind('{kind: Group, name: "system:authenticated"}'),
        in_shop(),
        allowed=False,
        who=ANONYMOUS,
    ),
    Row(
        "who shows no credential is anonymous",
        "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests",
        WORKER + bind('{kind: User, name: "system:anonymous"}'),
        in_shop(),
        allowed=True,
        who=ANONYMOUS,
    ),
    Row(
        "a member of system:masters passes by every rule",
        f"{PAGE}#user-facing-roles",
        "",
        HEALTH,
        allowed=True,
        who=Identity.user("root", ["system:masters"]),
    ),
    # Aggregation.
    Row(
        "an aggregated role has the rules of all that it selects",
        CONTROLLER,
        aggregate(VIEW) + role(f"{PODS} {HERE}", "ClusterRole", "more", VIEWED) + bind(to="ClusterRole/worker"),
        in_shop(),
        allowed=True,
    ),
    Row(
        "an aggregated role has no rules of others",
        CONTROLLER,
        aggregate(VIEW) + role(PODS, "ClusterRole", "more", "{to-view: no-it-is-not}") + bind(to="ClusterRole/worker"),
        in_shop(),
        allowed=False,
    ),
    Row(
        "what is written into an aggregated role is overwritten",
        f"{PAGE}#aggregated-clusterroles",
        aggregate(VIEW, rules=PODS) + bind(to="ClusterRole/worker"),
        in_shop(),
        allowed=False,
    ),
    Row(
        "an aggregated role does not select itself",
        CONTROLLER,
        aggregate(VIEW, labels=VIEWED, rules=PODS) + bind(to="ClusterRole/worker"),
        in_shop(),
        allowed=False,
    ),
    Row(
        "aggregation goes on through an aggregated role",
        "bootstrappolicy: edit is aggregated to admin, view to edit",
        aggregate("{matchLabels: {to: top}}")
        + aggregate(VIEW, "middle", "{to: top}")
        + role(f"{PODS} {HERE}", "ClusterRole", "more", VIEWED)
        + bind(to="ClusterRole/worker"),
        in_shop(),
        allowed=True,
    ),
    Row(
        "any of several selectors is enough",
        CONTROLLER,
        aggregate("{matchLabels: {to: nobody}}, {matchExpressions: [{key: to-view, operator: Exists}]}")
        + role(f"{PODS} {HERE}", "ClusterRole", "more", VIEWED)
        + bind(to="ClusterRole/worker"),
        in_shop(),
        allowed=True,
    ),
    Row(
        "a Role is aggregated by none",
        CONTROLLER,
        aggregate(VIEW) + role(PODS, "Role", "more", VIEWED) + bind(to="ClusterRole/worker"),
        in_shop(),
        allowed=False,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_request_is_allowed_or_denied_as_kubernetes_does(row: Row, tmp_path: Path) -> None:
    file = tmp_path / "rbac.yaml"
    file.write_text(row.manifests)

    decision = Oracle(realm_of(load(file) if row.manifests else ())).decide(row.who, row.request)

    assert decision.allowed is row.allowed, f"{row.source} says otherwise than the model: {decision}"
    marked = {f"{file}:{number}" for number, line in enumerate(row.manifests.splitlines(), 1) if HERE in line}
    assert marked <= {reason.at for reason in decision.reasons}
