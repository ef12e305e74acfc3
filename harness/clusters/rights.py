"""What a run needs to be allowed to do on a cluster that is not ours, step by step, and which of it the user may not.

Asked of the API server by SelfSubjectAccessReview (authorization.k8s.io/v1), which everybody may create about himself.
What is lacking is told, and forbids nothing: who does not take the step does not need it.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from harness.kube.client import Api
from harness.kube.kubectl import JsonObject

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_EVERY: Final = ("create", "delete", "get", "list", "patch")
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Need:
    """One permission. ``resource`` is ``plural[/subresource][.group]`` as kubectl writes it; no namespace means all."""

    step: str
    verb: str
    resource: str
    namespace: str = ""

    def review(self) -> JsonObject:
        """What is asked of the API server."""
        kind, _, group = self.resource.partition(".")
        plural, _, subresource = kind.partition("/")
        attributes = {"verb": self.verb, "resource": plural, "group": group, "subresource": subresource}
        return {"spec": {"resourceAttributes": {**attributes, "namespace": self.namespace}}}


def _needs(step: str, resources: Iterable[str], verbs: Iterable[str], namespace: str = "") -> Iterator[Need]:
    for resource in resources:
        for verb in verbs:
            yield Need(step, verb, resource, namespace)


NEEDS: Final = (
    *_needs("being seen by others", ["leases.coordination.k8s.io"], [*_EVERY, "update"], "default"),
    *_needs("namespaces for tests", ["namespaces"], _EVERY),
    *_needs("finding what earlier runs left", ["clusterroles.rbac.authorization.k8s.io"], ["list"]),
    *_needs("finding what earlier runs left", ["clusterrolebindings.rbac.authorization.k8s.io"], ["list"]),
    *_needs(
        "the canary, and probers",
        ["pods", "services", "serviceaccounts", "networkpolicies.networking.k8s.io"],
        _EVERY,
    ),
    *_needs(
        "emptying namespaces that go",
        [
            *("pods", "persistentvolumeclaims"),
            *(f"{kind}.apps" for kind in ("deployments", "statefulsets", "daemonsets", "replicasets")),
        ],
        ["deletecollection", "list"],
    ),
    *_needs("volumes that outlive their claim", ["persistentvolumes"], ["delete", "get", "list"]),
    *_needs("the canary, and probers", ["pods/exec"], ["create", "get"]),
    *_needs("the canary, and probers", ["ingresses.networking.k8s.io"], ["create"]),
    *_needs("a port-forward", ["pods/portforward"], ["create", "get"]),
    *_needs("a port-forward", ["endpointslices.discovery.k8s.io"], ["list"]),
    *_needs(
        "the case",
        [
            *("configmaps", "secrets", "persistentvolumeclaims", "deployments.apps", "statefulsets.apps"),
            *("ingresses.networking.k8s.io", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy"),
            *("roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"),
        ],
        _EVERY,
    ),
    # Whoever makes a role must hold what it grants (rbac.authorization.k8s.io: privilege escalation prevention).
    *_needs(
        "the case's own roles",
        [
            *("pods", "pods/log", "services", "endpoints", "configmaps", "events", "persistentvolumeclaims"),
            *("serviceaccounts", "deployments.apps", "replicasets.apps", "statefulsets.apps"),
            *("controllerrevisions.apps", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy"),
            *("networkpolicies.networking.k8s.io", "ingresses.networking.k8s.io", "endpointslices.discovery.k8s.io"),
        ],
        ["get", "list", "watch"],
    ),
    *_needs("the case's own roles", ["pods.metrics.k8s.io"], ["get", "list"]),
    *_needs(
        "the case's own roles",
        ["configmaps", "deployments.apps", "statefulsets.apps", "horizontalpodautoscalers.autoscaling"],
        ["patch", "update"],
    ),
    *_needs("the case's own roles", ["deployments/scale.apps"], ["get", "patch", "update"]),
    *_needs("chaos", ["pods/eviction"], ["create"]),
    *_needs("chaos", ["deployments/scale.apps", "statefulsets/scale.apps"], ["get", "patch"]),
    *_needs("who may do what", ["subjectaccessreviews.authorization.k8s.io", "serviceaccounts/token"], ["create"]),
    *_needs("who may do what", ["certificatesigningrequests.certificates.k8s.io"], ["create", "delete", "get"]),
    *_needs("who may do what", ["certificatesigningrequests/approval.certificates.k8s.io"], ["update"]),
    *_needs("probers on the nodes", ["nodes"], ["get", "list"]),
)
"""What runs do, by its step."""


def lacking(api: Api, needs: Iterable[Need] = NEEDS) -> list[Need]:
    """Those that the user of ``api`` is not allowed. Raises ApiError."""
    asked = list(needs)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        answers = list(pool.map(lambda one: api.post(_REVIEWS, one.review())["status"]["allowed"], asked))
    return [one for one, allowed in zip(asked, answers, strict=True) if not allowed]


def told(lacks: Iterable[Need]) -> list[str]:
    """A line for each step and resource: the verbs that it lacks."""
    lines = []
    for (step, resource), found in groupby(lacks, key=lambda one: (one.step, one.resource)):
        needs = list(found)
        where = f" in the namespace {needs[0].namespace}" if needs[0].namespace else ""
        lines.append(f"not allowed, for {step}: {', '.join(one.verb for one in needs)} {resource}{where}")
    return lines


def roles(name: str = "harness") -> list[JsonObject]:
    """The ClusterRole, and the Role in each namespace that is named, of a user who may do all that runs need."""
    found = []
    for namespace in sorted({one.namespace for one in NEEDS}):
        rules = [_rule(resource, needs) for resource, needs in _by_resource(namespace)]
        meta = {"name": name, **({"namespace": namespace} if namespace else {})}
        kind = "Role" if namespace else "ClusterRole"
        found.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": meta, "rules": rules})
    return found


def _by_resource(namespace: str) -> Iterator[tuple[str, list[Need]]]:
    needs = sorted((one for one in NEEDS if one.namespace == namespace), key=lambda one: one.resource)
    for resource, found in groupby(needs, key=lambda one: one.resource):
        yield resource, list(found)


def _rule(resource: str, needs: Iterable[Need]) -> JsonObject:
    kind, _, group = resource.partition(".")
    return {"apiGroups": [group], "resources": [kind], "verbs": sorted({one.verb for one in needs})}
