"""The healer's program, without a cluster: what it asks of the API server, and when."""

import json
from typing import Any

import pytest

from harness.chaos import healer
from harness.chaos.undo import Request, Undo

PLACE = "/api/v1/namespaces/home/configmaps"
DENIAL = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/denial"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
UNDO = Undo(
    fault="a partition",
    requests=(Request(verb="patch", path=WEB, body={"spec": 1}), Request(verb="delete", path=DENIAL)),
)


class Server:
    """Has one undo, due at 100; ``status`` is what it answers a path with instead of 200."""

    def __init__(self) -> None:
        self.status: dict[str, int] = {}
        self.asked: list[tuple[Any, ...]] = []
        meta = {"name": "undo-1", "annotations": {healer.DEADLINE: "100.0"}}
        self.items = [{"metadata": meta, "data": {healer.UNDO: UNDO.model_dump_json()}}]

    def ask(self, method: str, path: str, body: Any = None, kind: str = "") -> tuple[int, Any]:  # noqa: ANN401 -- JSON
        place = path.partition("?")[0]
        if method != "GET":
            self.asked.append((method, path, body, kind))
        status = self.status.get(place, 200)
        return status, "not you" if status >= 400 else {"items": list(self.items)}


PERFORMED = [
    ("PATCH", WEB, {"spec": 1}, "application/merge-patch+json"),
    ("DELETE", DENIAL, None, "application/json"),
]
FORGOTTEN = ("DELETE", f"{PLACE}/undo-1", None, "")


def test_an_undo_is_performed_at_its_deadline_and_forgotten() -> None:
    server, said = Server(), list[str]()
    one = healer.Healer(server.ask, "home", said.append)

    one.look(99.9)
    assert server.asked == []
    one.look(100)

    assert server.asked == [*PERFORMED, FORGOTTEN]
    assert said == ["a partition: healed"]


@pytest.mark.parametrize(("path", "status"), [(WEB, 404), (DENIAL, 404), (DENIAL, 409)])
def test_what_is_gone_or_there_already_is_nothing_left_to_undo(path: str, status: int) -> None:
    server = Server()
    server.status = {path: status}

    healer.Healer(server.ask, "home", lambda _: None).look(100)

    assert server.asked == [*PERFORMED, FORGOTTEN]


def test_a_patch_that_met_another_change_is_tried_again() -> None:
    server = Server()
    server.status = {WEB: 409}
    one = healer.Healer(server.ask, "home", lambda _: None)

    one.look(100)
    assert server.asked == PERFORMED


def test_what_is_refused_keeps_no_other_step_from_being_done_and_is_tried_again_after_a_rest() -> None:
    server, said = Server(), list[str]()
    server.status = {WEB: 403}
    one = healer.Healer(server.ask, "home", said.append)

    one.look(100)
    one.look(100 + healer.REST_SECONDS - 0.1)
    assert server.asked == PERFORMED
    assert said == [f"a partition: {WEB}: 403: not you"]

    server.status = {}
    one.look(100 + healer.REST_SECONDS)
    assert server.asked == [*PERFORMED, *PERFORMED, FORGOTTEN]


def test_undos_that_cannot_be_listed_are_an_error_to_try_again() -> None:
    server = Server()
    server.status = {PLACE: 403}
    with pytest.raises(OSError, match="the undos cannot be listed: not you"):
        healer.Healer(server.ask, "home").look(100)


def test_what_it_reads_is_what_undos_are_written_as() -> None:
    assert set(json.loads(UNDO.model_dump_json())["requests"][0]) == {"verb", "path", "body", "content_type"}
