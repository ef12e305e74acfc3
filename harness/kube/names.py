"""The syntax of names, as the API server has it (``k8s.io/apimachinery/pkg/util/validation``).

No schema has it, and the API server refuses a wrong name only when other objects may be there already.
"""

import re
from collections.abc import Iterator
from typing import Final

from harness.kube.kubectl import JsonObject

DNS_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_NAME: Final = rf"{DNS_LABEL}(\.{DNS_LABEL})*"

LONGEST_LABEL: Final = 63
LONGEST_NAME: Final = 253

_DNS_GROUPS: Final = frozenset(
    {"", "apps", "autoscaling", "batch", "networking.k8s.io", "policy", "scheduling.k8s.io", "storage.k8s.io"}
)
"""The API groups whose objects have DNS names. RBAC takes any name that can be part of a path."""
_ADDRESSES: Final = "IPAddress"
"""A kind of networking.k8s.io that is named by what it is."""
_LABELLED: Final = frozenset({"Namespace", "Service"})
"""Kinds whose name is a single label."""


def label_problem(name: str) -> str:
    """What is wrong with a name that must be a DNS label; empty for a sound one."""
    return _problem(name, DNS_LABEL, LONGEST_LABEL, "small letters, digits and '-'")


def name_problem(name: str) -> str:
    """What is wrong with a name that must be a DNS subdomain, as most have it; empty for a sound one."""
    return _problem(name, DNS_NAME, LONGEST_NAME, "small letters, digits, '-' and '.'")


def problems(body: JsonObject) -> Iterator[tuple[tuple[str, str], str]]:
    """What is wrong with an object's name and namespace: (the field, what is wrong with it)."""
    group, kind, meta = body["apiVersion"].rpartition("/")[0], body["kind"], body["metadata"]
    if group in _DNS_GROUPS and kind != _ADDRESSES:
        problem = label_problem(meta["name"]) if kind in _LABELLED else name_problem(meta["name"])
        if problem:
            yield ("metadata", "name"), f"metadata.name: {problem}"
    if meta.get("namespace") and (problem := label_problem(meta["namespace"])):
        yield ("metadata", "namespace"), f"metadata.namespace: {problem}"


def _problem(name: str, pattern: str, longest: int, allowed: str) -> str:
    if len(name) <= longest and re.fullmatch(pattern, name):
        return ""
    return f"{name!r} is no name: write up to {longest} {allowed}, a letter or digit first and last"
