"""Kinds that Kubernetes once had elsewhere: where each lives now, and since which version it is gone from there.

Source: kubernetes.io/docs/reference/using-api/deprecation-guide, and for what that leaves out, the release notes.
"""

from collections.abc import Mapping
from typing import Final

_FLOW: Final = "flowcontrol.apiserver.k8s.io"
_GONE: Final = (
    # where it was, gone since, where it is, kinds
    ("extensions/v1beta1", "1.16", "apps/v1", "DaemonSet Deployment ReplicaSet"),
    ("extensions/v1beta1", "1.16", "networking.k8s.io/v1", "NetworkPolicy"),
    ("extensions/v1beta1", "1.16", "", "PodSecurityPolicy"),
    ("extensions/v1beta1", "1.22", "networking.k8s.io/v1", "Ingress"),
    ("apps/v1beta1", "1.16", "apps/v1", "ControllerRevision Deployment StatefulSet"),
    ("apps/v1beta2", "1.16", "apps/v1", "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"),
    ("auditregistration.k8s.io/v1alpha1", "1.19", "", "AuditSink"),
    ("settings.k8s.io/v1alpha1", "1.20", "", "PodPreset"),
    ("batch/v2alpha1", "1.21", "batch/v1", "CronJob"),
    (
        "admissionregistration.k8s.io/v1beta1",
        "1.22",
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    ),
    ("apiextensions.k8s.io/v1beta1", "1.22", "apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io/v1beta1", "1.22", "apiregistration.k8s.io/v1", "APIService"),
    ("authentication.k8s.io/v1beta1", "1.22", "authentication.k8s.io/v1", "TokenReview"),
    (
        "authorization.k8s.io/v1beta1",
        "1.22",
        "authorization.k8s.io/v1",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ),
    ("certificates.k8s.io/v1beta1", "1.22", "certificates.k8s.io/v1", "CertificateSigningRequest"),
    ("coordination.k8s.io/v1beta1", "1.22", "coordination.k8s.io/v1", "Lease"),
    ("networking.k8s.io/v1beta1", "1.22", "networking.k8s.io/v1", "Ingress IngressClass"),
    (
        "rbac.authorization.k8s.io/v1beta1",
        "1.22",
        "rbac.authorization.k8s.io/v1",
        "ClusterRole ClusterRoleBinding Role RoleBinding",
    ),
    (
        "rbac.authorization.k8s.io/v1alpha1",
        "1.23",
        "rbac.authorization.k8s.io/v1",
        "ClusterRole ClusterRoleBinding Role RoleBinding",
    ),
    ("scheduling.k8s.io/v1beta1", "1.22", "scheduling.k8s.io/v1", "PriorityClass"),
    ("scheduling.k8s.io/v1alpha1", "1.23", "scheduling.k8s.io/v1", "PriorityClass"),
    ("storage.k8s.io/v1beta1", "1.22", "storage.k8s.io/v1", "CSIDriver CSINode StorageClass VolumeAttachment"),
    ("autoscaling/v2beta1", "1.25", "autoscaling/v2", "HorizontalPodAutoscaler"),
    ("batch/v1beta1", "1.25", "batch/v1", "CronJob"),
    ("discovery.k8s.io/v1beta1", "1.25", "discovery.k8s.io/v1", "EndpointSlice"),
    ("events.k8s.io/v1beta1", "1.25", "events.k8s.io/v1", "Event"),
    ("node.k8s.io/v1beta1", "1.25", "node.k8s.io/v1", "RuntimeClass"),
    ("policy/v1beta1", "1.25", "policy/v1", "PodDisruptionBudget"),
    ("policy/v1beta1", "1.25", "", "PodSecurityPolicy"),
    ("autoscaling/v2beta2", "1.26", "autoscaling/v2", "HorizontalPodAutoscaler"),
    *(
        (f"{_FLOW}/{version}", since, f"{_FLOW}/v1", "FlowSchema PriorityLevelConfiguration")
        for version, since in (("v1beta1", "1.26"), ("v1beta2", "1.29"), ("v1beta3", "1.32"))
    ),
    ("storage.k8s.io/v1beta1", "1.27", "storage.k8s.io/v1", "CSIStorageCapacity"),
)
_INSTEAD: Final[Mapping[str, str]] = {
    "PodSecurityPolicy": "label the namespace for Pod Security admission (pod-security.kubernetes.io/enforce)"
}

_BY_KIND: Final = {(version, kind): (since, home) for version, since, home, kinds in _GONE for kind in kinds.split(" ")}


def gone(api_version: str, kind: str) -> str:
    """What is wrong with a kind that Kubernetes once had in this version; empty for any other."""
    if (api_version, kind) not in _BY_KIND:
        return ""
    since, home = _BY_KIND[api_version, kind]
    told = f"{api_version} {kind} is gone since Kubernetes {since}"
    if home:
        return f"{told}: write {home}, where its fields may have other names"
    return f"{told}, and nothing has its name now: {_INSTEAD.get(kind, 'leave it out')}"
