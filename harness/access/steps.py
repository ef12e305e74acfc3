"""The single steps by which rights become powers, each with the requests that open it and its source.

A step that changes an object takes it that one is there: who may patch Deployments can do so only where somebody made
one. Pods are taken to run as every ServiceAccount of their namespace, with tokens: a cluster may be safer than this,
and with tomorrow's pods no more. For the same reason a ServiceAccount that a binding names counts as made, and
impersonation constrained to some verbs (KEP 5284) as the whole. Not here are steps that need a program of the
cluster's own to play along (custom resources of operators), aggregated APIs, and rights of other authorizers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from harness.access.oracle import aggregated
from harness.access.powers import ANYBODY, Being, Inside, Power, Rewriting, Rights, Secrets, Traffic, Whole
from harness.access.request import ACCOUNT_PREFIX, AUTHENTICATED, MASTERS, UNAUTHENTICATED, Identity, Request
from harness.access.rules import EVERY, Binding, Kind, Realm, Role

NODES: Final = "system:nodes"
UNRESTRICTED: Final = ("", "privileged")
"""The Pod Security levels that forbid nothing."""

PRACTICES: Final = "https://kubernetes.io/docs/concepts/security/rbac-good-practices/"
WORKLOADS: Final = f"{PRACTICES}#workload-creation"
SECRETS: Final = f"{PRACTICES}#listing-secrets"
TOKENS: Final = f"{PRACTICES}#token-request"
CERTIFICATES: Final = f"{PRACTICES}#csrs-and-certificate-issuing"
KUBELET: Final = f"{PRACTICES}#access-to-proxy-subresource-of-nodes"
NAMESPACES: Final = f"{PRACTICES}#namespace-modification"
VOLUMES: Final = f"{PRACTICES}#persistent-volume-creation"
WEBHOOKS: Final = f"{PRACTICES}#control-admission-webhooks"
IMPERSONATION: Final = f"{PRACTICES}#impersonate-verb"
BINDING: Final = f"{PRACTICES}#bind-verb"
ESCALATION: Final = f"{PRACTICES}#escalate-verb"
BYPASS: Final = "https://kubernetes.io/docs/concepts/security/api-server-bypass-risks/"
LEGACY: Final = "https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets"
BOOTSTRAP: Final = "https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/"
POLICIES: Final = "https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/"
REFERENCE: Final = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
UPGRADES: Final = "kubernetes issues 78741 and 133515, gate AuthorizePodWebsocketUpgradeCreatePermission"

RBAC: Final = "rbac.authorization.k8s.io"
CERTS: Final = "certificates.k8s.io"
ADMISSION: Final = "admissionregistration.k8s.io"
CONSTRAINED: Final = "authentication.k8s.io"
CLIENTS: Final = "kubernetes.io/kube-apiserver-client"
KUBELETS: Final = "kubernetes.io/kube-apiserver-client-kubelet"

READ: Final = ("get", "list", "watch")
CHANGE: Final = ("patch", "update")
MAKE: Final = ("create", *CHANGE)
PROXY: Final = ("get", "create", "update", "patch", "delete")

Together: TypeAlias = tuple[Request, ...]
"""Requests that one and the same identity must be allowed."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one identity must be able to do: any one of several.

    ``one_will_do``: what has no name may be of one name alone, the same for all requests that are taken together.
    """

    either: tuple[Together, ...]
    one_will_do: bool = True


@dataclass(frozen=True, eq=False)
class Opening:
    """A step that may be there: all ``parts``, be it by several identities, and all powers ``needs`` open it."""

    gain: Power
    sentence: str
    source: str
    parts: tuple[Part, ...] = ()
    needs: tuple[Power, ...] = ()


def _part(verbs: Iterable[str], *kinds: tuple[str, str], namespace: str = "", name: str = "") -> Part:
    """Any of the verbs on any of the kinds: ``(group, resource)`` or ``(group, resource/subresource)``."""
    return Part(
        tuple(
            (Request(verb, resource, group, subresource, namespace, name),)
            for group, kind in kinds
            for resource, _, subresource in (kind.partition("/"),)
            for verb in verbs
        )
    )


class Ground:
    """What steps are about: the namespaces, ServiceAccounts, users, groups and roles that a realm knows."""

    def __init__(self, realm: Realm) -> None:
        subjects = [one for binding in realm.bindings for one in binding.subjects]
        named = {one.name for one in subjects if one.kind is Kind.USER} | _names(realm, "users")
        members = {one.name for one in subjects if one.kind is Kind.GROUP} | _names(realm, "groups")
        accounts = {(one.namespace, one.name) for one in realm.accounts}
        accounts |= {(one.namespace, one.name) for one in subjects if one.kind is Kind.ACCOUNT}
        accounts |= {one for one in (Identity(name).as_account for name in named) if one}
        self.accounts = tuple(Identity.account(*one) for one in sorted(accounts))
        self.users = (ANYBODY, *sorted(one for one in named if not one.startswith(ACCOUNT_PREFIX)))
        self.groups = tuple(sorted(members - {MASTERS, NODES, AUTHENTICATED, UNAUTHENTICATED}))
        self.levels = {one.name: one.level for one in realm.homes}
        scopes = {one.namespace for one in realm.bindings} | {one.namespace for one in realm.roles}
        self.namespaces = tuple(sorted({*self.levels, *scopes, *(one for one, _ in accounts)} - {""}))
        self.roles = aggregated(realm.roles)
        self.bindings = realm.bindings
        self.secrets = tuple(sorted(_names(realm, "secrets")))


def _names(realm: Realm, resource: str) -> set[str]:
    """The names by which rules restrict a resource of the core."""
    rules = (rule for role in realm.roles for rule in role.rules)
    return {name for rule in rules if {resource, EVERY} & {*rule.resources} for name in rule.names}


def openings(realm: Realm, *, upgrades: bool = False) -> Iterator[Opening]:
    """Every step that rights in a realm could open.

    ``upgrades``: a GET that asks for a WebSocket is enough for exec, attach and port-forward, as it was before
    Kubernetes 1.35.
    """
    ground = Ground(realm)
    yield Opening(
        Whole.EVERYBODY, "may do everything", REFERENCE, (replace(_part([EVERY], (EVERY, EVERY)), one_will_do=False),)
    )
    for namespace in ground.namespaces:
        yield from _in_namespace(ground, namespace, upgrades=upgrades)
    yield from _everywhere(ground)
    yield from _impersonating(ground)
    yield from _certificates(ground)
    yield from _binding(ground)
    yield from _escalating(ground)


def _in_namespace(ground: Ground, namespace: str, *, upgrades: bool) -> Iterator[Opening]:
    part = partial(_part, namespace=namespace)
    pods = _pods(namespace)
    read = part(READ, ("", "secrets"))
    stream = ("create", "get") if upgrades else ("create",)
    for identity in ground.accounts:
        account = identity.as_account
        if account is None or account[0] != namespace:
            continue
        being, name = Being(identity), account[1]
        yield Opening(being, f"runs a pod as {identity}", WORKLOADS, (pods,))
        yield Opening(
            being,
            f"asks for a token of {identity}",
            TOKENS,
            (part(["create"], ("", "serviceaccounts/token"), name=name),),
        )
        make = part(["create"], ("", "secrets"))
        yield Opening(being, f"makes a Secret that is given a token of {identity}, and reads it", LEGACY, (make, read))
        yield Opening(being, "reads the token in a pod", WORKLOADS, needs=(Inside(namespace),))
    yield Opening(Secrets(namespace), "reads them", SECRETS, (replace(read, one_will_do=False),))
    yield Opening(Secrets(namespace), "runs a pod that mounts them", WORKLOADS, (pods,))
    for name in ground.secrets:
        yield Opening(Secrets(namespace, name), "reads it", SECRETS, (part(READ, ("", "secrets"), name=name),))
    inside, traffic = Inside(namespace), Traffic(namespace)
    yield Opening(inside, "runs a program in a pod", UPGRADES, (part(stream, ("", "pods/exec")),))
    yield Opening(inside, "speaks to a pod's program", UPGRADES, (part(stream, ("", "pods/attach")),))
    yield Opening(inside, "adds a container to a pod", WORKLOADS, (part(CHANGE, ("", "pods/ephemeralcontainers")),))
    yield Opening(inside, "gives a pod another image", WORKLOADS, (part(CHANGE, ("", "pods")),))
    yield Opening(inside, "is on the pods' node", BYPASS, needs=(Whole.NODE,))
    yield Opening(traffic, "forwards a port", UPGRADES, (part(stream, ("", "pods/portforward")),))
    proxied = part(PROXY, ("", "pods/proxy"), ("", "services/proxy"))
    yield Opening(traffic, "connects through the API server", BYPASS, (proxied,))
    if ground.levels.get(namespace, "") in UNRESTRICTED:
        yield Opening(Whole.NODE, "runs a privileged pod", WORKLOADS, (pods,))
    else:
        label = part(CHANGE, ("", "namespaces"), name=namespace)
        yield Opening(
            Whole.NODE, f"lifts the Pod Security of {namespace}, runs a privileged pod", NAMESPACES, (label, pods)
        )
    claims = part(["create"], ("", "persistentvolumeclaims"), ("apps", "statefulsets"))
    volume = _part(MAKE, ("", "persistentvolumes"))
    yield Opening(Whole.NODE, "mounts a volume that is a node's own folder", VOLUMES, (volume, claims, pods))


def _pods(namespace: str) -> Part:
    """Making pods of one's own. The template of a Job that is there cannot be changed, nor most of a pod."""
    templates = tuple(("apps", one) for one in ("deployments", "statefulsets", "daemonsets", "replicasets"))
    made = _part(["create"], ("", "pods"), ("batch", "jobs"), namespace=namespace)
    changed = _part(MAKE, *templates, ("batch", "cronjobs"), ("", "replicationcontrollers"), namespace=namespace)
    return Part((*made.either, *changed.either))


def _everywhere(ground: Ground) -> Iterator[Opening]:
    kubelet = _part(["get", "create"], ("", "nodes/proxy"))
    seen = _part(MAKE, (ADMISSION, "validatingwebhookconfigurations"))
    for namespace in ground.namespaces:
        yield Opening(Inside(namespace), "runs a program in a pod by the kubelet", KUBELET, (kubelet,))
        yield Opening(Secrets(namespace), "is shown each that is written, by a webhook", WEBHOOKS, (seen,))
    changed = _part(MAKE, (ADMISSION, "mutatingwebhookconfigurations"))
    yield Opening(Whole.EVERYBODY, "changes whatever is written, by a webhook", WEBHOOKS, (changed,))
    policy, bound = (ADMISSION, "mutatingadmissionpolicies"), (ADMISSION, "mutatingadmissionpolicybindings")
    sentence = "changes whatever is written, by a policy"
    yield Opening(Whole.EVERYBODY, sentence, POLICIES, (_part(CHANGE, policy),))
    yield Opening(Whole.EVERYBODY, sentence, POLICIES, (_part(["create"], policy), _part(MAKE, bound)))


def _impersonating(ground: Ground) -> Iterator[Opening]:
    """Headers ``Impersonate-User`` and ``Impersonate-Group``; each is authorized, and the second needs the first.

    Source: ``pkg/endpoints/filters/impersonation`` of k8s.io/apiserver, which also gives a ServiceAccount its groups.
    """
    for user in ground.users:
        sentence = f"impersonates {'a user whom no binding names' if user == ANYBODY else user}"
        yield Opening(Being(Identity.user(user)), sentence, IMPERSONATION, (_impersonate("users", "user-info", user),))
    for identity in ground.accounts:
        namespace, name = identity.as_account or ("", "")
        part = _impersonate("serviceaccounts", "serviceaccount", name, namespace)
        yield Opening(Being(identity), f"impersonates {identity}", IMPERSONATION, (part,))
    for group, gain in _groups(ground):
        (as_group,), (as_group_too,) = _impersonate("groups", "user-info", group).either
        (somebody,), (somebody_too,) = _impersonate("users", "user-info").either
        accounts = [Request("impersonate", "serviceaccounts", namespace=one) for one in ground.namespaces]
        both = ((as_group, somebody), (as_group_too, somebody_too), *((as_group, one) for one in accounts))
        yield Opening(gain, f"impersonates somebody in group {group}", IMPERSONATION, (Part(both),))
    nodes = _part(["impersonate:arbitrary-node", "impersonate:associated-node"], (CONSTRAINED, "nodes"))
    yield Opening(Whole.NODE, "impersonates a node", IMPERSONATION, (nodes,))


def _impersonate(resource: str, mode: str, name: str = "", namespace: str = "") -> Part:
    whole = Request("impersonate", resource, "", "", namespace, name)
    return Part(((whole,), (Request(f"impersonate:{mode}", resource, CONSTRAINED, "", namespace, name),)))


def _groups(ground: Ground) -> Iterator[tuple[str, Power]]:
    """The groups, with what it is to be in each."""
    yield MASTERS, Whole.EVERYBODY
    yield NODES, Whole.NODE
    yield from ((group, Being.member(group)) for group in ground.groups)


def _certificates(ground: Ground) -> Iterator[Opening]:
    """Who approves his own request is whom it names. The signer of the cluster issues it.

    Not system:masters, which admission refuses (CertificateSubjectRestriction). The verb ``sign`` is no step: it lets a
    certificate be handed out, and to make one takes the authority's key.
    """
    ask = _part(["create"], (CERTS, "certificatesigningrequests"))
    approve = _approve(CLIENTS)
    for user in ground.users[1:]:
        yield Opening(Being(Identity.user(user)), f"has a certificate for {user}", CERTIFICATES, (ask, approve))
    for identity in ground.accounts:
        yield Opening(Being(identity), f"has a certificate for {identity}", CERTIFICATES, (ask, approve))
    for group, gain in _groups(ground):
        if group != MASTERS:
            yield Opening(gain, f"has a certificate for group {group}", CERTIFICATES, (ask, approve))
    yield Opening(Whole.NODE, "has a node's certificate", CERTIFICATES, (ask, _approve(KUBELETS)))
    requests = (Request("create", "certificatesigningrequests", CERTS, one) for one in ("", "nodeclient"))
    itself = Part((tuple(requests),))  # asked for by one: whether he may have it approved is looked up for who asked
    yield Opening(Whole.NODE, "has a node's certificate, which is approved by itself", BOOTSTRAP, (itself,))


def _approve(signer: str) -> Part:
    """Approving needs both rights at once; ``kubernetes.io/*`` stands for all signers of that domain."""
    changes = _part(CHANGE, (CERTS, "certificatesigningrequests/approval")).either
    signers = [Request("approve", "signers", CERTS, name=one) for one in (signer, "kubernetes.io/*")]
    return Part(tuple((*change, one) for change in changes for one in signers))


def _binding(ground: Ground) -> Iterator[Opening]:
    """Without ``bind`` a binding grants no more than its maker has, which is no gain.

    One that is there can get another subject, but no other role. Source: ``pkg/registry/rbac`` of Kubernetes.
    """
    there: dict[tuple[str, str, str], list[Binding]] = {}
    for binding in ground.bindings:
        there.setdefault((binding.namespace, binding.role_namespace, binding.role), []).append(binding)
    for scope in ("", *ground.namespaces):
        kind = "rolebindings" if scope else "clusterrolebindings"
        for role in ground.roles:
            if role.namespace in ("", scope):
                bind = Request("bind", _plural(role), RBAC, "", scope, role.name)
                ways = [Request("create", kind, RBAC, "", scope)]
                for binding in there.get((scope, role.namespace, role.name), ()):
                    ways += [Request(verb, kind, RBAC, "", scope, binding.name) for verb in CHANGE]
                part = Part(tuple((bind, way) for way in ways))
                yield Opening(Rights(role.name, scope, role.namespace), f"binds {role}", BINDING, (part,))


def _escalating(ground: Ground) -> Iterator[Opening]:
    """What is written into a role, all have who are bound to it.

    With a new ClusterRole that an aggregated one selects, the controller does the writing.
    """
    for role in ground.roles:
        rewriting = Rewriting(role.name, role.namespace)
        escalate, *changes = (
            Request(verb, _plural(role), RBAC, "", role.namespace, role.name) for verb in ("escalate", *CHANGE)
        )
        part = Part(tuple((escalate, change) for change in changes))
        yield Opening(rewriting, f"rewrites {role}", ESCALATION, (part,))
        if role.aggregates:
            part = Part((tuple(Request(verb, "clusterroles", RBAC) for verb in ("escalate", "create")),))
            yield Opening(rewriting, f"makes a ClusterRole that {role} aggregates", ESCALATION, (part,))


def _plural(role: Role) -> str:
    return "roles" if role.namespace else "clusterroles"
