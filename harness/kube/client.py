"""A fast way to the API server: JSON over one kept connection, where starting kubectl for each look would be felt.

The official client is used for what is hard (a kubeconfig in all its forms: files or data, tokens, exec plugins) and
urllib3, which it stands on, for the requests themselves: its generated classes would turn each object into a thousand
Python ones and back, and everything here works on plain JSON. Importing it costs 0.3 s, so that happens at first use.
"""

import errno
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from harness.errors import CommandError, SettingsError
from harness.kube.kubectl import JsonObject
from harness.kube.wait import patient

if TYPE_CHECKING:
    from kubernetes.client import Configuration

STRATEGIC_MERGE = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
SERVER_SIDE_APPLY = "application/apply-patch+yaml"

_JSON = "application/json"
_NOT_FOUND = 404
_CONFLICT = 409
_FIRST_ERROR = 400
_FIRST_SERVER_ERROR = 500
_CONNECT_SECONDS = 5.0
_AGAIN = 10
_LOADING = threading.Lock()


class ApiError(CommandError):
    """The API server refused: ``status`` is the HTTP status, ``output`` its message, ``reason`` that in one word."""

    def __init__(self, method: str, path: str, status: int, output: str, reason: str = "") -> None:
        self.reason = reason
        super().__init__([method, path], status, output)


class ApiNotFound(ApiError):
    """There is no such object (yet)."""


class ApiConflict(ApiError):
    """The object exists already, or was changed by another in between."""


class ApiServerFailed(ApiError):
    """The API server itself failed, with a status of 500 or more: its store does not answer, or it is just starting."""


class ApiUnreachable(ApiError):
    """The API server did not answer: refused, reset, or silent until the time-out. ``status`` is 0."""


class Api:
    """Requests to the API server of one kubeconfig (and context, default the file's current one).

    Safe to share between threads. ``namespace`` is where kubectl puts an object that names none: the context's, or
    ``default``. Raises SettingsError where the kubeconfig cannot be used; every request raises ApiError or one of its
    kinds.
    """

    def __init__(self, kubeconfig: Path, context: str | None = None) -> None:
        self._configuration, self._authority, tls, self.namespace = _load(kubeconfig, context)
        self._base = str(self._configuration.host).rstrip("/")
        self._tls = tls
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=8, ssl_context=tls)
        self._resources: dict[str, list[JsonObject]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.clear()

    def get(self, path: str, seconds: float = 10, *, accept: str = _JSON, **query: str) -> JsonObject:
        """The object, or list object, at ``path`` (``/api/v1/namespaces/invoice/pods``); ``accept`` asks for a form."""
        return self._json("GET", path, query=query, seconds=seconds, accept=accept)

    def items(self, path: str, seconds: float = 10, **query: str) -> list[JsonObject]:
        """The objects of the list at ``path``, each with the ``kind`` and ``apiVersion`` that a list leaves out."""
        answer = self.get(path, seconds, **query)
        kind = str(answer.get("kind", "")).removesuffix("List")
        named = {"apiVersion": answer.get("apiVersion", ""), "kind": kind}
        return [{**named, **item} for item in answer.get("items") or []]

    def find(self, path: str, seconds: float = 10) -> JsonObject | None:
        """The object at ``path``, or None where there is none."""
        try:
            return self.get(path, seconds)
        except ApiNotFound:
            return None

    def text(self, path: str, seconds: float = 10, **query: str) -> str:
        """The answer as text, such as a container's log."""
        return self._request("GET", path, query=query, seconds=seconds).data.decode(errors="replace")

    def post(self, path: str, body: JsonObject, seconds: float = 10, **query: str) -> JsonObject:
        """Create ``body`` in the collection ``path``."""
        return self._json("POST", path, body, query=query, seconds=seconds)

    def put(self, path: str, body: JsonObject, seconds: float = 10, **query: str) -> JsonObject:
        """Replace the object at ``path``."""
        return self._json("PUT", path, body, query=query, seconds=seconds)

    def patch(
        self,
        path: str,
        body: Any,  # noqa: ANN401 -- JSON
        content_type: str = MERGE,
        seconds: float = 10,
        **query: str,
    ) -> JsonObject:
        """Patch the object at ``path``; the kind of patch is its content type."""
        return self._json("PATCH", path, body, content_type=content_type, query=query, seconds=seconds)

    def delete(self, path: str, seconds: float = 10, **options: Any) -> JsonObject:  # noqa: ANN401 -- JSON
        """Delete the object at ``path``; ``options`` are those of DeleteOptions (``gracePeriodSeconds=0``)."""
        return self._json("DELETE", path, options or None, query={}, seconds=seconds)

    def watch(self, path: str, seconds: float, **query: str) -> Iterator[JsonObject]:
        """Events ``{"type", "object"}`` of the collection ``path``, for ``seconds`` at most, then it ends."""
        query = {**query, "watch": "1", "timeoutSeconds": str(max(1, int(seconds)))}
        response = self._request("GET", path, query=query, seconds=seconds + 1, stream=True)
        try:
            rest = b""
            for chunk in response.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    yield json.loads(line)
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnreachable("WATCH", path, 0, str(error)) from error
        finally:
            response.close()

    def url(self, path: str, query: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> str:
        """The address of ``path`` on this server."""
        return self._base + path + (f"?{urlencode(query)}" if query else "")

    def credentials(self) -> dict[str, str]:
        """The headers that say who asks; empty where a client certificate does."""
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token} if token else {}

    def trust(self) -> ssl.SSLContext:
        """What TLS needs to know this server by, and no client certificate: for others than this kubeconfig's user."""
        return _trust(self._configuration, self._authority)

    def open_socket(self, seconds: float, tls: ssl.SSLContext | None = None) -> socket.socket:
        """A connection of its own, through TLS where the server speaks it: for what is no request.

        ``tls`` is that of another user; without it, the kubeconfig's own. It looks for a peer that is gone after 15 s
        of silence, which also keeps what lies between from forgetting it.
        """
        to = urlsplit(self._base)
        host, port = to.hostname or "", to.port or (443 if to.scheme == "https" else 80)
        try:
            opened = socket.create_connection((host, port), timeout=min(seconds, patient(_CONNECT_SECONDS)))
        except OSError as error:
            raise ApiUnreachable("CONNECT", f"{host}:{port}", 0, str(error)) from error
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6)):
                if hasattr(socket, option):
                    opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
            opened.settimeout(seconds)
            return (tls or self._tls).wrap_socket(opened, server_hostname=host) if to.scheme == "https" else opened
        except OSError as error:
            opened.close()
            raise ApiUnreachable("CONNECT", f"{host}:{port}", 0, str(error)) from error

    def resource(self, api_version: str, kind: str, *, again: bool = False) -> JsonObject | None:
        """The server's APIResource (``name`` is the plural, ``namespaced``) for a kind; None where it serves none.

        The server is asked once for each version of a group, and once more with ``again``.
        """
        if again or api_version not in self._resources:
            prefix = "/apis/" if "/" in api_version else "/api/"
            answer = self.find(prefix + api_version)
            self._resources[api_version] = answer["resources"] if answer else []
        plain = (one for one in self._resources[api_version] if "/" not in one["name"])
        return next((one for one in plain if one["kind"] == kind), None)

    def path_of(self, body: JsonObject) -> str | None:
        """The path of the object that ``body`` describes; None where the server does not know the kind."""
        resource = self.resource(body["apiVersion"], body["kind"])
        if resource is None:
            return None
        prefix = "/apis/" if "/" in body["apiVersion"] else "/api/"
        namespace = (body["metadata"].get("namespace") or self.namespace) if resource["namespaced"] else None
        scope = f"/namespaces/{quote(namespace)}" if namespace else ""
        return f"{prefix}{body['apiVersion']}{scope}/{resource['name']}/{quote(body['metadata']['name'])}"

    def _json(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 -- JSON
        *,
        content_type: str = _JSON,
        query: Mapping[str, str],
        seconds: float,
        accept: str = _JSON,
    ) -> JsonObject:
        response = self._request(
            method, path, body, content_type=content_type, query=query, seconds=seconds, accept=accept
        )
        return cast("JsonObject", json.loads(response.data))

    def _request(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 -- JSON
        *,
        content_type: str = _JSON,
        query: Mapping[str, str],
        seconds: float,
        stream: bool = False,
        accept: str = _JSON,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": accept, "Content-Type": content_type, **self.credentials()}
        url = self.url(path, query)
        seconds = patient(seconds)
        try:
            response = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=min(seconds, patient(_CONNECT_SECONDS)), read=seconds),
                # A kept connection that the server has closed meanwhile is found out by using it: only what is safe to
                # repeat is sent again, once. A server that has no time (429 with Retry-After, as when the storage of a
                # new kind is being made) is asked again when it says, as client-go does it: but what urllib3 takes for
                # safe to repeat alone, so no POST, and with that no eviction, which 429 forbids.
                retries=urllib3.Retry(
                    _AGAIN, connect=0, read=1 if method == "GET" else 0, redirect=0, other=0, raise_on_status=False
                ),
                preload_content=not stream,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnreachable(method, path, 0, str(error)) from error
        if response.status >= _FIRST_ERROR:
            raise refusal(method, path, response.status, response.data)
        return response


def refusal(method: str, path: str, status: int, body: bytes) -> ApiError:
    """The ApiError for an answer with an error status. Its body is a Status object, or plain text."""
    text = body.decode(errors="replace")
    message, reason = text, ""
    try:
        answer = json.loads(text)
        message, reason = answer["message"], answer.get("reason", "")
    except (ValueError, KeyError, TypeError):
        pass  # an aggregated API or a proxy answered in its own words: shown as they are
    kinds = {_NOT_FOUND: ApiNotFound, _CONFLICT: ApiConflict}
    kind = ApiServerFailed if status >= _FIRST_SERVER_ERROR else kinds.get(status, ApiError)
    return kind(method, path, status, message, reason)


def _load(kubeconfig: Path, context: str | None) -> "tuple[Configuration, str | None, ssl.SSLContext, str]":
    """Read a kubeconfig with the official client: it, its authority's certificates, the TLS context, the namespace.

    The official client writes keys that a kubeconfig holds as data to temporary files and removes them at exit, which a
    killed process never does: here they live for the moment that OpenSSL needs to read them.
    """
    from kubernetes.client import Configuration  # noqa: PLC0415 -- 0.3 s, for those who need it
    from kubernetes.config import list_kube_config_contexts, load_kube_config  # noqa: PLC0415

    configuration = Configuration()
    # The official client remembers its temporary files for the whole process: two threads would delete each other's.
    with _LOADING, tempfile.TemporaryDirectory(prefix="harness-") as folder:
        try:
            load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig),
                context=context,
                client_configuration=configuration,
                persist_config=False,
                temp_file_path=folder,
            )
            file = configuration.ssl_ca_cert
            authority = Path(file).read_text(encoding="ascii", errors="ignore") if file else None  # comments apart
            tls = _trust(configuration, authority)
            if configuration.cert_file:
                tls.load_cert_chain(configuration.cert_file, configuration.key_file)
            contexts, current = list_kube_config_contexts(str(kubeconfig))  # type: ignore[no-untyped-call]
            chosen = next(one for one in contexts if one["name"] == context) if context else current
            namespace = chosen["context"].get("namespace") or "default"
        except Exception as error:  # a file that is no kubeconfig makes it raise nearly anything
            named = f", context {context}" if context else ""
            raise SettingsError(f"the kubeconfig {kubeconfig}{named} cannot be used: {error}") from error
    return configuration, authority, tls, namespace


class _TlsSocket(ssl.SSLSocket):
    """A TLS socket that is closed when its peer was gone before the first word.

    What forwards to an API server that is still starting may accept and reset. Python before 3.11.8 and 3.12.2 then
    raises out of the making of the TLS socket without closing it (python/cpython issue 113280): nobody else holds it,
    so it would stay open until it is collected, with a warning that fails whichever test runs then.
    """

    def getpeername(self) -> Any:  # noqa: ANN401 -- what it is depends on the family
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "the peer reset the connection as it was made") from error


def _trust(configuration: "Configuration", authority: str | None) -> ssl.SSLContext:
    tls = ssl.create_default_context(cadata=authority)
    tls.sslsocket_class = _TlsSocket
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls
