"""Where a ChaosResult goes: always to a file, and to the cluster where it has the kind."""

import json
from pathlib import Path
from typing import Final

from harness.chaos.litmus import verdict
from harness.chaos.litmus.contract import API_VERSION
from harness.kube.client import Api, ApiConflict
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

GROUP_PATH: Final = f"/apis/{API_VERSION}"
WRITE_SECONDS: Final = 30.0


def served(api: Api) -> frozenset[str]:
    """The kinds of Litmus that a cluster has."""
    found = api.find(GROUP_PATH)
    return frozenset(str(one["kind"]) for one in found["resources"] if "/" not in one["name"]) if found else frozenset()


class Result:
    """One ChaosResult, from the beginning of a run to its end. It stays on the cluster: it counts runs."""

    def __init__(self, api: Api, folder: Path, body: JsonObject) -> None:
        self._api = api
        meta = body["metadata"]
        self.file = folder / f"{meta['namespace']}.{meta['name']}.chaosresult.json"
        self._collection = f"{GROUP_PATH}/namespaces/{meta['namespace']}/chaosresults"
        self._path = f"{self._collection}/{meta['name']}"
        self.on_cluster = "ChaosResult" in served(api)
        earlier = api.find(self._path) if self.on_cluster else None
        self.body = verdict.with_history(body, earlier)

    def write(self, body: JsonObject) -> None:
        """Write it as it is now. Raises ApiError where the cluster refuses; the file is written before."""
        self.body = body
        self.file.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        if self.on_cluster:
            wait_until(
                f"{self._path} to be written",
                self._written,
                seconds=WRITE_SECONDS,
                tolerate=(ApiConflict,),  # somebody else writes to it: it is read again, and ours counts
            )

    def _written(self) -> bool:
        there = self._api.find(self._path)
        if there is None:
            self._api.post(self._collection, self.body)
            return True
        version = {"resourceVersion": there["metadata"]["resourceVersion"]}
        # The kind has no subresource of status: a plain update carries it.
        self._api.put(self._path, {**self.body, "metadata": {**self.body["metadata"], **version}})
        return True
