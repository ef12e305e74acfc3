"""Tries to connect to each ``address:port`` it is given, all at once, and prints what came of each as a JSON object.

A program of its own without dependencies: scenarios run it in pods and on the external peer, as ``python3 -c``.
"""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

DEADLINE_SECONDS = 1.0  # a connection inside one node takes under a millisecond


def connect(target: str) -> str:
    """What happened: ``connected``, ``timed out``, ``refused``, ``name not found``, or the system's word for it."""
    address, _, port = target.rpartition(":")
    try:
        with socket.create_connection((address, int(port)), timeout=DEADLINE_SECONDS):
            return "connected"
    except TimeoutError:
        return "timed out"
    except ConnectionRefusedError:
        return "refused"
    except socket.gaierror:
        return "name not found"
    except OSError as error:
        return str(error.strerror).lower()


if __name__ == "__main__":
    targets = sys.argv[1:]
    with ThreadPoolExecutor(len(targets)) as pool:
        print(json.dumps(dict(zip(targets, pool.map(connect, targets), strict=True))))  # noqa: T201 -- its answer
