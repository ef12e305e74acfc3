import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.clusters.embedded.control import request
from harness.errors import ClusterError, ClusterGone

Answer = Callable[[dict[str, object]], bytes]


@contextmanager
def a_node_that_says(folder: Path, answer: Answer) -> Iterator[Path]:
    """A listener on the control socket that answers one request, made by way of a short relative path."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        listener.bind("control.sock")
        listener.listen()
        listener.settimeout(60)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile() as lines:
                connection.sendall(answer(json.loads(lines.readline())))

        thread = threading.Thread(target=serve)
        thread.start()
        yield folder / "control.sock"
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_a_request_is_one_line_of_json_and_so_is_its_answer(tmp_path: Path) -> None:
    with a_node_that_says(tmp_path, lambda asked: json.dumps({"asked": asked}).encode() + b"\n") as control:
        assert request(control, verb="start", names=["etcd"]) == {"asked": {"verb": "start", "names": ["etcd"]}}


def test_a_socket_whose_path_is_too_long_for_its_address_is_reached(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100) / ("b" * 100)

    with a_node_that_says(folder, lambda _: b"{}\n") as control:
        assert request(control, verb="list") == {}


def test_a_refusal_is_raised_in_the_nodes_own_words(tmp_path: Path) -> None:
    with (
        a_node_that_says(tmp_path, lambda _: b'{"error": "etcd runs already"}\n') as control,
        pytest.raises(ClusterError, match="etcd runs already"),
    ):
        request(control, verb="start", names=["etcd"])


def test_a_node_that_ends_before_it_answers_is_gone(tmp_path: Path) -> None:
    with a_node_that_says(tmp_path, lambda _: b"") as control, pytest.raises(ClusterGone, match="before it answered"):
        request(control, verb="list")


def test_a_cluster_without_a_folder_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ClusterGone, match="cluster one is gone"):
        request(tmp_path / "one" / "control.sock", verb="list")


def test_a_node_that_nobody_runs_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))

    with pytest.raises(ClusterGone, match="does not answer"):
        request(tmp_path / "control.sock", verb="list")


def test_a_node_that_takes_longer_than_was_allowed_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(tmp_path / "control.sock"))
        busy.listen()

        with pytest.raises(ClusterGone, match="does not answer: timed out"):
            request(tmp_path / "control.sock", 0.05, verb="restart")
