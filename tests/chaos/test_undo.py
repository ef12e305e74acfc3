"""Undoing: every step is tried, twice is as good as once, and an API server that is struck itself is outlasted."""

import pytest

from harness.chaos.undo import Request, Undo, perform, persistently, read, undoing
from harness.errors import ClusterError, WaitTimeout
from harness.kube.client import ApiConflict, ApiError, ApiServerFailed

from .store import Node, Plain, Store, unreachable

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
DENIAL = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/denial"
UNDO = Undo(
    fault="everything at once",
    components=("kubelet", "etcd"),
    thaw=("uid-1",),
    requests=(
        Request(verb="patch", path=WEB, body={"spec": 3}),
        Request(verb="delete", path=DENIAL),
        Request(verb="post", path="/api/v1/pods", body={"metadata": {"name": "a"}}),
    ),
)


class Remembered:
    """A journal that remembers what is in it."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Undo, float]] = {}

    def register(self, undo: Undo, seconds: float) -> str:
        self.entries["1"] = undo, seconds
        return "1"

    def cancel(self, entry: str) -> None:
        del self.entries[entry]


def shop() -> Store:
    store = Store()
    store.objects = {WEB: {"spec": 0}, DENIAL: {"spec": 0}}
    return store


def test_components_come_back_first_then_pods_then_what_requests_mend() -> None:
    store, node = shop(), Node("etcd")

    perform(UNDO, node.cluster, store.api)

    assert node.done == ["start kubelet", "thaw uid-1"]
    assert store.asked == [f"PATCH {WEB}", f"DELETE {DENIAL}", "POST /api/v1/pods/a"]
    assert store.objects[WEB]["spec"] == 3


def test_undoing_twice_is_as_good_as_once() -> None:
    store, node = shop(), Node("etcd")

    perform(UNDO, node.cluster, store.api)
    once = dict(store.objects)
    perform(UNDO, node.cluster, store.api)

    assert store.objects == once


def test_what_refuses_keeps_no_other_step_from_being_done() -> None:
    store, node = shop(), Node()
    store.struck = [ApiError("PATCH", WEB, 422, "no")]

    with pytest.raises(ApiError, match="no"):
        perform(UNDO, node.cluster, store.api)

    assert node.done == ["start kubelet", "start etcd", "thaw uid-1"]
    assert store.asked[1:] == [f"DELETE {DENIAL}", "POST /api/v1/pods/a"]


def test_a_node_out_of_reach_is_told() -> None:
    with pytest.raises(ClusterError, match="everything at once cannot be undone: cluster plain has no node of ours"):
        perform(UNDO, Plain().cluster, shop().api)


def test_an_undo_is_in_the_journal_until_it_is_done() -> None:
    store, journal = shop(), Remembered()

    with undoing(UNDO, journal, Node().cluster, store.api, 30):
        assert journal.entries == {"1": (UNDO, 30)}
        assert store.asked == []

    assert journal.entries == {}
    assert store.objects[WEB]["spec"] == 3


@pytest.mark.parametrize(
    "struck",
    [
        unreachable(),
        ApiServerFailed("PATCH", WEB, 500, "etcdserver: request timed out"),
        ApiConflict("PATCH", WEB, 409, "the object has been modified"),
    ],
)
def test_an_api_server_that_is_struck_at_the_same_time_is_outlasted(struck: ApiError) -> None:
    store, journal = shop(), Remembered()

    with undoing(UNDO, journal, Node().cluster, store.api, 30):
        store.struck = [struck] * 3

    assert journal.entries == {}
    assert store.objects[WEB]["spec"] == 3


def test_what_cannot_be_undone_stays_in_the_journal() -> None:
    store, journal = shop(), Remembered()

    with pytest.raises(ApiError, match="no"), undoing(UNDO, journal, Node().cluster, store.api, 30):
        store.struck = [ApiError("PATCH", WEB, 422, "no")]

    assert list(journal.entries) == ["1"]


def test_it_is_undone_when_the_block_fails() -> None:
    store, journal = shop(), Remembered()

    with pytest.raises(RuntimeError), undoing(UNDO, journal, Node().cluster, store.api, 30):
        raise RuntimeError

    assert store.objects[WEB]["spec"] == 3


def test_an_api_server_that_does_not_come_back_is_waited_for_in_vain_and_named() -> None:
    def do() -> None:
        raise unreachable()

    with pytest.raises(WaitTimeout, match=r"waited 0 s for the API server; last seen: `GET /` .*\nconnection refused"):
        persistently("the API server", do, seconds=0)


def test_an_undo_that_was_written_down_is_read_again() -> None:
    assert read(UNDO.model_dump_json(), "here") == UNDO


@pytest.mark.parametrize("text", ["", "{}", '{"fault": "x", "spell": 1}'])
def test_what_is_no_undo_is_refused_and_where_it_was_is_told(text: str) -> None:
    with pytest.raises(ClusterError, match="the file is no undo"):
        read(text, "the file")
