"""The one meaning of *ready*, for every provider: six phases, each timed and shown.

The API answers; the node is Ready; the default ServiceAccount is there; DNS answers from a pod; the Ingress answers
from outside; and the policy canary flips. Its policy is a fresh one, since standing rules of a dead enforcer would
still deny: a pair connects on two ports, a policy is created and the pair is denied on the one that it leaves
out, the policy is deleted and it connects on both again.
"""

import functools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import requests

from harness.clusters.provider import Cluster
from harness.errors import HarnessError, PolicyNotEnforced, ProbeError, WaitTimeout
from harness.kube.client import Api, ApiError
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from harness.timeline import Timeline

T = TypeVar("T")

HTTP_PORT = 8080
"""Where the canary's server answers HTTP. The canary's policy lets everybody in here: so it is a denial's control."""
PROBED_PORT = 8081
"""Where it answers whoever probes it, and its policy lets nobody in."""
SECONDS = 60.0
"""Deadline of each phase."""
LATE_CHECK = "poststarthook/apiservice-discovery-controller"
"""A check of the API server that first tries for 2 s to reach metrics-server, which needs a node to run on."""
CANARY_SECONDS = 60.0
"""Deadline for a policy to be enforced, and to be lifted."""
CONNECT_SECONDS = 0.1
"""How long one connect of the canary may take before it counts as denied."""
DENIED_SECONDS = (CONNECT_SECONDS, CONNECT_SECONDS, 1.1)
"""How long silence must last to be the policy's, in as many rounds on end: a packet that is lost is sent again after
1 s (RFC 6298), and a server that is busy answers before."""


class Probe(Protocol):
    """What the canary asks of a prober in its client pod."""

    def resolves(self, name: str) -> bool:
        """Whether the pod's resolver knows ``name``."""

    def connects(self, address: str, ports: Sequence[int], seconds: float) -> Sequence[bool]:
        """Whether a TCP connection comes up on each port, all tried at once.

        False only where it was dropped or rejected, else ProbeError.
        """

    def close(self) -> None:
        """End it."""


Check = Callable[[], None]
"""Raises where there is no use in waiting on."""
OpenProbe = Callable[[Api, str, str], Probe]
"""Opens a probe in the pod of a namespace and name."""


@dataclass(frozen=True)
class Canary:
    """What the canary is made of: an image that is on the node, what its server runs, and how to probe from its pods.

    ``serve`` answers any GET with 200 and ``answer`` on HTTP_PORT, and connections on PROBED_PORT. ``labels`` are those
    of the run, by which what is left of a killed one is found.
    """

    image: str
    serve: Sequence[str]
    answer: str
    open: OpenProbe
    labels: Mapping[str, str] = field(default_factory=dict)


def wait_until_ready(cluster: Cluster, timeline: Timeline, canary: Canary) -> None:
    """Wait for all six phases. Raises WaitTimeout naming what was waited for, or PolicyNotEnforced."""
    try:
        _wait_for_phases(cluster.api, cluster, timeline, canary)
    except HarnessError:
        cluster.check()  # a cluster that broke is a better word than what was seen of it
        raise


def _wait_for_phases(api: Api, cluster: Cluster, timeline: Timeline, canary: Canary) -> None:
    with timeline.phase("API answers"):
        _wait(
            cluster.check,
            "the API server to answer",
            lambda: api.text("/readyz", exclude=LATE_CHECK) == "ok",
            tolerate=(ApiError,),
        )
    with timeline.phase("node Ready") as say:
        say(_wait(cluster.check, "a node to be Ready", lambda: _ready_node(api)))
    with timeline.phase("default ServiceAccount"):
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        _wait(cluster.check, "the default ServiceAccount", lambda: api.find(account))
    with _pair(api, canary) as namespace:
        with timeline.phase("DNS answers from a pod"):
            probe = _open(cluster.check, api, canary, namespace)
            _wait(
                cluster.check,
                "DNS to answer from a pod",
                lambda: probe.resolves("kubernetes.default.svc.cluster.local"),
            )
        try:
            with timeline.phase("Ingress answers"):
                _wait_for_ingress(cluster, namespace, canary.answer)
            with timeline.phase("policy canary") as say:
                say(_flip(api, probe, namespace, cluster.check))
        finally:
            probe.close()


def _wait(
    check: Check,
    what: str,
    probe: Callable[[], T | None],
    *,
    tolerate: tuple[type[Exception], ...] = (),
    describe: Callable[[], str] | None = None,
) -> T:
    """Wait as ``wait_until`` does, but not for a cluster that has broken: that raises what its ``check`` says."""

    def checked() -> T | None:
        check()
        return probe()

    return wait_until(what, checked, seconds=SECONDS, tolerate=tolerate, describe=describe)


def prove_policy(cluster: Cluster, canary: Canary) -> str:
    """Run the canary alone; returns what it saw, in words. Raises PolicyNotEnforced."""
    with standing_pair(cluster, canary, cluster.check) as flip:
        return flip()


@contextmanager
def standing_pair(cluster: Cluster, canary: Canary, check: Check) -> Iterator[Callable[[], str]]:
    """The canary's pair of pods, for as long as the block lasts.

    Each call of what is yielded is one flip, of a policy of its own, and returns what it saw, in words. ``check`` is
    called all along, and ends the wait with whatever it raises. Raises PolicyNotEnforced.
    """
    api = cluster.api
    with _pair(api, canary) as namespace:
        probe = _open(check, api, canary, namespace)
        try:
            yield lambda: _flip(api, probe, namespace, check)
        finally:
            probe.close()


def _flip(api: Api, probe: Probe, namespace: str, check: Check) -> str:
    address = str(_pod(api, namespace, "server")["status"]["podIP"])
    policies = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"

    def connects() -> bool:
        return all(probe.connects(address, (PROBED_PORT, HTTP_PORT), CONNECT_SECONDS))

    def denied() -> bool:
        """Only the policy tells the two ports apart: the server lives, and the client gets there."""
        return all(
            list(probe.connects(address, (PROBED_PORT, HTTP_PORT), seconds)) == [False, True]
            for seconds in DENIED_SECONDS
        )

    def wait(
        what: str, condition: Callable[[], bool], meaning: str, tolerate: tuple[type[HarnessError], ...] = ()
    ) -> float:
        began = latest = time.monotonic()

        def look() -> bool:
            nonlocal latest
            check()
            latest = time.monotonic()
            return condition()

        try:
            wait_until(what, look, seconds=CANARY_SECONDS, interval=0.01, tolerate=tolerate)
        except WaitTimeout as timeout:
            raise PolicyNotEnforced(f"the policy canary failed: {timeout}. {meaning}") from timeout
        return latest - began  # what the deciding probe met was so when it began

    wait(
        "the canary's pair of pods to connect before there is a policy",
        connects,
        "Without any policy two pods cannot talk, so nothing that is denied here proves a policy.",
        (ProbeError,),  # the server's container runs, and it may not listen yet
    )
    api.post(policies, _deny_but_http("server"))
    enforced = wait(
        "the canary's policy to deny the pair",
        denied,
        "NetworkPolicy has no effect on this cluster: its enforcer is missing, stopped, fails open, or denies what a "
        "policy allows.",
    )
    api.delete(f"{policies}/canary")
    lifted = wait(
        "the canary's pair to connect again once its policy was deleted",
        connects,
        "A policy stays in force after it was deleted: the enforcer is stopped.",
    )
    return f"enforced after {enforced:.2f} s, lifted after {lifted:.2f} s"


def _deny_but_http(role: str) -> JsonObject:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "canary"},
        "spec": {
            "podSelector": {"matchLabels": {"role": role}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": HTTP_PORT}]}],
        },
    }


@contextmanager
def _pair(api: Api, canary: Canary) -> Iterator[str]:
    """A fresh namespace with a server, a client and an Ingress to the server; deleted afterwards without waiting."""
    namespace = f"harness-canary-{secrets.token_hex(4)}"
    labels = {**canary.labels, "harness.dev/owner": "canary"}
    api.post("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
    try:
        for role, command in (("server", canary.serve), ("client", ("sleep", "infinity"))):
            api.post(f"/api/v1/namespaces/{namespace}/pods", _pod_manifest(role, canary.image, list(command)))
        api.post(
            f"/api/v1/namespaces/{namespace}/services",
            {"metadata": {"name": "server"}, "spec": {"selector": {"role": "server"}, "ports": [{"port": HTTP_PORT}]}},
        )
        api.post(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses", _ingress(namespace))
        yield namespace
    finally:
        api.delete(f"/api/v1/namespaces/{namespace}")


def _pod_manifest(role: str, image: str, command: list[str]) -> JsonObject:
    return {
        "metadata": {"name": role, "labels": {"role": role}},
        "spec": {
            # The token's ServiceAccount may be younger than this pod: it needs none.
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "enableServiceLinks": False,
            # A query sent before the pod's network is set up is lost, and a resolver would wait 5 s before the next.
            "dnsConfig": {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "1"}]},
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10003, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": role,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": command,
                    "resources": {"requests": {"cpu": "10m"}},  # a starved server would look like a denied one
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                }
            ],
        },
    }


def _ingress(namespace: str) -> JsonObject:
    backend = {"service": {"name": "server", "port": {"number": HTTP_PORT}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "metadata": {"name": "canary"},
        "spec": {"rules": [{"host": f"{namespace}.local", "http": {"paths": [path]}}]},
    }


def _wait_for_ingress(cluster: Cluster, namespace: str, expected: str) -> None:
    url = cluster.ingress_url
    last = "nothing"

    def answer() -> bool:
        nonlocal last
        try:
            got = requests.get(url, headers={"Host": f"{namespace}.local"}, timeout=2)
        except requests.RequestException as error:
            last = str(error)
            return False
        last = f"{got.status_code} {got.text[:80]}"
        return got.status_code == requests.codes.ok and got.text == expected

    _wait(cluster.check, f"the Ingress at {url} to answer from outside", answer, describe=lambda: last)


def _open(check: Check, api: Api, canary: Canary, namespace: str) -> Probe:
    for role in ("client", "server"):
        _wait(
            check,
            f"the canary's {role} pod to run",
            functools.partial(_runs, api, namespace, role),
            describe=functools.partial(_status, api, namespace, role),
        )
    return canary.open(api, namespace, "client")


def _pod(api: Api, namespace: str, name: str) -> JsonObject:
    return api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")


def _status(api: Api, namespace: str, name: str) -> str:
    return str(_pod(api, namespace, name).get("status"))


def _runs(api: Api, namespace: str, name: str) -> bool:
    return bool(_pod(api, namespace, name)["status"].get("phase") == "Running")


def _ready_node(api: Api) -> str | None:
    for node in api.get("/api/v1/nodes")["items"]:
        conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", [])}
        tainted = any(t["key"] == "node.kubernetes.io/not-ready" for t in node["spec"].get("taints") or [])
        if conditions.get("Ready") == "True" and not tainted:
            return str(node["metadata"]["name"])
    return None
