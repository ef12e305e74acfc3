"""Ways to a pod that lead through the API: edges that access control must close, since no NetworkPolicy can.

Who asks the API server for them reaches the pod from its node, or from within the pod itself, and there no policy has a
say (rule 15 of docs/network-policy.md). Each edge is named by the right that opens it. That it is there for an
administrator shows that the list is true; that everybody outside the payments team is refused shows that it is closed.
"""

import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from harness.access.expectations import read
from harness.access.lab import Lab as AccessLab
from harness.access.matrix import Cell, Standing
from harness.access.request import Request
from harness.case import Case
from harness.errors import CommandError
from harness.isolation.lab import Lab
from harness.isolation.recording import Records
from harness.isolation.stage import PORTS
from harness.kube.client import STRATEGIC_MERGE, Api, ApiError
from harness.kube.exec import ExecRefused, ExecStream
from harness.kube.kubectl import JsonObject, Kubectl, child_environment
from harness.prober.client import Target

pytestmark = pytest.mark.xdist_group("case")

RIGHTS = Path(__file__).parents[1] / "access" / "expected.yaml"
PORT = 8082
HEALTHY = '{"status":"ok"}'
"""What payment-provider answers on ``/healthz``."""
ACCOUNTS = ("invoice:invoice-app", "invoice:invoice-db", "payments:payment-provider", "payments:payments-db")
"""The case's ServiceAccounts."""
FETCH = "print(__import__('urllib.request').request.urlopen('http://{}/healthz',timeout=60).read().decode())"
"""Without a blank: the kubelet takes a command apart at each."""
URL = "payment-provider.payments.svc.cluster.local:8082"
SECONDS = 20.0
SILENCE_SECONDS = 0.3
"""Short, since the matrix of test_who_reaches_whom.py has the same cell, and makes sure that no packet was lost."""


class As(Api):
    """The API as another user asks it: the header of impersonation. The server adds a ServiceAccount's own groups."""

    user = ""

    def credentials(self) -> dict[str, str]:
        """The administrator's, and who he asks for."""
        return {**super().credentials(), **({"Impersonate-User": self.user} if self.user else {})}


@dataclass(frozen=True)
class Way:
    """What an edge is tried with: the case's pods, and who asks."""

    kubectl: Kubectl
    api: As
    provider: JsonObject
    invoice_app: JsonObject

    @property
    def provider_name(self) -> str:
        """The name of a pod of payment-provider."""
        return str(self.provider["metadata"]["name"])

    @property
    def provider_path(self) -> str:
        """The path of a pod of payment-provider."""
        return f"/api/v1/namespaces/payments/pods/{self.provider_name}"


def through_pods_proxy(way: Way) -> str:
    return way.api.text(f"{way.provider_path}:{PORT}/proxy/healthz")


def through_services_proxy(way: Way) -> str:
    return way.api.text(f"/api/v1/namespaces/payments/services/payment-provider:{PORT}/proxy/healthz")


def through_a_websocket_that_forwards_a_port(way: Way) -> str:
    ask_for_an_upgrade(way.api.text, f"{way.provider_path}/portforward")
    return forwarded(way, websockets=True)


def through_spdy_that_forwards_a_port(way: Way) -> str:
    ask_for_an_upgrade(lambda path: way.api.post(path, {}), f"{way.provider_path}/portforward")
    return forwarded(way, websockets=False)


def ask_for_an_upgrade(ask: Callable[[str], object], path: str) -> None:
    """Whether the right is there is looked at before the upgrade is missed. kubectl would ask for the pod first."""
    with pytest.raises(ApiError) as answer:
        ask(path)
    if "Upgrade request required" not in answer.value.output:
        raise answer.value


def forwarded(way: Way, *, websockets: bool) -> str:
    """What comes through ``kubectl port-forward``, as the administrator."""
    with subprocess.Popen(
        way.kubectl.command("port-forward", "--namespace=payments", way.provider_name, f":{PORT}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**child_environment(), "KUBECTL_PORT_FORWARD_WEBSOCKETS": str(websockets).lower()},
    ) as forwarding:
        try:
            assert forwarding.stdout is not None
            said = forwarding.stdout.readline()  # this at once, or why not
            assert "Forwarding from 127.0.0.1:" in said, said
            local = said.partition("127.0.0.1:")[2].split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{local}/healthz", timeout=SECONDS) as answer:
                return str(answer.read().decode())
        finally:
            forwarding.kill()


def by_exec(way: Way) -> str:
    """From within invoice-app, to which the policies do allow it."""
    app = way.invoice_app["metadata"]["name"]
    said = b""
    with ExecStream(way.api, "invoice", app, ("python3", "-c", FETCH.format(URL)), "invoice-app") as stream:
        while piece := stream.read(SECONDS):
            said += piece
        assert stream.ending is not None, "the program in invoice-app did not end"
        assert stream.ending.code == 0, stream.last_words()
    return said.decode(errors="replace").strip()


def by_the_kubelet(way: Way) -> str:
    """The same through the proxy of the node, which hands it to the kubelet."""
    app, node = way.invoice_app["metadata"]["name"], way.invoice_app["spec"]["nodeName"]
    command = urlencode({"cmd": f"python3 -c {FETCH.format(URL)}"})
    path = f"/api/v1/nodes/{node}/proxy/run/invoice/{app}/invoice-app?{command}"
    user = [f"--as={way.api.user}"] if way.api.user else []
    return way.kubectl.run(*user, "create", "--raw", path, "-f", os.devnull).strip()


def by_attaching_to_its_program(way: Way) -> str:
    """As far as the upgrade: what speaks to a program's input need not pass its network."""
    ask_for_an_upgrade(way.api.text, f"{way.provider_path}/attach?container=payment-provider&stdout=true")
    return "accepted"


def by_an_ephemeral_container(way: Way) -> str:
    """A dry run: one that is there stays in its pod for good. What runs in it stands in the pod's own network."""
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}  # as Pod Security wants it
    container = {"name": "edge", "image": "harness.dev/any", "command": ["true"], "securityContext": restricted}
    patch = {"spec": {"ephemeralContainers": [container]}}
    path = f"{way.provider_path}/ephemeralcontainers"
    patched = way.api.patch(path, patch, STRATEGIC_MERGE, dryRun="All")
    return "accepted" if "edge" in [one["name"] for one in patched["spec"]["ephemeralContainers"]] else str(patched)


@dataclass(frozen=True)
class Edge:
    """A way, and the right that opens it: all of ``verbs`` on ``resource``. ``answers`` is what is read by it."""

    go: Callable[[Way], str]
    verbs: str
    resource: str
    answers: str = HEALTHY

    def requests(self) -> Iterator[Request]:
        """What the right lets one ask for, at the provider and, where it leads in from there, at invoice-app."""
        resource, _, subresource = self.resource.partition("/")
        for verb in self.verbs.split(", "):
            for namespace in ("",) if resource == "nodes" else ("payments", "invoice"):
                yield Request(verb, resource, "", subresource, namespace)

    @property
    def name(self) -> str:
        """The way, in words."""
        return self.go.__name__.replace("_", " ")

    def __str__(self) -> str:
        return f"{self.verbs} {self.resource}: {self.name}"


EDGES = [
    Edge(through_pods_proxy, "get", "pods/proxy"),
    Edge(through_services_proxy, "get", "services/proxy"),
    Edge(through_a_websocket_that_forwards_a_port, "get, create", "pods/portforward"),
    Edge(through_spdy_that_forwards_a_port, "create", "pods/portforward"),
    Edge(by_exec, "get, create", "pods/exec"),
    Edge(by_the_kubelet, "create", "nodes/proxy"),
    Edge(by_attaching_to_its_program, "get, create", "pods/attach", "accepted"),
    Edge(by_an_ephemeral_container, "patch", "pods/ephemeralcontainers", "accepted"),
]


@pytest.fixture(scope="module")
def api(case: Case) -> Iterator[As]:
    with As(case.cluster.kubeconfig) as client:
        yield client


@pytest.fixture(scope="module")
def way(case: Case, api: As) -> Way:
    """Pods of both services that run."""

    def one_of(service: str, namespace: str) -> JsonObject:
        pods = api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"app.kubernetes.io/name={service}")
        return next(pod for pod in pods if "deletionTimestamp" not in pod["metadata"])

    return Way(case.cluster.kubectl, api, one_of("payment-provider", "payments"), one_of("invoice-app", "invoice"))


@pytest.fixture
def account(api: As, request: pytest.FixtureRequest) -> Iterator[str]:
    """The API is asked by this ServiceAccount."""
    api.user = f"system:serviceaccount:{request.param}"
    yield api.user
    api.user = ""


@pytest.fixture(scope="module", autouse=True)
def unchanged(api: As) -> Iterator[None]:
    """The case is after the module as it was before."""
    policies, pods = policies_of_the_case(api), pods_of_the_case(api)
    yield
    assert policies_of_the_case(api) == policies
    after = pods_of_the_case(api)
    stayed = pods.keys() & after.keys()  # an autoscaler may have taken some away
    assert {uid: after[uid] for uid in stayed} == {uid: pods[uid] for uid in stayed}


def policies_of_the_case(api: Api) -> Mapping[str, object]:
    """What each policy says, by its UID."""
    paths = [f"/apis/networking.k8s.io/v1/namespaces/{one}/networkpolicies" for one in ("invoice", "payments")]
    return {one["metadata"]["uid"]: one["spec"] for path in paths for one in api.items(path)}


def pods_of_the_case(api: Api) -> Mapping[str, object]:
    """What could have been done to each pod, by its UID: its labels, restarts and ephemeral containers."""
    pods = [pod for one in ("invoice", "payments") for pod in api.items(f"/api/v1/namespaces/{one}/pods")]
    return {
        pod["metadata"]["uid"]: (
            pod["metadata"]["labels"],
            [one["restartCount"] for one in pod["status"].get("containerStatuses", ())],
            [one["name"] for one in pod["spec"].get("ephemeralContainers") or ()],
        )
        for pod in pods
    }


def test_by_the_network_no_stranger_reaches_the_provider(lab: Lab, way: Way) -> None:
    anybodys, provider = Target(lab.hosts.pods[0].address, PORTS[0]), Target(way.provider["status"]["podIP"], PORT)

    control, verdict = lab.stranger.probe([anybodys, provider], SILENCE_SECONDS)

    assert control.connected, control
    assert verdict.denied, verdict


@pytest.mark.parametrize("edge", EDGES, ids=str)
def test_an_administrator_reaches_it_past_every_policy(edge: Edge, way: Way, records: Records) -> None:
    answer = edge.go(way)

    assert answer == edge.answers
    records.edge(edge.resource, "an administrator", is_open=True, way=edge.name, verbs=edge.verbs, seen=answer)


@pytest.mark.parametrize("account", ACCOUNTS, indirect=True)
@pytest.mark.parametrize("edge", EDGES, ids=str)
def test_none_of_the_cases_service_accounts_may(edge: Edge, account: str, way: Way, records: Records) -> None:
    is_open = True
    try:
        with pytest.raises((CommandError, ExecRefused)) as refused:
            edge.go(way)
        is_open = False
    finally:
        records.edge(edge.resource, account.rpartition(":")[2], is_open=is_open, way=edge.name, verbs=edge.verbs)

    assert "orbidden" in str(refused.value)
    assert account in str(refused.value)
    assert edge.resource in str(refused.value)


def test_they_are_closed_to_everybody_outside_the_payments_team(access: AccessLab, records: Records) -> None:
    outside = [who for who in read(RIGHTS).subjects.values() if "payments" not in (who.home or ())]
    cells = {Cell(who, request): edge for who in outside for edge in EDGES for request in edge.requests()}

    compared = access.compare(access.realm(), list(cells))

    opened = [str(one) for one in compared if one.model.allowed or one.standing is not Standing.AGREES]
    assert not opened, "\n".join(opened)
    assert {who.name for who in outside} > {"team-invoice", "invoice-app", "stranger"}
    names = ", ".join(who.name for who in outside)
    rights = ", ".join(dict.fromkeys(edge.resource for edge in EDGES))
    records.notes([f"ways through the API past every policy ({rights}): closed to {names}"])
