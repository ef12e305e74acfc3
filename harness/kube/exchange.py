"""Passing bytes both ways between a client and a pod's port, each direction at its own pace, in little memory."""

import select
import socket
import time
from typing import Final

from harness.errors import ForwardError
from harness.kube.podport import PodPort

ROOM: Final = 128 * 1024
"""How many bytes wait for one side before no more is read from the other, give or take a message."""

_PIECE: Final = 64 * 1024


def exchange(client: socket.socket, pod: PodPort, stop: socket.socket, farewell_seconds: float) -> None:
    """Pass on what each side sends, in order and once, until one of them ends.

    When the pod ends, the client gets what the pod had sent. When the client ends, or ends its sending alone, the pod
    gets what the client had sent, and then the end of both directions, for which it has ``farewell_seconds``: the
    protocol cannot pass a half-close. So a client that ends its sending before it has read the answer loses that.

    One thread does it all, since OpenSSL lets no two use one connection.

    Raises ForwardError where the way to the pod breaks, or ``stop`` can be read.
    """
    client.settimeout(0)
    back = bytearray()
    while back or not pod.ended:
        data = pod.receive() if len(back) < ROOM else b""
        back += data
        try:
            sent = _send(client, back)
            taken = _take(client) if pod.unsent < ROOM and not pod.ended else None
        except OSError:
            taken = b""  # it has gone away: that is an end as well
        if taken == b"":
            _leave(pod, farewell_seconds)
            return
        if taken:
            pod.feed(taken)
        pod.send()
        if not (data or sent or taken) and (back or not pod.ended):
            goes_on = not pod.ended
            ready = _wait(
                (client, goes_on and pod.unsent < ROOM, bool(back)),
                (pod, goes_on and len(back) < ROOM, goes_on and pod.unsent > 0),
                (stop, True, False),
            )
            if stop.fileno() in ready:
                raise ForwardError(pod.where, "the forward was closed")
    if pod.error:
        raise pod.error


def _send(client: socket.socket, back: bytearray) -> int:
    """Send what the client takes of ``back`` now, and take that away from it; how much it was."""
    try:
        sent = client.send(back) if back else 0
    except BlockingIOError:
        return 0
    del back[:sent]
    return sent


def _take(client: socket.socket) -> bytes | None:
    """What the client sent next: empty at its end, None where there is nothing now."""
    try:
        return client.recv(_PIECE)
    except BlockingIOError:
        return None


def _wait(*ends: tuple[socket.socket | PodPort, bool, bool], seconds: float | None = None) -> set[int]:
    """Wait until an end can be read, or written, where that is wanted of it. Which can: none, after ``seconds``."""
    poll = select.poll()  # a new one: an end of which nothing is wanted would tell it of its errors all the time
    for end, reads, writes in ends:
        if events := (select.POLLIN if reads else 0) | (select.POLLOUT if writes else 0):
            poll.register(end, events)
    return {descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)}


def _leave(pod: PodPort, seconds: float) -> None:
    """Send what is unsent and the farewell, and wait until the other side has it all, which it says by its own.

    To close at once could lose what it has not read yet: TCP resets a connection that is closed with something unread.
    """
    deadline = time.monotonic() + seconds
    pod.farewell()
    while True:
        pod.send()
        unread = pod.receive()  # by the client, which has gone
        left = max(0.0, deadline - time.monotonic())
        if pod.ended or not (unread or _wait((pod, True, pod.unsent > 0), seconds=left)):
            return
