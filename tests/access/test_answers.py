"""What an answer shows: denied by the authorizer's own words for this request alone."""

import json

import pytest

from harness.access.answers import Answer, classify, refused
from harness.access.asking import MISSING
from harness.access.matrix import State
from harness.access.request import Request

LIST = Request("list", "pods", namespace="invoice")
WORDS = 'User "anna" cannot {} resource "{}" in API group "{}" {}'
IN_INVOICE = 'in the namespace "invoice"'


def status(code: int, message: str) -> Answer:
    return Answer(code, json.dumps({"kind": "Status", "code": code, "message": message}).encode())


def forbidden(
    verb: str, kind: str, group: str = "", where: str = IN_INVOICE, *, named: str = "", why: str = ""
) -> Answer:
    resource = kind.partition("/")[0] + (f".{group}" if group else "") + (f' "{named}"' if named else "")
    return status(403, f"{resource} is forbidden: {WORDS.format(verb, kind, group, where)}{why}")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (LIST, forbidden("list", "pods")),
        (LIST, forbidden("list", "pods", why=': RBAC: role.rbac.authorization.k8s.io "x" not found')),
        (Request("get", "pods", "", "log", "invoice"), forbidden("get", "pods/log", named=MISSING)),
        (
            Request("patch", "deployments", "apps", "scale", "invoice"),
            forbidden("patch", "deployments/scale", "apps", named=MISSING),
        ),
        (Request("list", "nodes"), forbidden("list", "nodes", where="at the cluster scope")),
        (
            Request("get", "namespaces"),
            forbidden("get", "namespaces", where=f'in the namespace "{MISSING}"', named=MISSING),
        ),
        (Request("get", url="/metrics"), status(403, 'forbidden: User "anna" cannot get path "/metrics"')),
        (
            LIST,
            status(403, f"pods is forbidden: {WORDS.format('list', 'pods', '', IN_INVOICE)}".replace("anna", "a&lt;")),
        ),
        (
            LIST,
            status(403, f"pods is forbidden: {WORDS.format('list', 'pods', '', IN_INVOICE)}".replace("anna", r"a\"b")),
        ),
    ],
)
def test_denied_is_what_the_authorizer_itself_refuses(request_: Request, answer: Answer) -> None:
    assert classify(request_, answer).state is State.DENIED


@pytest.mark.parametrize("code", [200, 201, 301, 400, 404, 405, 409, 415, 422])
def test_every_other_answer_of_the_server_comes_after_authorization(code: int) -> None:
    seen = classify(LIST, status(code, "something else"))

    assert seen.state is State.ALLOWED
    assert seen.why == f"{code}: something else"


@pytest.mark.parametrize(
    "message",
    [
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0',
        (
            'roles.rbac.authorization.k8s.io "x" is forbidden: user "anna" (groups=["system:authenticated"]) is '
            'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"]}'
        ),
        'admission webhook "w" denied the request: User "anna" cannot list resource "pods" in API group "" today',
    ],
)
def test_a_refusal_of_admission_comes_after_authorization(message: str) -> None:
    seen = classify(LIST, status(403, message))

    assert seen.state is State.ALLOWED
    assert "by admission" in seen.why


def test_who_lacks_a_second_right_has_the_first() -> None:
    update = Request("update", "leases", "coordination.k8s.io", namespace="invoice")

    seen = classify(update, forbidden("create", "leases", "coordination.k8s.io", named=MISSING))

    assert seen.state is State.ALLOWED
    assert "second right" in seen.why


@pytest.mark.parametrize(
    "answer",
    [
        forbidden("list", "secrets"),
        forbidden("list", "pods", "metrics.k8s.io"),
        forbidden("list", "pods/log"),
        forbidden("list", "pods", where='in the namespace "payments"'),
        forbidden("list", "pods", where="at the cluster scope"),
        forbidden("impersonate", "users", where="at the cluster scope", named="anna"),
        forbidden("impersonate-on:user-info:list", "pods"),
        status(403, 'forbidden: User "anna" cannot get path "/api"'),
    ],
)
def test_a_refusal_of_another_request_shows_nothing(answer: Answer) -> None:
    assert classify(LIST, answer).state is State.UNKNOWN


@pytest.mark.parametrize(
    "answer",
    [
        status(401, "Unauthorized"),
        status(429, "too many requests"),
        status(500, "etcd"),
        status(503, "the server is currently unable"),
        Answer(403, b"<html>blocked by the company</html>"),
        Answer(403, b"{}"),
        Answer(0, why="Connection reset by peer"),
    ],
)
def test_no_answer_and_one_that_says_nothing_of_rights_are_unknown(answer: Answer) -> None:
    seen = classify(LIST, answer)

    assert seen.state is State.UNKNOWN
    assert (answer.why or str(answer.status)) in seen.why


def test_a_target_that_answers_was_reached_whatever_its_status() -> None:
    proxy = Request("create", "pods", "", "proxy", "invoice")

    assert classify(proxy, Answer(501, b"harness-prober target\n")).state is State.ALLOWED
    assert classify(proxy, status(503, "error trying to reach service")).state is State.UNKNOWN
    assert classify(LIST, Answer(501, b"harness-prober target\n")).state is State.UNKNOWN


def test_a_refusal_tells_who_was_refused() -> None:
    assert refused(forbidden("list", "pods")) == "anna"
    assert refused(status(403, "exceeded quota")) is None
    assert refused(status(404, f"pods is forbidden: {WORDS.format('list', 'pods', '', IN_INVOICE)}")) is None
