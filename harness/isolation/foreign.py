"""Policies of other APIs: what they mean is not modelled, so that of what they may decide nothing is expected.

Every kind of an API of its own that is called a NetworkPolicy counts (the SIG's AdminNetworkPolicy,
BaselineAdminNetworkPolicy and ClusterNetworkPolicy, Calico's, Cilium's, Antrea's), and those kinds of service meshes
that refuse connections. Of what such a policy means, only its subject is read, and only where label selectors give it.
"""

from collections.abc import Iterable
from typing import Final

from harness.errors import ManifestError
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import Destination, Foreign, Pod, Service, Source, World
from harness.kube.fields import Field, of_manifest
from harness.kube.manifests import Manifest
from harness.kube.selectors import selector_of
from harness.reason import Reason

_SUFFIX: Final = "NetworkPolicy"
_OURS: Final = frozenset({"networking.k8s.io", "extensions", "controlplane.antrea.io"})
"""The API itself, its old group, and where Antrea's controller shows its agents what it made of policies."""
_ONLY_REPORTED: Final = "Staged"
"""Calico's staged policies are not enforced (docs.tigera.io, "Staged network policies")."""
_MESHES: Final = frozenset(
    {
        ("access.smi-spec.io", "TrafficTarget"),
        ("k8s.ovn.org", "EgressFirewall"),
        ("consul.hashicorp.com", "ServiceIntentions"),
        ("kuma.io", "MeshTrafficPermission"),
        ("kuma.io", "TrafficPermission"),
        ("policy.linkerd.io", "AuthorizationPolicy"),
        ("policy.linkerd.io", "Server"),
        ("policy.linkerd.io", "ServerAuthorization"),
        ("security.istio.io", "AuthorizationPolicy"),
        ("security.istio.io", "PeerAuthentication"),
    }
)
_ROOTS: Final = {"security.istio.io": "istio-system"}
"""Namespaces whose policies mean the whole mesh (istio.io, "Security: implicit enablement": the root namespace)."""
_MIRRORED: Final = {"projectcalico.org": ("knp.", "kanp.", "kbanp.", "kcnp.")}
"""How names begin under which Calico's API server shows the policies of other APIs once more."""


def is_foreign(group: str, kind: str) -> bool:
    """Whether objects of this kind decide on connections, and are no NetworkPolicy of Kubernetes itself."""
    if kind.endswith(_SUFFIX):
        return group not in _OURS and not kind.startswith(_ONLY_REPORTED)
    return (group, kind) in _MESHES


def foreign_of(body: Field) -> Foreign | None:
    """The policy of another API that an object is; None for one that only shows another once more."""
    group = str(body["apiVersion"].value).partition("/")[0]
    kind, name = str(body["kind"].value), str(body["metadata"]["name"].value)
    if name.startswith(_MIRRORED.get(group, ("/",))):
        return None
    namespace = str(body["metadata"]["namespace"].value or "")
    subject = body["spec"]["subject"]
    try:
        in_both = subject["pods"]
        namespaces = selector_of(in_both["namespaceSelector"]) or selector_of(subject["namespaces"])
        pods = selector_of(in_both["podSelector"])
    except ManifestError:  # of a newer version, perhaps: then it may mean anybody
        namespaces = pods = None
    return Foreign(
        f"{kind}.{group} {name}" + (f" of namespace {namespace}" if namespace else ""),
        "" if namespace == _ROOTS.get(group) else namespace,
        namespaces,
        pods,
        body.at,
    )


def split(manifests: Iterable[Manifest]) -> tuple[list[Manifest], tuple[Foreign, ...]]:
    """Manifests without their policies of other APIs, and those."""
    plain: list[Manifest] = []
    found: list[Foreign | None] = []
    for manifest in manifests:
        if is_foreign(manifest.object["apiVersion"].partition("/")[0], manifest.object["kind"]):
            found.append(foreign_of(of_manifest(manifest)))
        else:
            plain.append(manifest)
    return plain, tuple(filter(None, found))


def undecided(world: World, source: Source, destination: Destination, port: int) -> Decision | None:
    """What there is to say of a connection that policies of other APIs may decide; None if none of them may.

    A pod that asks itself is asked by nobody, whatever the policy.
    """
    if not world.foreign or source == destination:
        return None
    ends = [one for one in (source, *_asked(world, destination, port)) if isinstance(one, Pod)]
    labels = {one.name: one.all_labels for one in world.namespaces}
    told = [one for one in world.foreign if any(one.may_mean(pod, labels[pod.namespace]) for pod in ends)]
    if not told:
        return None
    return Decision(
        Verdict.UNDEFINED, tuple(Reason(f"{one.what} may decide it, and has no model", one.at) for one in told)
    )


def _asked(world: World, destination: Destination, port: int) -> Iterable[Destination]:
    if not isinstance(destination, Service):
        return (destination,)
    return [pod for one in destination.ports if one.port == port for pod, _ in world.backends(destination, one)]
