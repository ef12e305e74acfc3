"""Telling the node to start or stop a component: one JSON line there, one back, over a Unix socket."""

import json
import os
import socket
from pathlib import Path
from typing import Any, cast

from harness.errors import ClusterError, ClusterGone
from harness.kube.wait import patient

ANSWER_SECONDS = 60.0
"""Deadline for an answer to what takes no time."""


def request(control: Path, seconds: float = ANSWER_SECONDS, **message: object) -> dict[str, Any]:
    """Send ``message`` to the node whose socket is ``control``, and return its answer, which may take so long.

    Raises ClusterGone if the node does not run, ClusterError with its words if it refuses.
    """
    # A Unix socket's path has 108 bytes at most; by way of an open folder it is always short.
    try:
        folder = os.open(control.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ClusterGone(f"cluster {control.parent.name} is gone: {error}") from error
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patient(seconds))
            connection.connect(f"/proc/self/fd/{folder}/{control.name}")
            connection.sendall(json.dumps(message).encode() + b"\n")
            answer = connection.makefile().readline()
    except OSError as error:
        raise ClusterGone(f"the node of cluster {control.parent.name} does not answer: {error}") from error
    finally:
        os.close(folder)
    if not answer:
        raise ClusterGone(f"the node of cluster {control.parent.name} ended before it answered")
    parsed = cast("dict[str, Any]", json.loads(answer))
    if "error" in parsed:
        raise ClusterError(str(parsed["error"]))
    return parsed
