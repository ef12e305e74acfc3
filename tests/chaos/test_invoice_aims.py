"""The points of the case's protocol: what shows that one is reached, and a plan that names the wrong target."""

from typing import Any, Self, cast

import pytest

from harness.chaos.fault import FaultError, Target
from harness.chaos.invoice_aims import INVOICE_APP, invoice_aims
from harness.chaos.scene import Scene, Workload
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.postgres import Postgres

from .store import Plain
from .test_undo import Remembered


class Database:
    """``invoice-db`` while clients pay: one pod waits for a row, another, which starts, for the migrations' lock."""

    def open(self, _database: str) -> Postgres:
        return cast("Postgres", self)

    def run(self, _statement: str) -> list[dict[str, Any]]:
        return []

    def close(self) -> None:
        """Nothing is open."""

    def sql(self, _database: str, statement: str) -> list[dict[str, Any]]:
        found = [{"pod": "at-work", "event": "transactionid"}, {"pod": "starting", "event": "advisory"}]
        return [one for one in found if one["event"] in statement or "'advisory'" not in statement]


class Shop:
    """An API server with one running pod."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def items(self, _path: str, **_query: str) -> list[JsonObject]:
        meta = {"name": "at-work", "namespace": "invoice", "creationTimestamp": "2026-01-01T00:00:00Z"}
        return [{"metadata": meta, "status": {"phase": "Running"}}]

    def delete(self, path: str, **_options: Any) -> Self:  # noqa: ANN401 -- JSON
        self.deleted.append(path)
        return self


@pytest.fixture
def scene() -> Scene:
    meta = {"namespace": "invoice", "name": "invoice-app"}
    workloads = [Workload({"kind": "Deployment", "metadata": meta, "spec": {"selector": {}}})]
    api = cast("Api", Shop())
    return Scene(Plain().cluster, api, workloads, Remembered(), prober_image="", allow_ephemeral=False, labels={})


def test_a_pod_that_waits_for_a_row_is_none_that_migrates(scene: Scene) -> None:
    database = Database()
    aim = invoice_aims(database.open, database.sql)["mid-migration"]

    with aim.reach(scene, INVOICE_APP) as reached:
        assert reached.pod == "starting"


def test_a_plan_that_aims_at_what_has_no_migrations_is_told_so(scene: Scene) -> None:
    database = Database()
    aim = invoice_aims(database.open, database.sql)["mid-migration"]

    told = "mid-migration is no aim at invoice/StatefulSet/invoice-db, but at invoice/Deployment/invoice-app or"
    with pytest.raises(FaultError, match=told), aim.reach(scene, Target("invoice/StatefulSet/invoice-db")):
        pass
