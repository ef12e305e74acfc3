"""What runs in the pod of probes: one request as a line of JSON, one answer as another. Nothing but Python is needed.

An answer has ``value`` (what was seen), or ``failed`` (what should be there did not answer), or ``broken`` (it could
not be asked). It is sent as text to ``python3 -c``, so it imports nothing of ours.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

MOST = 1 << 20


def command(ask: dict[str, Any]) -> dict[str, Any]:
    """Run a line of shell. One that is late is ended with all that it started."""
    shell = ["/bin/sh", "-c", ask["command"]]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        shell, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace", start_new_session=True
    ) as child:
        try:
            out, err = child.communicate(timeout=ask["seconds"])
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return {"failed": f"it did not end in {ask['seconds']:g} s"}
    if child.returncode:
        return {"broken": f"the command ended with status {child.returncode}: {(out + err).strip()[-500:]}"}
    return {"value": out[:MOST].strip(), "errors": err.strip()[-500:]}


def web(ask: dict[str, Any]) -> dict[str, Any]:
    """Send an HTTP request; the status of the answer, whatever it is."""
    body = ask.get("body") or (Path(ask["path"]).read_text(encoding="utf-8") if ask.get("path") else None)
    headers = {"Content-Type": ask["type"]} if ask.get("type") else {}
    request = urllib.request.Request(  # noqa: S310 -- the harness has looked at the scheme
        ask["url"], data=None if body is None else body.encode(), headers=headers
    )
    try:
        with opener(insecure=ask.get("insecure", False)).open(request, timeout=ask["seconds"]) as answer:
            return {"value": str(answer.status)}
    except urllib.error.HTTPError as error:
        error.close()
        return {"value": str(error.code)}
    except (OSError, ValueError) as error:  # refused, reset, late, no such name; no HTTP
        return {"failed": f"{ask['url']}: {getattr(error, 'reason', error)}"}


def prometheus(ask: dict[str, Any]) -> dict[str, Any]:
    """Ask Prometheus for one value, as of now."""
    query = ask.get("query") or Path(ask["path"]).read_text(encoding="utf-8").strip()
    url = f"{ask['endpoint'].rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with opener(insecure=False).open(url, timeout=ask["seconds"]) as answer:
            found = json.loads(answer.read(MOST))["data"]
    except urllib.error.HTTPError as error:
        with error:
            return {"broken": f"HTTP status {error.code}: {error.read(500).decode(errors='replace')}"}
    except (OSError, ValueError, KeyError) as error:
        if isinstance(getattr(error, "reason", error), TimeoutError):
            return {"failed": f"it did not answer in {ask['seconds']:g} s"}
        return {"broken": f"{url}: {getattr(error, 'reason', error)}"}
    kind, result = found["resultType"], found["result"]
    if kind not in ("scalar", "string") and (kind != "vector" or len(result) != 1):
        return {"broken": f"the query must give one value, and gave {len(result)}: {query}"}
    return {"value": result[0]["value"][1] if kind == "vector" else result[1]}


def addresses(ask: dict[str, Any]) -> dict[str, Any]:
    """The IPv4 addresses of names."""
    found: list[str] = []
    for host in ask["hosts"]:
        try:
            answers = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            return {"broken": f"{host}: {error}"}
        found += [str(answer[4][0]) for answer in answers]
    return {"value": ",".join(dict.fromkeys(found))}


def opener(*, insecure: bool) -> urllib.request.OpenerDirector:
    """Without any proxy; with ``insecure`` whoever answers is believed."""
    tls = ssl.create_default_context()
    if insecure:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))


def main() -> None:
    """Read one request, write its answer."""
    ask = json.loads(sys.stdin.readline())
    ways = {"cmd": command, "http": web, "prom": prometheus, "resolve": addresses}
    try:
        answer = ways[ask["do"]](ask)
    except OSError as error:
        answer = {"broken": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
