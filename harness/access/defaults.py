"""The roles and bindings that every cluster of Kubernetes 1.36 has, from a file: for use where no cluster is at hand.

They carry the label ``kubernetes.io/bootstrapping=rbac-defaults``; the API server writes them at each start (source:
``plugin/pkg/auth/authorizer/rbac/bootstrappolicy`` of Kubernetes). Renew the file from a running cluster of a new
version, by kubectl and this module as a program:

    python -m harness kubectl get clusterroles,clusterrolebindings,roles,rolebindings --all-namespaces \
        --selector kubernetes.io/bootstrapping=rbac-defaults --output json | python -m harness.access.defaults
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from harness.access.parse import BINDINGS, ROLES, realm_of
from harness.access.rules import Home, Realm
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest
from harness.kube.sources import read_file

FILE: Final = Path(__file__).with_name("defaults.yaml")
SHOWN: Final = Path("harness") / "access" / FILE.name
"""The file as messages name it, wherever it is installed."""
HOMES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
"""The namespaces that every cluster has."""
HEAD: Final = """\
# The roles and bindings that every cluster of Kubernetes 1.36 has. Written by harness/access/defaults.py, which says
# how to renew it. The rules of a role with an aggregationRule are those of all ClusterRoles that it selects.
"""
KINDS: Final = (ROLES[1], BINDINGS[1], ROLES[0], BINDINGS[0])
LABELS: Final = "rbac.authorization.k8s.io/"
"""How the labels begin that say into which roles a role is aggregated."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9./-]*")


@cache
def defaults() -> Realm:
    """The default roles, bindings and namespaces, at ``file:line``."""
    realm = realm_of(Manifest(one.object, SHOWN, one.line, "", one.lines) for one in read_file(FILE))
    return replace(realm, homes=tuple(Home(name, at="every cluster") for name in HOMES))


def plain(body: JsonObject) -> JsonObject:
    """What a default role or binding says, without what differs from cluster to cluster."""
    meta = body["metadata"]
    labels = {key: value for key, value in meta.get("labels", {}).items() if key.startswith(LABELS)}
    said = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {
            "name": meta["name"],
            **({"namespace": meta["namespace"]} if "namespace" in meta else {}),
            **({"labels": labels} if labels else {}),
        },
    }
    if "aggregationRule" in body:  # a controller writes its rules
        return {**said, "aggregationRule": body["aggregationRule"]}
    return {**said, **{key: body[key] for key in ("roleRef", "subjects", "rules") if body.get(key)}}


def written(bodies: Iterable[JsonObject]) -> str:
    """The file of default roles and bindings: by kind and name, a line for each rule and subject."""

    def place(body: JsonObject) -> tuple[int, str, str]:
        return KINDS.index(body["kind"]), body["metadata"].get("namespace", ""), body["metadata"]["name"]

    return HEAD + "---\n".join(_document(plain(body)) for body in sorted(bodies, key=place))


def _document(body: JsonObject) -> str:
    return "".join(f"{line}\n" for key, value in body.items() for line in _field(key, value))


def _field(key: str, value: object) -> Iterable[str]:
    if isinstance(value, list):
        return [f"{key}:", *(f"  - {_flow(one)}" for one in value)]
    return [f"{key}: {_flow(value)}"]


def _flow(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    """A value in one line: JSON, which is YAML, with the quotes left out where that changes nothing."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    plain_text = isinstance(value, str) and _PLAIN.fullmatch(value) and value not in ("true", "false")
    return str(value) if plain_text else json.dumps(value)


if __name__ == "__main__":
    FILE.write_text(written(json.load(sys.stdin)["items"]), encoding="utf-8")
