"""An API server that answers what a test tells it to, and a kubectl that does nearly nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.kube.client import Api
from harness.kube.kubectl import JsonObject, Kubectl

Answer = JsonObject | str | Callable[[], Any]

KUBECTL = r"""#!/bin/sh
# What is rendered are the plain documents of the overlay, each with where it came from; what is applied is kept; what
# else is asked is repeated.
shift 2
case "$1" in
  kustomize)
    for file in "$2"/[0-9]*.yaml; do
      origin="{\"config.kubernetes.io/origin\": \"path: $(basename "$file")\"}"
      sed "s|\"metadata\": {|&\"annotations\": $origin, |" "$file"
      printf '\n---\n'
    done ;;
  apply)
    cd "$(dirname "$0")"
    cat > applied.json
    { cat applied.json; echo; } >> applied.jsonl ;;
  logs | exec) printf 'word\351 \377\000\342\202\n'; printf 'word\351\n' >&2; [ "$2" != failing ] ;;
  *) echo "kubectl $*" ;;
esac
"""


class FakeApi:
    """``answers`` are by path: an object, a list object, text, or a callable that gives one; anything else is 404."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str, dict[str, list[str]], Any]] = []
        self.kubeconfig = Path()

    def holds(self, path: str, kind: str, *items: JsonObject) -> None:
        """Have ``path`` answer with a list of ``kind``."""
        group = path.removeprefix("/apis/").split("/")[:2]
        version = "v1" if path.startswith("/api/") else "/".join(group)
        self.answers[path] = {"kind": f"{kind}List", "apiVersion": version, "items": items}

    def asked(self, method: str) -> list[str]:
        """The paths that were asked for with a method."""
        return [path for used, path, _, _ in self.requests if used == method]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeApi]:
    """A server on the loopback, and the kubeconfig for it."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sent = json.loads(body) if body else None
            api.requests.append((self.command, url.path, parse_qs(url.query), sent))
            answer = api.answers.get(f"{self.command} {url.path}", api.answers.get(url.path))
            if callable(answer):
                answer = answer()
            status = 200
            if answer is None:
                status, answer = 404, {"kind": "Status", "message": f"{url.path} not found", "reason": "NotFound"}
            elif isinstance(answer, dict) and answer.get("kind") == "Status":
                status = answer["code"]
            content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 -- the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    api.kubeconfig = tmp_path / "kubeconfig"
    api.kubeconfig.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{server.server_address[1]}")))
    yield api
    server.shutdown()
    thread.join()
    server.server_close()


def kubeconfig(server: str, **user: str) -> JsonObject:
    """A kubeconfig with one context, ``only``."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "only",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "only", "context": {"cluster": "c", "user": "u"}}],
    }


@pytest.fixture
def api(fake: FakeApi) -> Iterator[Api]:
    """A client of the fake server."""
    with Api(fake.kubeconfig) as client:
        yield client


@dataclass(frozen=True)
class Reached:
    """A cluster as far as its API server goes."""

    kubectl: Kubectl
    api: Api


@pytest.fixture
def reached(kubectl: Kubectl, api: Api) -> Reached:
    """The fake server as a cluster. Not called one: whoever asks for ``cluster`` is given a real one."""
    return Reached(kubectl, api)


@pytest.fixture
def kubectl(fake: FakeApi, tmp_path: Path) -> Kubectl:
    """A kubectl for the fake server: see KUBECTL for what it does."""
    binary = tmp_path / "bin" / "kubectl"
    binary.parent.mkdir()
    binary.write_text(KUBECTL)
    binary.chmod(0o755)
    return Kubectl(binary, fake.kubeconfig)
