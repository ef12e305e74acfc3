"""How a fault is undone, as data: it is written down before the fault is fired, and done by whoever is alive then.

That is the run itself; the cluster's supervisor or the healer, at the fault's deadline, when the run was killed; or
``harness heal``. Undoing twice is as good as undoing once: each step says what is to be in the end.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.clusters.provider import Cluster, Node
from harness.errors import ClusterError
from harness.kube.client import MERGE, Api, ApiConflict, ApiNotFound, ApiServerFailed, ApiUnreachable
from harness.kube.wait import wait_until

STRUCK_SECONDS: Final = 60.0
"""How long an API server that is struck itself may take to come back."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(_Part):
    """A request to the API server. What it is about may be gone, or there already: then nothing is left to undo."""

    verb: Literal["patch", "post", "delete"]
    path: str
    body: Any = None
    content_type: str = MERGE


class Undo(_Part):
    """What undoes one fault: in this order. ``fault`` is the fault as a plan shows it, for people."""

    fault: str
    components: tuple[str, ...] = ()
    """Components of the node that are to run."""
    thaw: tuple[str, ...] = ()
    """Pods, by UID, that are to run."""
    requests: tuple[Request, ...] = ()


def read(text: str, where: str) -> Undo:
    """What was written down as JSON. Raises ClusterError, which names ``where`` it was, for what is no undo."""
    try:
        return Undo.model_validate_json(text)
    except ValidationError as error:
        raise ClusterError(f"{where} is no undo: {error}") from error


class Journal(Protocol):
    """Where undos are written down, so that they are done at their deadline even when this process is killed."""

    def register(self, undo: Undo, seconds: float) -> str:
        """Have it done in so many seconds, unless it is cancelled before; what it is cancelled by."""

    def cancel(self, entry: str) -> None:
        """It is done. Safe to repeat."""


def perform(undo: Undo, cluster: Cluster, api: Api) -> None:
    """Undo it. Safe to repeat. Raises ClusterError or ApiError of what refused, after trying all of its steps."""
    with contextlib.ExitStack() as steps:  # the last one first; one that fails keeps none of the others from being done
        for request in reversed(undo.requests):
            steps.callback(_send, api, request)
        if undo.components or undo.thaw:
            if not isinstance(cluster, Node):
                raise ClusterError(f"{undo.fault} cannot be undone: cluster {cluster.name} has no node of ours")
            for uid in reversed(undo.thaw):
                steps.callback(cluster.thaw_pod, uid)
            for component in reversed(undo.components):
                steps.callback(_ensure_running, cluster, component)


def _ensure_running(node: Node, component: str) -> None:
    if component not in node.components():
        node.start_component(component)


def _send(api: Api, request: Request) -> None:
    # That a patch met another change (409) says nothing about what it is to undo: it has to be sent again.
    nothing_left = (ApiNotFound,) if request.verb == "patch" else (ApiNotFound, ApiConflict)
    with contextlib.suppress(*nothing_left):
        match request.verb:
            case "patch":
                api.patch(request.path, request.body, request.content_type)
            case "post":
                api.post(request.path, request.body)
            case "delete":
                api.delete(request.path)


def persistently(what: str, do: Callable[[], object], seconds: float = STRUCK_SECONDS) -> None:
    """Do it, again while the API server does not answer, has nowhere to ask (its store is struck), or another is at it.

    ``do`` must be safe to repeat; ``what`` completes "waited N s for …". Raises WaitTimeout, and at once what else
    ``do`` raises.
    """
    last = ""

    def done() -> bool:
        nonlocal last
        try:
            do()
        except (ApiUnreachable, ApiServerFailed, ApiConflict) as error:
            last = str(error)
            return False
        return True

    wait_until(what, done, seconds=seconds, interval=0.5, describe=lambda: last)


@contextlib.contextmanager
def undoing(undo: Undo, journal: Journal, cluster: Cluster, api: Api, seconds: float) -> Iterator[None]:
    """Written down before the block, undone after it, and then taken from the journal.

    What strikes the API server at the same time is outlasted. Raises WaitTimeout where it does not come back, else what
    ``perform`` raises: then it stays in the journal.
    """
    entry = journal.register(undo, seconds)
    try:
        yield
    finally:
        persistently(f"the API server, to undo {undo.fault}", lambda: perform(undo, cluster, api))
        journal.cancel(entry)
