"""Sends the HTTP requests it is given, one after another, and prints the answers, both as a JSON list.

A request is ``{"method", "url", "headers", "body"}``, the body a string; an answer ``{"status", "body"}``.
A program of its own without dependencies: scenarios run it in pods and on the external peer, as ``python3 -c``.
"""

import json
import sys
import urllib.error
import urllib.request
from typing import Any

DEADLINE_SECONDS = 60.0


def fetch(request: dict[str, Any]) -> dict[str, Any]:
    """Send one request; an error status is an answer, too."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    wanted = urllib.request.Request(  # noqa: S310 -- the scenarios give http addresses only
        request["url"], str(request.get("body", "")).encode(), request.get("headers", {}), method=request["method"]
    )
    try:
        with direct.open(wanted, timeout=DEADLINE_SECONDS) as answer:
            return {"status": answer.status, "body": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode()}


if __name__ == "__main__":
    print(json.dumps([fetch(request) for request in json.loads(sys.argv[1])]))  # noqa: T201 -- its answer
