"""An API server that knows Leases and nothing else, and has a clock that tests set."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from harness.kube.client import Api, ApiConflict, ApiNotFound
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import LEASES


class Server:
    """Keeps what it is given, with the time of the last change beside it as an API server has it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 12, 1, tzinfo=UTC)
        self.leases: dict[str, JsonObject] = {}
        self._versions = map(str, itertools.count(1))
        self.meanwhile: list[JsonObject] = []
        """What somebody else makes before the next one is created."""

    @property
    def api(self) -> Api:
        return cast("Api", self)

    def passes(self, seconds: float) -> None:
        """Let time go by."""
        self.now += timedelta(seconds=seconds)

    def patch(self, path: str, body: Any, content_type: str, **query: str) -> JsonObject:  # noqa: ANN401 -- JSON
        assert content_type == "application/apply-patch+yaml"
        assert query["fieldManager"] == "harness"
        assert body["metadata"]["name"] == path.rpartition("/")[2]
        return self._keep(path, body)

    def post(self, path: str, body: JsonObject) -> JsonObject:
        assert path == LEASES
        for one in self.meanwhile:
            self._keep(f"{LEASES}/{one['metadata']['name']}", one)
        self.meanwhile.clear()
        whole = f"{LEASES}/{body['metadata']['name']}"
        if whole in self.leases:
            raise ApiConflict("POST", path, 409, "exists")
        return self._keep(whole, body)

    def put(self, path: str, body: JsonObject) -> JsonObject:
        if path not in self.leases:
            raise ApiNotFound("PUT", path, 404, "not found")
        if body["metadata"]["resourceVersion"] != self.leases[path]["metadata"]["resourceVersion"]:
            raise ApiConflict("PUT", path, 409, "changed")
        return self._keep(path, body)

    def find(self, path: str) -> JsonObject | None:
        return self.leases.get(path)

    def items(self, path: str, labelSelector: str) -> list[JsonObject]:  # noqa: N803 -- the API's name
        assert path == LEASES
        assert labelSelector == "harness.dev/place,!harness.dev/namespace"
        return [one for one in self.leases.values() if "harness.dev/namespace" not in one["metadata"]["labels"]]

    def delete(self, path: str) -> JsonObject:
        if self.leases.pop(path, None) is None:
            raise ApiNotFound("DELETE", path, 404, "not found")
        return {}

    def _keep(self, path: str, body: JsonObject) -> JsonObject:
        time = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        first = self.leases.get(path, {}).get("metadata", {}).get("creationTimestamp", time)
        meta = {
            **body["metadata"],
            "name": path.rpartition("/")[2],
            "creationTimestamp": first,
            "resourceVersion": next(self._versions),
            "managedFields": [{"manager": "harness", "time": time}],
        }
        self.leases[path] = {**body, "metadata": meta}
        return self.leases[path]
