"""From manifests, and from what a cluster gives, to a realm. What schemas do not see is checked as the API server does.

Source: ``pkg/apis/rbac/validation/validation.go`` of Kubernetes 1.36. Other kinds are passed over: a Deployment says
nothing about who may do what.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from harness.access.rules import EVERY, Account, Binding, Home, Kind, Realm, Role, Rule, Subject
from harness.errors import ManifestError
from harness.kube.fields import Field, of_manifest, of_object
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest
from harness.kube.selectors import selector_of

GROUP: Final = "rbac.authorization.k8s.io"
API_VERSION: Final = f"{GROUP}/v1"
LEVEL: Final = "pod-security.kubernetes.io/enforce"
ROLES: Final = ("Role", "ClusterRole")
BINDINGS: Final = ("RoleBinding", "ClusterRoleBinding")

Thing: TypeAlias = Role | Binding | Account | Home
_T = TypeVar("_T", Role, Binding, Account, Home)


def realm_of(manifests: Iterable[Manifest]) -> Realm:
    """The roles, bindings, ServiceAccounts and namespaces among some manifests, in their order.

    Namespaces get a ServiceAccount ``default``, as every cluster gives them one. Raises ManifestError, which lists
    everything that is wrong, each with ``file:line`` of its first wrong field.
    """
    found: list[Thing] = []
    wrong: list[ManifestError] = []
    for manifest in manifests:
        try:
            found += _things(of_manifest(manifest), typed=True)
        except ManifestError as error:
            wrong.append(error)
    if wrong:
        raise ManifestError.of(wrong)
    return _realm(found, on_doubles=_refuse)


def realm_of_objects(bodies: Iterable[JsonObject]) -> Realm:
    """The same of objects as a cluster gives them, with ``apiVersion`` and ``kind``; ``at`` is what they are there."""
    found: list[Thing] = []
    for body in bodies:
        meta = body["metadata"]
        name = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
        found += _things(of_object(body, f"{body['kind']} {name} on the cluster"), typed=False)
    return _realm(found, on_doubles=lambda _first, _second: None)


def joined(written: Realm, live: Realm, owned: Iterable[str] = ()) -> Realm:
    """One realm of files and a cluster: what is written counts where both have it.

    In the namespaces ``owned`` only what is written counts, since a table judges roles as their owners wrote them;
    ServiceAccounts there are those of both.
    """
    homes = frozenset(owned)
    others = replace(
        live,
        roles=tuple(one for one in live.roles if one.namespace not in homes),
        bindings=tuple(one for one in live.bindings if one.namespace not in homes),
    )
    return Realm(
        _first((*written.roles, *others.roles)),
        _first((*written.bindings, *others.bindings)),
        _first((*written.accounts, *others.accounts)),
        _first((*written.homes, *others.homes)),
    )


def _realm(found: Iterable[Thing], on_doubles: Callable[[Thing, Thing], None]) -> Realm:
    everything = tuple(found)
    known: dict[tuple[type[Thing], str, str], Thing] = {}
    for one in everything:
        first = known.setdefault(_key(one), one)
        if first is not one and not isinstance(one, Account):  # that of a namespace may be written as well
            on_doubles(first, one)
    return Realm(
        tuple(one for one in known.values() if isinstance(one, Role)),
        tuple(one for one in known.values() if isinstance(one, Binding)),
        tuple(one for one in known.values() if isinstance(one, Account)),
        tuple(one for one in known.values() if isinstance(one, Home)),
    )


def _refuse(first: Thing, second: Thing) -> None:
    raise ManifestError(second.at, str(second), f"is defined already, at {first.at}")


def _first(things: tuple[_T, ...]) -> tuple[_T, ...]:
    known: dict[object, _T] = {}
    for one in things:
        known.setdefault(_key(one), one)
    return tuple(known.values())


def _key(one: Thing) -> tuple[type[Thing], str, str]:
    return type(one), getattr(one, "namespace", ""), one.name


def _things(body: Field, *, typed: bool) -> list[Thing]:
    """What an object is to the realm: nothing, for most kinds.

    What somebody typed is held to more than the API server asks for: what it takes and passes over is a slip.
    """
    kind = str(body["kind"].value)
    group, _, version = str(body["apiVersion"].value).rpartition("/")
    if kind in (*ROLES, *BINDINGS) and group in (GROUP, "authorization.openshift.io"):
        if f"{group}/{version}" != API_VERSION:
            raise body["apiVersion"].wrong(f"{group}/{version} {kind} is not known to the model: write {API_VERSION}")
        return [_role(body, typed=typed) if kind in ROLES else _binding(body, typed=typed)]
    if (group, kind) == ("", "ServiceAccount"):
        return [Account(body.namespace(), body.object_name(), body.at)]
    if (group, kind) == ("", "Namespace"):
        name = body.object_name()
        level = body["metadata"]["labels"][LEVEL].value
        return [Home(name, str(level or ""), body.at), Account(name, "default", body.at)]
    return []


def _role(body: Field, *, typed: bool) -> Role:
    cluster = body["kind"].value == "ClusterRole"
    selectors = []
    for one in body["aggregationRule"]["clusterRoleSelectors"]:
        selector = selector_of(one)
        if selector is None:
            raise one.wrong("is null: write a label selector")
        selectors.append(selector)
    if body["aggregationRule"].value is not None and not selectors:
        raise body["aggregationRule"].wrong("selects nothing: write at least one of clusterRoleSelectors")
    labels: Mapping[str, str] = dict(body["metadata"]["labels"].labels())
    return Role(
        name=_segment(body["metadata"]["name"]),
        rules=tuple(_rule(one, cluster=cluster, typed=typed) for one in body["rules"]),
        namespace="" if cluster else body.namespace(),
        labels=labels,
        aggregates=tuple(selectors),
        at=body.at,
    )


def _rule(rule: Field, *, cluster: bool, typed: bool) -> Rule:
    verbs, groups, resources, names, urls = (
        tuple(str(one.value) for one in rule[key])
        for key in ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    )
    if not verbs:
        raise rule["verbs"].wrong(f"is empty: write at least one verb, or {EVERY!r} for all of them")
    if urls:
        if not cluster:
            raise rule["nonResourceURLs"].wrong("has no meaning in a namespace: only a ClusterRole can have it")
        if groups or resources or names:
            raise rule.wrong("has nonResourceURLs and resources: write two rules")
        for one in rule["nonResourceURLs"]:
            url = str(one.value)
            if typed and url != EVERY and (not url.startswith("/") or EVERY in url[:-1]):
                raise one.wrong(f"{url!r} is no path: begin it with /, and write * at its end or not at all")
        return Rule(verbs, urls=urls, at=rule.at)
    if not groups:
        raise rule["apiGroups"].wrong('is empty: write the groups of the resources, "" for the core\'s')
    if not resources:
        raise rule["resources"].wrong("is empty: write at least one resource")
    return Rule(verbs, groups, resources, names, at=rule.at)


def _binding(body: Field, *, typed: bool) -> Binding:
    cluster = body["kind"].value == "ClusterRoleBinding"
    namespace = "" if cluster else body.namespace()
    reference = body["roleRef"]
    if str(reference["apiGroup"].value or GROUP) != GROUP:  # the API server fills in an absent one
        raise reference["apiGroup"].wrong(f"{reference['apiGroup'].value!r} is not known here: write {GROUP}")
    kind = reference["kind"].value
    if kind not in ROLES or (cluster and kind != "ClusterRole"):
        allowed = "ClusterRole" if cluster else "Role or ClusterRole"
        raise reference["kind"].wrong(f"{kind!r} is not known here: write {allowed}")
    return Binding(
        name=_segment(body["metadata"]["name"]),
        role=_segment(reference["name"]),
        subjects=tuple(_subject(one, namespace, typed=typed) for one in body["subjects"]),
        namespace=namespace,
        role_namespace=namespace if kind == "Role" else "",
        at=body.at,
    )


def _subject(subject: Field, namespace: str, *, typed: bool) -> Subject:
    try:
        kind = Kind(subject["kind"].value)
    except ValueError as error:
        raise subject["kind"].wrong(f"{subject['kind'].value!r} is nobody: write one of {', '.join(Kind)}") from error
    if not subject["name"].value:
        raise subject["name"].wrong("is empty: write whom the binding is for")
    wanted = "" if kind is Kind.ACCOUNT else GROUP
    group = str(subject["apiGroup"].value or wanted)  # the same
    if group != wanted:
        raise subject["apiGroup"].wrong(f"{group!r} is not that of a {kind}: write {wanted!r}")
    home = str(subject["namespace"].value or "")
    if kind is not Kind.ACCOUNT:
        if home and typed:
            raise subject["namespace"].wrong(f"a {kind} lies in no namespace: leave it out")
        return Subject(kind, str(subject["name"].value), at=subject.at)
    if not home and not namespace:
        raise subject["namespace"].wrong("is missing: a ServiceAccount lies in a namespace")
    return Subject(kind, subject["name"].dns_name(), home or namespace, subject.at)


def _segment(name: Field) -> str:
    """A name that may hold nearly anything but what would break a path (``ValidatePathSegmentName``)."""
    text = str(name.value or "")
    if text in ("", ".", "..") or "/" in text or "%" in text:
        raise name.wrong(f"{text!r} is no name: write one without / and %, and neither . nor ..")
    return text
