"""Tries to connect to each ``address:port`` it is given, all at once, and prints what came of each as a JSON object.

A program of its own without dependencies: scenarios run it in pods and on the external peer, as ``python3 -c``.
"""

import errno
import json
import os
import selectors
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

SILENCE_SECONDS = 1.0
"""So long nothing must be heard, and ten times as long as the slowest that connected took, of what timed out."""
HANG_SECONDS = 60.0
"""So long it is waited where nothing connects: then nothing tells how fast this machine is."""


def begin(target: str) -> socket.socket | str:
    """A connection under way, or what happened at once."""
    address, _, port = target.rpartition(":")
    try:
        [(family, kind, *_, found), *_] = socket.getaddrinfo(address, int(port), type=socket.SOCK_STREAM)
    except socket.gaierror:
        return "name not found"
    opened = socket.socket(family, kind)
    opened.settimeout(0)
    number = opened.connect_ex(found)
    if number in (0, errno.EINPROGRESS):
        return opened
    opened.close()
    return word(number)


def word(number: int) -> str:
    """``connected``, ``refused``, or the system's word for an error number."""
    return {0: "connected", errno.ECONNREFUSED: "refused"}.get(number, os.strerror(number).lower())


def connect(targets: list[str]) -> dict[str, str]:
    """What happened to each: ``connected``, ``timed out``, ``refused``, ``name not found``, or the system's word.

    Who is slow must not look like a policy: a connection timed out when others connected, and one more look, after all
    that silence, found nothing of it.
    """
    with ThreadPoolExecutor(len(targets)) as pool:  # names may take their time
        under_way = dict(zip(targets, pool.map(begin, targets), strict=True))
    verdicts = {target: one for target, one in under_way.items() if isinstance(one, str)}
    slowest, began = 0.0, time.monotonic()
    with selectors.DefaultSelector() as selector:
        for target, one in under_way.items():
            if isinstance(one, socket.socket):
                selector.register(one, selectors.EVENT_WRITE, target)
        while selector.get_map():
            silent = time.monotonic() - began
            heard = selector.select(0.02)
            for key, _ in heard:
                assert isinstance(key.fileobj, socket.socket)
                verdicts[key.data] = word(key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                if verdicts[key.data] == "connected":
                    slowest = time.monotonic() - began
                selector.unregister(key.fileobj)
            if not heard and silent > (max(SILENCE_SECONDS, 10 * slowest) if slowest else HANG_SECONDS):
                break
    for one in under_way.values():
        if isinstance(one, socket.socket):
            one.close()
    return {target: verdicts.get(target, "timed out") for target in targets}


if __name__ == "__main__":
    print(json.dumps(connect(sys.argv[1:])))  # noqa: T201 -- its answer
