"""The conditions of an object: what its controller has found to be true of it. Pure."""

from collections.abc import Mapping

from harness.kube.kubectl import JsonObject


def met(body: JsonObject) -> Mapping[str, JsonObject]:
    """The conditions that are true of an object, by type."""
    conditions = body.get("status", {}).get("conditions") or ()
    return {one["type"]: one for one in conditions if one.get("status") == "True"}


def is_ready(body: JsonObject) -> bool:
    """Whether a pod, or whatever else has such a condition, is ready."""
    return "Ready" in met(body)
