"""The healer: a program in a pod of the cluster that performs undos at their deadline, whoever is dead by then.

It imports nothing but the standard library: its text is sent along with its pod. Each undo is a ConfigMap of its
namespace, with the label ``OWNER_LABEL``, the deadline in the annotation ``DEADLINE``, and ``harness.chaos.undo.Undo``
as JSON under ``UNDO``. One that is done is deleted; one that is refused is tried again.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Ask = Callable[..., tuple[int, Any]]

OWNER_LABEL = "harness.dev/owner=healer"
DEADLINE = "harness.dev/undo-at"
UNDO = "undo"

POLL_SECONDS = 0.5
REST_SECONDS = 5.0
"""Before what was refused is tried again."""
_ANSWER_SECONDS = 10
_NOTHING_LEFT = {"patch": (404,), "post": (404, 409), "delete": (404, 409)}
"""By verb: what an undo is about is gone, or there already. A patch that met another change (409) is tried again."""
_FIRST_ERROR = 400
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Server:
    """The API server, as the pod's ServiceAccount."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self._base = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        self._tls = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Any]:  # noqa: ANN401 -- JSON
        """The status of the answer, and what it says. Raises OSError where there is none."""
        token = (_ACCOUNT / "token").read_text()  # it is renewed every now and then
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type, "Accept": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        # The address begins with https, whatever the path is.
        request = urllib.request.Request(self._base + path, content, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS, context=self._tls) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(repr(error)) from error


class Healer:
    """Looks after the undos of one namespace. ``ask`` is as of ``Server``."""

    def __init__(self, ask: Ask, namespace: str, say: Callable[[str], object] = print) -> None:
        self._ask, self._say = ask, say
        self._place = f"/api/v1/namespaces/{namespace}/configmaps"
        self._again: dict[str, float] = {}

    def look(self, now: float) -> None:
        """Perform what is due. Raises OSError where the API server does not answer."""
        status, found = self._ask("GET", f"{self._place}?labelSelector={OWNER_LABEL.replace('=', '%3D')}")
        if status >= _FIRST_ERROR:
            raise OSError(f"the undos cannot be listed: {found}")
        for one in found["items"]:
            meta = one["metadata"]
            due = max(float(meta["annotations"][DEADLINE]), self._again.get(meta["name"], 0.0))
            if now >= due:
                self._heal(meta["name"], json.loads(one["data"][UNDO]), now)

    def _heal(self, name: str, undo: dict[str, Any], now: float) -> None:
        self._again[name] = now + REST_SECONDS
        refused = [told for told in map(self._perform, undo["requests"]) if told]
        for told in refused:
            self._say(f"{undo['fault']}: {told}")
        if not refused:
            self._ask("DELETE", f"{self._place}/{name}")
            self._say(f"{undo['fault']}: healed")

    def _perform(self, one: dict[str, Any]) -> str:
        """Send one request; what refused it, or nothing."""
        kind = one["content_type"] if one["verb"] == "patch" else "application/json"
        status, said = self._ask(one["verb"].upper(), one["path"], one["body"], kind)
        return (
            "" if status < _FIRST_ERROR or status in _NOTHING_LEFT[one["verb"]] else f"{one['path']}: {status}: {said}"
        )


def main() -> None:
    """Look for ever."""
    healer = Healer(Server().ask, (_ACCOUNT / "namespace").read_text().strip())
    while True:
        try:
            healer.look(time.time())
        except OSError as error:
            print(error)  # noqa: T201 -- its log
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
