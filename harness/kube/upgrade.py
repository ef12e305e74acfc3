"""A WebSocket to the API server: for a program's input and output, or for a port of a pod, which are no requests."""

import socket
from collections.abc import Sequence
from typing import Any, Final

from harness.kube.client import Api, ApiUnreachable, refusal

OPEN_SECONDS: Final = 30.0
"""How long opening one may take."""


def upgrade(
    api: Api, connection: socket.socket, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]
) -> Any:  # noqa: ANN401 -- websocket-client has no types
    """The open ``websocket.WebSocket`` that speaks one of ``protocols``: ``getsubprotocol`` says which.

    ``connection`` is one of ``Api.open_socket``, which bounds how long the server may be silent. It is the WebSocket's
    from now on, and closed where there will be none.

    Raises ApiError, or one of its kinds, with the server's words where it refuses; ApiUnreachable where the connection
    breaks, or the server speaks none of the protocols.
    """
    import websocket  # noqa: PLC0415 -- 0.1 s, for those who need it

    try:
        opened = websocket.WebSocket(skip_utf8_validation=True)
        opened.connect(  # type: ignore[no-untyped-call]
            api.url(path, query).replace("http", "ws", 1),
            socket=connection,
            header=[f"{name}: {value}" for name, value in api.credentials().items()],
            subprotocols=list(protocols),
            suppress_origin=True,
            redirect_limit=0,
            timeout=connection.gettimeout(),
        )
    except websocket.WebSocketBadStatusException as error:
        connection.close()
        raise refusal("GET", path, error.status_code, error.resp_body or b"") from error
    except (websocket.WebSocketException, OSError) as error:
        connection.close()
        raise ApiUnreachable("GET", path, 0, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return opened
