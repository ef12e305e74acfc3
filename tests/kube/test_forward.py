"""The harness's own port-forward: to pods and an API server that are made up. Real ones are in tests/live."""

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ForwardError, HarnessError
from harness.kube import exchange, forward, podport
from harness.kube.client import Api, ApiError, ApiNotFound, ApiUnreachable
from harness.kube.endpoints import Endpoint
from harness.kube.forward import PodForward, ServiceForward
from harness.kube.podport import PodPort
from harness.kube.wait import wait_until

from .peer import Peer
from .world import CLOSE, DATA, ERROR, HANG_SECONDS, PING, PONG, SMALL, World

NORMAL = b"\x03\xe8"
BIG = bytes(range(251)) * (4 * 1024 * 1024 // 251)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    with Api(world.kubeconfig) as client:
        yield client


@pytest.fixture
def web(api: Api) -> Iterator[ServiceForward]:
    """A forward to the Service, that leaves nothing."""
    before = set(threading.enumerate())
    with ServiceForward(api, "shop", "web", 80) as made:
        yield made
    ours = [one.name for one in set(threading.enumerate()) - before if "shop/web" in one.name]
    assert ours == []


def client_of(made: ServiceForward | PodForward) -> socket.socket:
    return socket.create_connection(made.address, timeout=HANG_SECONDS)


def receive(client: socket.socket, count: int) -> bytes:
    """So many bytes, or fewer at the end."""
    parts = list[bytes]()
    while count and (data := client.recv(min(count, 65536))):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def ask(made: ServiceForward | PodForward, data: bytes = b"hello") -> bytes:
    """What an echo gives back on a connection of its own."""
    with client_of(made) as client:
        client.sendall(data)
        return receive(client, len(data))


def is_reset(made: ServiceForward | PodForward) -> HarnessError:
    """That a connection is reset, whatever is sent; why, as the forward has it."""
    with pytest.raises(ConnectionResetError), client_of(made) as client:  # it may be while it connects
        client.recv(1)
    assert made.last_error is not None
    return made.last_error


class OneTooMany:
    """A listening socket whose process has too many files open, until it is told otherwise."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.refuses = True
        self.refused = threading.Event()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- as a socket has it
        return getattr(self._listening, name)

    def __enter__(self) -> socket.socket:
        return self._listening.__enter__()

    def __exit__(self, *error: object) -> None:
        self._listening.__exit__(*error)

    def accept(self) -> tuple[socket.socket, Any]:
        if self.refuses:
            self.refused.set()
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listening.accept()


def test_a_client_that_cannot_be_taken_now_waits_and_is_taken_later(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.runs("a")
    listening: list[OneTooMany] = []

    def create(address: tuple[str, int]) -> OneTooMany:
        listening.append(OneTooMany(create_server(address)))
        return listening[0]

    create_server = socket.create_server
    monkeypatch.setattr(forward.socket, "create_server", create)  # type: ignore[attr-defined]
    with ServiceForward(api, "shop", "web", 80) as made, client_of(made) as client:
        client.sendall(b"hello")
        assert listening[0].refused.wait(HANG_SECONDS)
        wait_until("it to be told", lambda: made.last_error, seconds=HANG_SECONDS)
        assert "no connection can be taken: Too many open files" in str(made.last_error)

        listening[0].refuses = False

        assert receive(client, 5) == b"hello"


# ------------------------------------------------------------------------------------------------------ what is passed


def test_what_either_side_sends_comes_to_the_other(world: World, web: ServiceForward) -> None:
    world.runs("a")
    with client_of(web) as client:
        for word in (b"one", b"two"):
            client.sendall(word)
            assert receive(client, 3) == word
    assert web.last_error is None
    assert world.headers[0]["authorization"] == "Bearer abc"
    assert world.headers[0]["sec-websocket-protocol"] == "v4.channel.k8s.io"


def test_a_pod_that_speaks_first_is_heard(world: World, web: ServiceForward) -> None:
    world.runs("a", lambda connection: connection.sendall(b"welcome"))
    with client_of(web) as client:
        assert receive(client, 100) == b"welcome"


def test_its_address_is_told_as_sockets_and_as_http_clients_want_it(web: ServiceForward) -> None:
    assert web.address == ("127.0.0.1", web.port)
    assert web.url == f"http://127.0.0.1:{web.port}"
    assert web.where == "service shop/web, port 80"


def test_listening_asks_nobody(api: Api, world: World) -> None:
    world.close()
    with ServiceForward(api, "shop", "web", 80) as made:
        assert isinstance(is_reset(made), ApiUnreachable)  # not before there was a client


def test_several_connections_at_once_go_to_all_pods_in_turn(world: World, web: ServiceForward) -> None:
    pods = [world.runs(name) for name in "abc"]
    together = threading.Barrier(12)

    def one(number: int) -> bytes:
        with client_of(web) as client:
            client.sendall(b"%2d" % number)
            answer = receive(client, 2)
            together.wait(HANG_SECONDS)  # all are open
            return answer

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(one, range(12))) == [b"%2d" % number for number in range(12)]
    assert [pod.forwards for pod in pods] == [4, 4, 4]


def test_much_comes_through_both_ways_at_once_and_waits_in_little_memory(
    world: World, web: ServiceForward, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    most = 0
    feed, open_socket = PodPort.feed, Api.open_socket

    def small(api: Api, seconds: float) -> socket.socket:
        made = open_socket(api, seconds)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        return made

    def watched(pod: PodPort, data: bytes) -> None:
        nonlocal most
        feed(pod, data)
        most = max(most, pod.unsent)

    monkeypatch.setattr(PodPort, "feed", watched)
    monkeypatch.setattr(Api, "open_socket", small)
    got = list[bytes]()

    def program(connection: socket.socket) -> None:
        sends = threading.Thread(target=connection.sendall, args=(BIG,))
        sends.start()
        goes_on.wait(HANG_SECONDS)
        got.append(receive(connection, len(BIG)))
        sends.join()

    world.runs("a", program)
    with client_of(web) as client:
        sends = threading.Thread(target=client.sendall, args=(BIG,))
        sends.start()
        wait_until("more to wait than there is room", lambda: most >= exchange.ROOM, seconds=HANG_SECONDS)
        goes_on.set()
        assert receive(client, len(BIG)) == BIG
        sends.join()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert got == [BIG]
    assert most < 2 * exchange.ROOM


# ------------------------------------------------------------------------------------------------------ how it ends


def test_a_pod_that_ends_the_connection_ends_it_for_the_client(world: World, web: ServiceForward) -> None:
    def program(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(BIG)

    world.runs("a", program)
    with client_of(web) as client:
        client.sendall(b"?")
        assert receive(client, len(BIG) + 1) == BIG
    assert web.last_error is None


@pytest.mark.parametrize("ends", [socket.socket.close, lambda client: client.shutdown(socket.SHUT_WR)])
def test_a_client_that_ends_has_the_pod_get_all_and_the_end(
    world: World, web: ServiceForward, ends: Callable[[socket.socket], None]
) -> None:
    got = list[bytes]()
    done = threading.Event()

    def program(connection: socket.socket) -> None:
        got.append(receive(connection, len(BIG) + 1))
        done.set()

    world.runs("a", program)
    with client_of(web) as client:
        client.sendall(BIG)
        ends(client)
        assert done.wait(HANG_SECONDS)
    assert got == [BIG]


def test_a_way_that_breaks_resets_the_client_and_sends_nothing_again(world: World, web: ServiceForward) -> None:
    got = list[bytes]()

    def program(connection: socket.socket) -> None:
        got.append(connection.recv(100))
        connection.sendall(b"half of an")
        connection.recv(100)

    pods = [world.runs(name, program) for name in "ab"]
    with client_of(web) as client:
        client.sendall(b"order")
        assert receive(client, 10) == b"half of an"
        world.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert isinstance(web.last_error, ForwardError)
    assert "pod shop/a" in str(web.last_error)
    assert got == [b"order"]
    assert [pod.forwards for pod in pods] == [1, 0]


def test_an_error_after_the_first_byte_is_told_and_sends_nothing_again(world: World, web: ServiceForward) -> None:
    def kubelet(peer: Peer) -> None:
        accepts(peer)
        assert peer.receive() == (2, b"\0order")
        peer.send(DATA, b"what there is")
        peer.send(ERROR, b"connection reset by peer")
        peer.frame(CLOSE, NORMAL)
        peer.receive()

    world.runs("a").instead = kubelet
    other = world.runs("b")
    with client_of(web) as client:
        client.sendall(b"order")
        assert receive(client, 13) == b"what there is"
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert "connection reset by peer" in str(web.last_error)
    assert other.forwards == 0


def test_the_next_connection_goes_to_another_pod_when_one_has_died(world: World, web: ServiceForward) -> None:
    first, second = world.runs("a"), world.runs("b")
    with client_of(web) as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
        assert (first.forwards, second.forwards) == (1, 0)
        first.listener.close()  # it is still among the ready ones
        assert client.recv(1) == b""
    for _ in range(4):
        assert ask(web) == b"hello"
    del world.pods["a"]
    assert ask(web) == b"hello"


# ----------------------------------------------------------------------------------------------- pods that are no use


def accepts(peer: Peer) -> None:
    """Answer the rounds by which it is found out that the pod has accepted."""
    for _ in range(podport._ROUNDS):
        assert peer.receive() == (2, bytes([DATA]))
        kind, content = peer.receive()
        assert kind == PING
        peer.frame(PONG, content)


def stops_reading_and_then_says_why(peer: Peer) -> None:
    """As containerd does: it ends the stream, so that the ping behind it is answered, before its error is sent."""
    assert peer.receive() == (2, bytes([DATA]))
    assert peer.receive()[0] == PING
    peer.frame(PONG, b"")
    peer.send(ERROR, b"failed to connect to localhost:1 inside namespace")
    peer.frame(CLOSE, NORMAL)
    while peer.receive()[0] != CLOSE:
        pass


@pytest.mark.parametrize("how", ["refuses", "refuses late", "is unknown", "is not running", "hangs up"])
def test_a_pod_that_cannot_be_reached_is_passed_over_once(world: World, web: ServiceForward, how: str) -> None:
    got = list[bytes]()

    def program(connection: socket.socket) -> None:
        got.append(connection.recv(100))
        connection.sendall(got[-1])

    useless = world.runs("a", program)
    world.runs("b", program)
    if how == "refuses":
        useless.listener.close()
    elif how == "refuses late":
        useless.instead = stops_reading_and_then_says_why
    elif how == "hangs up":
        useless.instead = lambda _: None
    else:
        useless.refusal = (404, "no pod") if how == "is unknown" else (500, "pod is not running. Current status=Failed")

    assert ask(web) == b"hello"
    assert got == [b"hello"]
    assert useless.forwards == 1
    assert web.last_error is None


def test_where_all_refuse_the_client_is_reset_and_told_of_each(world: World, web: ServiceForward) -> None:
    for name in "ab":
        world.runs(name).listener.close()
    why = str(is_reset(web))
    assert why.startswith("service shop/web, port 80 is not reached: ")
    assert "pod shop/a" in why
    assert "pod shop/b" in why
    assert [pod.forwards for pod in world.pods.values()] == [1, 1]


def test_what_the_api_server_does_not_allow_is_told_and_not_tried_with_others(
    world: World, web: ServiceForward
) -> None:
    message = 'pods "a" is forbidden: User "eve" cannot create resource "pods/portforward"'
    for name in "ab":
        world.runs(name).refusal = (403, message)
    why = is_reset(web)
    assert isinstance(why, ApiError)
    assert why.status == 403
    assert message in str(why)
    assert sum(pod.forwards for pod in world.pods.values()) == 1


def test_a_service_without_ready_pods_resets(world: World, web: ServiceForward) -> None:
    world.runs("a").conditions = {"ready": False, "serving": False, "terminating": False}
    why = is_reset(web)
    assert str(why) == "service shop/web, port 80 is not reached: no pod is ready"


def test_pods_that_end_serve_only_where_no_other_is_ready(world: World, web: ServiceForward) -> None:
    ending, ready = world.runs("a"), world.runs("b")
    ending.conditions = {"ready": False, "serving": True, "terminating": True}
    for _ in range(2):
        ask(web)
    assert (ending.forwards, ready.forwards) == (0, 2)
    ready.conditions = {"ready": False, "serving": False, "terminating": False}
    assert ask(web) == b"hello"
    assert ending.forwards == 1


def test_a_service_that_is_not_there_is_named(world: World, web: ServiceForward) -> None:
    world.service = None
    why = is_reset(web)
    assert isinstance(why, ApiNotFound)
    assert "services/web not found" in str(why)


def test_a_port_may_be_named_and_one_that_is_not_there_tells_those_that_are(world: World, api: Api) -> None:
    world.runs("a")
    with ServiceForward(api, "shop", "web", "http") as made:
        assert ask(made) == b"hello"
    for wrong in (81, "https", 53):
        with ServiceForward(api, "shop", "web", wrong) as made:
            assert f"port {wrong} is not reached: it has no such port; it has 80 http" in str(is_reset(made))


# ------------------------------------------------------------------------------------------------------ one pod


def test_one_pod_is_reached_whether_it_is_ready_or_not(world: World, api: Api) -> None:
    world.runs("b")
    pod = world.runs("a")
    pod.conditions = {"ready": False}
    with PodForward(api, "shop", "a", pod.listener.port) as made:
        for _ in range(3):
            assert ask(made) == b"hello"
        assert pod.forwards == 3
        pod.listener.close()
        assert str(is_reset(made)).startswith(f"pod shop/a, port {pod.listener.port} is not reached: failed to connect")


# ------------------------------------------------------------------------------------------------------ closing


def test_closing_resets_what_is_open_and_leaves_nothing(world: World, api: Api) -> None:
    before = threading.active_count()
    made = ServiceForward(api, "shop", "web", 80)
    world.runs("a")
    with ThreadPoolExecutor(1) as pool, client_of(made) as idle, client_of(made) as full:
        for client in (idle, full):
            client.sendall(b"x")
            assert receive(client, 1) == b"x"
        full.settimeout(0)
        with suppress(BlockingIOError):  # nothing is read of what comes back, until all stand still
            while True:
                full.send(bytes(65536))
        list(pool.map(lambda _: made.close(), range(2)))
        made.close()
        with pytest.raises(ConnectionResetError):
            idle.recv(1)
        full.settimeout(HANG_SECONDS)
        with pytest.raises(ConnectionResetError):
            receive(full, len(BIG) * 100)
        with pytest.raises(ConnectionRefusedError):
            client_of(made)
    assert made.last_error is None
    world.close()
    assert threading.active_count() <= before


@pytest.mark.parametrize("when", ["before the upgrade", "before the pod has accepted"])
def test_closing_does_not_wait_for_a_node_that_does_not_answer(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(forward, "OPEN_SECONDS", 10 * HANG_SECONDS)
    asked, closed = threading.Event(), threading.Event()

    def nothing(*_: object) -> None:
        asked.set()
        closed.wait(HANG_SECONDS)

    pod = world.runs("a")
    if when == "before the upgrade":
        monkeypatch.setattr(Peer, "accept", nothing)
    else:
        pod.instead = nothing
    with ServiceForward(api, "shop", "web", 80) as made, client_of(made):
        assert asked.wait(HANG_SECONDS)
        made.close()
        assert not closed.is_set()
        closed.set()


def test_aborting_lets_a_client_go_while_the_api_server_is_silent(
    world: World, web: ServiceForward, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, gone = threading.Event(), threading.Event()

    def silent(*_: object) -> None:
        asked.set()
        assert gone.wait(HANG_SECONDS)
        raise ApiUnreachable("CONNECT", "127.0.0.1", 0, "silent")

    world.runs("a")
    monkeypatch.setattr(Api, "open_socket", silent)
    with client_of(web) as client:
        assert asked.wait(HANG_SECONDS)
        web.abort()
        assert client.recv(1) == b""
        gone.set()
    assert web.last_error is None


def test_a_node_that_does_not_answer_is_given_up(
    world: World, web: ServiceForward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "OPEN_SECONDS", 0.3)

    def kubelet(peer: Peer) -> None:
        while peer.receive()[0] != CLOSE:
            pass

    world.runs("a").instead = kubelet
    assert "its node does not answer" in str(is_reset(web))


# ------------------------------------------------------------------------------------------------------ the wire


def test_messages_come_in_pieces_and_among_pings(world: World, web: ServiceForward) -> None:
    got = list[Any]()

    def kubelet(peer: Peer) -> None:
        accepts(peer)
        peer.frame(2, b"\0he", last=False)
        peer.frame(PING, b"are you there")
        peer.frame(0, b"llo", last=True)
        peer.frame(2, b"\0")
        peer.frame(2, b"\7what is this")
        peer.frame(2, b"\0!")
        got.append(peer.receive())
        peer.frame(CLOSE, NORMAL)
        peer.receive()

    world.runs("a").instead = kubelet
    with client_of(web) as client:
        assert receive(client, 100) == b"hello!"
    assert got == [(PONG, b"are you there")]


def test_what_a_pod_had_sent_can_be_read_although_it_takes_no_more(world: World, api: Api) -> None:
    def kubelet(peer: Peer) -> None:
        accepts(peer)
        peer.send(DATA, b"no, for this reason")
        peer.frame(CLOSE, NORMAL)

    pod = world.runs("a")
    pod.instead = kubelet
    connection = api.open_socket(HANG_SECONDS)
    with connection, PodPort(api, connection, "shop", Endpoint("a", pod.listener.port)) as made:

        def breaks() -> bool:
            made.feed(b"order")
            made.send()
            return made.unsent == 0 and made._deaf

        wait_until("sending to break", breaks, seconds=HANG_SECONDS)
        assert made.receive() == b"no, for this reason"
        assert made.receive() == b""
        assert made.ended
        assert made.error is None
