"""What nobody is given, and yet somebody can have: the steps from his rights to more, and where they end.

The model finds the shortest ways. In the case all of them begin at one right: who may patch a Deployment runs pods as
any ServiceAccount of its namespace, with any Secret of it. That this is so is shown by going there, as a member of the
team with a certificate; that it ends at the namespace, by the model, and by the API server's refusal next door.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from harness.access import own, powers
from harness.access.answers import Answer
from harness.access.asking import Call
from harness.access.callers import Caller
from harness.access.escalation import Escalation
from harness.access.expectations import read
from harness.access.lab import Lab
from harness.access.matrix import Who
from harness.access.parse import joined
from harness.access.powers import Being, Power, Secrets, told
from harness.access.request import Identity, Request
from harness.case import Case
from harness.kube.client import STRATEGIC_MERGE, Api
from harness.kube.deploy import OWNER
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import kustomize
from harness.kube.wait import wait_until
from harness.records import Records

pytestmark = pytest.mark.xdist_group("case")

EXPECTED = Path(__file__).parent / "expected.yaml"
NAME = "escalation"
SELECTOR = f"app.kubernetes.io/name={NAME}"
SECONDS = 60.0

SAY = dedent(
    """
    import base64, json, os, signal
    payload = open("/var/run/secrets/kubernetes.io/serviceaccount/token").read().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    names = [name for name in sorted(os.listdir("/secret")) if not name.startswith(".")]
    read = [name for name in names if open("/secret/" + name).read()]
    print(json.dumps({"token of": claims["sub"], "read of the Secret": read}), flush=True)
    signal.pause()
    """
)
"""Says whose token it has, and which values of the Secret it could read; never the token, and never a value."""

TAKING = {
    "serviceAccountName": "invoice-app",
    "automountServiceAccountToken": True,
    "volumes": [{"name": "secret", "secret": {"secretName": "invoice-db"}}],
    "containers": [
        {
            "name": NAME,
            "command": ["python3", "-c", SAY],
            "volumeMounts": [{"name": "secret", "mountPath": "/secret", "readOnly": True}],
        }
    ],
}
"""What the member patches into the template of a pod."""

Ways = Mapping[Who, Mapping[Power, powers.Path]]


@pytest.fixture(scope="module")
def ways(case: Case, access: Lab, access_records: Records) -> Ways:
    """What each subject of the table can come to have; all of it is written down."""
    written = own.read(case.manifests, kustomize(case.cluster.kubectl))
    escalation = Escalation(joined(written.realm, access.realm(), written.namespaces))
    found = {who: escalation.reached(who.identity) for who in read(EXPECTED).subjects.values()}
    access_records.text("escalations.txt", powers.survey({who.name: paths for who, paths in found.items()}))
    return found


@pytest.fixture(scope="module")
def member(ways: Ways) -> Who:
    """A person of team-invoice."""
    return next(who for who in ways if who.name == "team-invoice")


@pytest.fixture(scope="module")
def asking(member: Who, access: Lab) -> Caller:
    """Asks the API as that person, with his certificate."""
    access.admit([member])
    return Caller(access.api, access.credentials[member])


def test_nobodys_ways_lead_out_of_his_own_namespaces(ways: Ways) -> None:
    out = [
        f"{who.name}:\n{told(paths[power])}"
        for who, paths in ways.items()
        for power in powers.outside(paths, who.home or frozenset())
    ]

    assert not out, "\n".join(out)


def test_a_team_comes_to_have_the_accounts_and_secrets_of_its_namespace(ways: Ways) -> None:
    found = {who.name: paths for who, paths in ways.items()}

    for team, home, account in (
        ("team-invoice", "invoice", "invoice-app"),
        ("team-payments", "payments", "payments-db"),
    ):
        assert {Being(Identity.account(home, account)), Secrets(home)} <= found[team].keys()


def test_what_runs_and_who_is_in_no_team_comes_to_have_nothing(ways: Ways) -> None:
    more = {who.name for who, paths in ways.items() if paths}

    assert more == {"team-invoice", "team-payments"}


def test_a_member_becomes_a_service_account_of_his_namespace_and_reads_its_secret(
    member: Who, asking: Caller, ways: Ways, case: Case, access: Lab
) -> None:
    account = Identity.account("invoice", "invoice-app")
    first = Request("patch", "deployments", "apps", namespace="invoice")
    for power in (Being(account), Secrets("invoice")):
        assert [act.request for step in ways[member][power] for act in step.acts] == [first]

    with deployment(case, access.api) as path:
        patched = patch(asking, path, {"spec": {"replicas": 1, "template": {"spec": TAKING}}})
        assert patched.status == 200, patched.body
        said = wait_until("what the pod says", lambda: log_of(asking), seconds=SECONDS)

    assert said == {"token of": account.name, "read of the Secret": ["database", "password", "username"]}


def test_the_same_member_cannot_take_the_first_step_next_door(member: Who, asking: Caller) -> None:
    path = "/apis/apps/v1/namespaces/payments/deployments/payment-provider"

    refused = patch(asking, f"{path}?dryRun=All", {"spec": {"replicas": 1}})

    assert refused.status == 403
    assert json.loads(refused.body)["message"] == (
        f'deployments.apps "payment-provider" is forbidden: User "{member.identity.name}" cannot patch resource '
        '"deployments" in API group "apps" in the namespace "payments"'
    )


@contextmanager
def deployment(case: Case, api: Api) -> Iterator[str]:
    """The path of a Deployment of the team that runs nothing yet; it is gone afterwards, with its pods."""
    labels = {"app.kubernetes.io/name": NAME, **case.labels, OWNER: "access"}  # no part of the case
    container = {
        "name": NAME,
        "image": case.prober_image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    selector = {"matchLabels": {"app.kubernetes.io/name": NAME}}
    spec = {"replicas": 0, "selector": selector, "template": {"metadata": {"labels": labels}, "spec": pod}}
    collection = "/apis/apps/v1/namespaces/invoice/deployments"
    path = f"{collection}/{NAME}"
    api.post(collection, {"metadata": {"name": NAME, "labels": labels}, "spec": spec})
    try:
        yield path
    finally:
        api.delete(path, propagationPolicy="Foreground")
        wait_until("the Deployment to be gone, with its pods", lambda: is_gone(api, path), seconds=SECONDS)


def is_gone(api: Api, path: str) -> bool:
    return api.find(path) is None and not api.items("/api/v1/namespaces/invoice/pods", labelSelector=SELECTOR)


def patch(asking: Caller, path: str, body: JsonObject) -> Answer:
    [answer] = asking.ask([Call("PATCH", path, json.dumps(body).encode(), STRATEGIC_MERGE)])
    return answer


def log_of(asking: Caller) -> JsonObject | None:
    """What the pod says, as the member reads it; None as long as it says nothing."""
    pods = "/api/v1/namespaces/invoice/pods"
    [listed] = asking.ask([Call("GET", f"{pods}?labelSelector={SELECTOR}")])
    assert listed.status == 200, listed.body
    for name in [one["metadata"]["name"] for one in json.loads(listed.body)["items"]]:
        [log] = asking.ask([Call("GET", f"{pods}/{name}/log")])
        if log.status == 200 and log.body:
            said: JsonObject = json.loads(log.body)
            return said
    return None
