"""The client: what it asks, and what it makes of the answers."""

import base64
import datetime as dt
import gc
import json
import select
import socket
import struct
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.errors import CommandError, SettingsError
from harness.kube.client import (
    STRATEGIC_MERGE,
    Api,
    ApiConflict,
    ApiError,
    ApiNotFound,
    ApiServerFailed,
    ApiUnreachable,
)

from .conftest import FakeApi, kubeconfig


def test_the_items_of_a_list_get_the_kind_that_a_list_leaves_out(fake: FakeApi, api: Api) -> None:
    fake.holds("/apis/apps/v1/deployments", "Deployment", {"metadata": {"name": "shop"}})

    found = api.items("/apis/apps/v1/deployments", labelSelector="a=b")

    assert found == [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}}]
    assert fake.requests[0][2] == {"labelSelector": ["a=b"]}


def test_a_list_of_nothing_is_empty(fake: FakeApi, api: Api) -> None:
    fake.answers["/api/v1/pods"] = {"kind": "PodList", "items": None}

    assert api.items("/api/v1/pods") == []


def test_the_namespace_of_what_names_none_is_the_context_s(fake: FakeApi) -> None:
    said = kubeconfig("http://127.0.0.1:1")
    said["contexts"] += [{"name": "two", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}]
    fake.kubeconfig.write_text(json.dumps(said))

    with Api(fake.kubeconfig) as first, Api(fake.kubeconfig, "two") as second:
        assert (first.namespace, second.namespace) == ("default", "shop")


def test_each_verb_sends_its_body(fake: FakeApi, api: Api) -> None:
    fake.answers["/x"] = {"ok": True}
    api.post("/x", {"a": 1})
    api.put("/x", {"a": 2})
    api.patch("/x", {"a": 3}, STRATEGIC_MERGE)
    api.delete("/x", gracePeriodSeconds=0)

    assert [(method, body) for method, _, _, body in fake.requests] == [
        ("POST", {"a": 1}),
        ("PUT", {"a": 2}),
        ("PATCH", {"a": 3}),
        ("DELETE", {"gracePeriodSeconds": 0}),
    ]


def test_what_is_not_there_is_none_to_who_looks_for_it_and_an_error_to_who_needs_it(api: Api) -> None:
    assert api.find("/api/v1/pods/x") is None
    with pytest.raises(ApiNotFound) as raised:
        api.get("/api/v1/pods/x")
    assert (raised.value.status, raised.value.reason) == (404, "NotFound")
    assert isinstance(raised.value, CommandError)


@pytest.mark.parametrize(
    ("code", "kind"), [(409, ApiConflict), (403, ApiError), (500, ApiServerFailed), (503, ApiServerFailed)]
)
def test_a_refusal_is_told_in_the_server_s_words(fake: FakeApi, api: Api, code: int, kind: type[ApiError]) -> None:
    fake.answers["/x"] = {"kind": "Status", "code": code, "message": "pods is forbidden", "reason": "Because"}

    with pytest.raises(kind, match="pods is forbidden"):
        api.get("/x")


def test_a_server_that_has_no_time_is_asked_again_when_it_says(fake: FakeApi, api: Api) -> None:
    busy = {"kind": "Status", "code": 429, "message": "storage is (re)initializing", "reason": "TooManyRequests"}
    answers = iter([busy, busy, {"ok": True}])
    fake.answers["/x"] = lambda: next(answers)

    assert api.get("/x") == {"ok": True}
    assert fake.asked("GET") == ["/x"] * 3


def test_what_is_refused_for_too_many_requests_is_told_where_it_may_not_be_repeated(fake: FakeApi, api: Api) -> None:
    fake.answers["/x"] = {"kind": "Status", "code": 429, "message": "would violate the budget", "reason": "X"}

    with pytest.raises(ApiError, match="would violate the budget") as raised:
        api.post("/x", {})

    assert raised.value.status == 429
    assert fake.asked("POST") == ["/x"]


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: it refuses
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{taken.getsockname()[1]}")))
        with Api(file) as api, pytest.raises(ApiUnreachable):
            api.get("/version")


@pytest.fixture
def resetting(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that resets each connection once it is made, before a client of urllib3 goes on."""
    connect = urllib3.util.connection.create_connection
    made = threading.Semaphore(0)

    def create_connection(*arguments: Any, **options: Any) -> socket.socket:  # noqa: ANN401 -- urllib3's own
        client = connect(*arguments, **options)
        made.release()
        reset = select.poll()
        reset.register(client, select.POLLERR)
        assert reset.poll(60_000), "no reset came"
        return client

    monkeypatch.setattr("urllib3.util.connection.create_connection", create_connection)

    def serve() -> None:
        while True:
            accepted, _ = server.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
            with accepted:
                made.acquire()
                if ended.is_set():
                    return

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        made.release()
        socket.create_connection(server.getsockname()).close()
        thread.join()


def test_a_server_that_resets_before_the_handshake_leaves_no_socket(resetting: str, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(f"https://{resetting}")))

    with Api(file) as api, warnings.catch_warnings(record=True, action="always") as told:
        for _ in range(50):
            with pytest.raises(ApiUnreachable, match="reset"):
                api.get("/version")
        gc.collect()

    assert [str(one.message) for one in told] == []


def test_a_watch_gives_each_event_and_ends(fake: FakeApi, api: Api) -> None:
    fake.answers["/api/v1/pods"] = '{"type": "ADDED", "object": {"a": 1}}\n{"type": "DELETED", "object": {"a": 2}}\n'

    assert [one["type"] for one in api.watch("/api/v1/pods", seconds=5)] == ["ADDED", "DELETED"]
    assert fake.requests[0][2] == {"watch": ["1"], "timeoutSeconds": ["5"]}


def test_the_path_of_an_object_is_asked_of_the_server_once_for_each_group(fake: FakeApi, api: Api) -> None:
    fake.answers["/api/v1"] = {
        "resources": [
            {"name": "pods/log", "kind": "Pod", "namespaced": True},
            {"name": "pods", "kind": "Pod", "namespaced": True},
            {"name": "namespaces", "kind": "Namespace", "namespaced": False},
        ]
    }

    def path(kind: str, api_version: str = "v1", **meta: str) -> str | None:
        return api.path_of({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", **meta}})

    assert path("Pod", namespace="n") == "/api/v1/namespaces/n/pods/x"
    assert path("Pod") == "/api/v1/namespaces/default/pods/x"
    assert path("Namespace") == "/api/v1/namespaces/x"
    assert path("Gremlin") is None
    assert path("Thing", "example.com/v1") is None
    assert fake.asked("GET") == ["/api/v1", "/apis/example.com/v1"]


def test_a_token_is_sent(fake: FakeApi, tmp_path: Path) -> None:
    server = json.loads(fake.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    file = tmp_path / "with-token"
    file.write_text(json.dumps(kubeconfig(server, token="abc")))  # noqa: S106 -- a test's own
    fake.answers["/x"] = "hello"

    with Api(file, "only") as api:
        assert api.text("/x") == "hello"


@pytest.mark.parametrize(
    ("text", "context", "problem"),
    [
        (None, None, "cannot be used"),
        ("{}", None, "cannot be used"),
        (json.dumps(kubeconfig("http://127.0.0.1:1")), "other", "context other cannot be used"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_named(
    tmp_path: Path, text: str | None, context: str | None, problem: str
) -> None:
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)

    with pytest.raises(SettingsError, match=problem):
        Api(file, context)


def test_keys_that_a_kubeconfig_holds_as_data_do_not_stay_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    file = tmp_path / "kubeconfig"
    data = {"client-certificate-data": certificate[0], "client-key-data": certificate[1]}
    file.write_text(json.dumps(kubeconfig("https://127.0.0.1:1", **data)))

    # Several threads at once: the official client's memory of its files is one for all of them.
    with ThreadPoolExecutor(8) as pool:
        for client in pool.map(lambda _: Api(file), range(16)):
            client.close()

    assert list(scratch.iterdir()) == []


def test_others_know_the_server_by_the_same_authority_and_no_other(tmp_path: Path) -> None:
    authority, _ = _certificate(tmp_path)
    file = tmp_path / "kubeconfig"
    said = kubeconfig("https://127.0.0.1:1")
    said["clusters"][0]["cluster"]["certificate-authority-data"] = authority
    file.write_text(json.dumps(said))

    with Api(file) as api:
        [known] = api.trust().get_ca_certs()

    assert known["subject"] == (((("commonName", tmp_path.name)),),)


def _certificate(folder: Path) -> tuple[str, str]:
    """(certificate, key) of a user, in base64."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, folder.name)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return base64.b64encode(certificate).decode(), base64.b64encode(secret).decode()
