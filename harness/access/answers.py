"""From the answer to a real request to what it shows: allowed, denied by the authorizer itself, or unknown. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Final

from harness.access.asking import MISSING, of_namespaces
from harness.access.matrix import Seen, State
from harness.access.request import Request
from harness.prober.agent import GREETING

_FIRST_REFUSAL, _UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _FIRST_SERVER_ERROR = 400, 401, 403, 429, 500
_WORDS: Final = re.compile(
    r'(?:\S+(?: "(?:[^"\\]|\\.)*")? is )?forbidden: User "(?P<user>(?:[^"\\]|\\.)*)" cannot (?P<verb>\S+) (?:'
    r'path "(?P<url>[^"]*)"|'
    r'resource "(?P<kind>[^"]*)" in API group "(?P<group>[^"]*)" '
    r'(?:in the namespace "(?P<namespace>[^"]*)"|at the cluster scope))(?:: .*)?',
    re.DOTALL,
)
"""The authorizer's own words: ``forbiddenMessage`` in k8s.io/apiserver/pkg/endpoints/handlers/responsewriters."""


@dataclass(frozen=True)
class Answer:
    """What came of a call: ``status`` 0 is no answer, and then ``why`` says why there is none."""

    status: int
    body: bytes = b""
    why: str = ""


def classify(request: Request, answer: Answer) -> Seen:
    """What an answer shows of a request: DENIED only by the authorizer's own words for just this request.

    A 403 in other words is that of admission, which comes later, and so is one that asks for a second right (a PUT of
    what is not there asks for ``create``). One that asks for a right to impersonate says nothing of the request.
    """
    if not answer.status:
        return Seen(State.UNKNOWN, f"no answer: {answer.why}")
    text = answer.body.decode(errors="replace")
    if request.subresource == "proxy" and text.startswith(f"{GREETING} "):
        return Seen(State.ALLOWED, "the target itself answered")
    message = _message(text)
    done = answer.status < _FIRST_REFUSAL  # then the body is what was asked for
    told = f"{answer.status}: {message or ('' if done else text[:200])}".rstrip(": ")
    if answer.status in (_UNAUTHORIZED, _TOO_MANY) or answer.status >= _FIRST_SERVER_ERROR:
        return Seen(State.UNKNOWN, told)
    return _refusal(request, message, told) if answer.status == _FORBIDDEN else Seen(State.ALLOWED, told)


def _refusal(request: Request, message: str | None, told: str) -> Seen:
    if message is None:
        return Seen(State.UNKNOWN, f"not the API server's: {told}")
    words = _words(message)
    if words is None:
        return Seen(State.ALLOWED, f"refused later, by admission: {told}")
    if _about(request, words) and words["verb"] == request.verb:
        return Seen(State.DENIED, told)
    if _about(request, words) and not words["verb"].startswith("impersonate"):
        return Seen(State.ALLOWED, f"refused later, for want of a second right: {told}")
    return Seen(State.UNKNOWN, f"refused for another request than this one: {told}")


def refused(answer: Answer) -> str | None:
    """The name of the user whom the authorizer refused; None where it did not."""
    words = _words(_message(answer.body.decode(errors="replace")) or "") if answer.status == _FORBIDDEN else None
    return words["user"] if words else None


def _words(message: str) -> re.Match[str] | None:
    """The authorizer's words, if a message is made of them. It writes what could be taken for HTML as entities."""
    return _WORDS.fullmatch(message.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def _message(text: str) -> str | None:
    """The message of a Status; None for anything else."""
    try:
        status = json.loads(text)
    except ValueError:
        return None
    return str(status.get("message", "")) if isinstance(status, dict) and status.get("kind") == "Status" else None


def _about(request: Request, words: re.Match[str]) -> bool:
    """Whether the authorizer spoke of what was asked for. A namespace itself is to the API server in itself."""
    if request.url:
        return words["url"] == request.url
    namespaces = {request.namespace}
    if of_namespaces(request):
        namespaces.add(request.name or MISSING)
    return (
        words["kind"] == request.kind and words["group"] == request.group and (words["namespace"] or "") in namespaces
    )
