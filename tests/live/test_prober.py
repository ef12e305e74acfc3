"""Probing from pods as they are: by our image, by an application's own Python, by an ephemeral container."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from harness.clusters.embedded.provider import EmbeddedCluster
from harness.errors import ProbeError
from harness.kube import exec as kube_exec
from harness.kube.client import Api
from harness.kube.exec import ExecRefused, ExecStream
from harness.kube.kubectl import JsonObject
from harness.kube.protocol import Protocol
from harness.kube.wait import wait_until
from harness.prober.bootstrap import NoPython
from harness.prober.client import Outcome, Prober, Target, probe_all
from harness.prober.ephemeral import PREFIX
from harness.prober.opening import open_prober
from harness.prober.outside import outside_prober

from .pods import SECONDS, Pods

WAIT = "import signal; signal.pause()"
AGENTS = """\
import os
others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
print(sum("drive" in open(f"/proc/{pid}/cmdline").read() for pid in others))
"""


@pytest.fixture
def listener(pods: Pods) -> JsonObject:
    """A pod of our image that listens on port 8080, TCP and UDP, for probers."""
    return start_listener(pods, "listener")


def start_listener(pods: Pods, name: str) -> JsonObject:
    command = ["tini", "--", "python3", "-u", "/prober/agent.py", "serve", "--tcp", "8080", "--udp", "8080"]
    pods.start(name, "", container={"command": command})
    pod = pods.until(name, "Running")
    wait_until("it to listen", lambda: "serving" in pods.log(name), seconds=SECONDS, describe=lambda: pods.log(name))
    return pod


@pytest.fixture
def opened(api: Api, image: str) -> Iterator[Callable[..., Prober]]:
    """Opens the prober of a pod, and closes it after the test."""
    with ExitStack() as closing:
        yield lambda pod, *, allow_ephemeral=False: closing.enter_context(
            open_prober(api, pod, image, allow_ephemeral=allow_ephemeral)
        )


def both(pod: JsonObject) -> list[Target]:
    address = pod["status"]["podIP"]
    return [Target(address, 8080), Target(address, 8080, Protocol.UDP)]


def output(api: Api, pods: Pods, pod: str, *command: str) -> str:
    """What a command prints in a pod."""
    said = b""
    with ExecStream(api, pods.namespace, pod, command) as stream:
        while piece := stream.read(20):
            said += piece
        assert stream.ending is not None
        assert stream.ending.code == 0, stream.last_words()
    return said.decode().strip()


def test_a_pod_of_our_image_probes_by_its_own_agent(
    opened: Callable[..., Prober], listener: JsonObject, api: Api, pods: Pods
) -> None:
    prober = opened(listener)
    found = prober.probe([*both(listener), Target(listener["status"]["podIP"], 8080, Protocol.SCTP)])
    assert [one.pod for one in found[:2]] == ["listener"] * 2
    assert found[2].outcome in {Outcome.UNTESTED, Outcome.REFUSED}
    assert "/prober/agent.py" in output(api, pods, "listener", "sh", "-c", "cat /proc/*/cmdline | tr '\\0' ' '")


def test_an_applications_python_is_sent_the_agent_which_leaves_nothing(
    api: Api, pods: Pods, listener: JsonObject
) -> None:
    pods.start("app", WAIT, container={"securityContext": {"readOnlyRootFilesystem": True}})
    app = pods.until("app", "Running")
    with open_prober(api, app, "another/image:1", allow_ephemeral=False) as prober:
        found = prober.probe(both(listener))
        assert output(api, pods, "app", "python3", "-c", AGENTS) == "1"
    assert [one.pod for one in found] == ["listener"] * 2
    wait_until("the agent to end", lambda: output(api, pods, "app", "python3", "-c", AGENTS) == "0", seconds=SECONDS)
    assert "ephemeralContainers" not in pods.get("app")["spec"]


@pytest.mark.parametrize("name", ["coredns", "traefik"])
def test_an_image_from_scratch_is_told_to_have_no_python(api: Api, name: str) -> None:
    pods = [one["metadata"]["name"] for one in api.items("/api/v1/namespaces/kube-system/pods")]
    pod = next(pod for pod in pods if pod.startswith(name))
    with pytest.raises(NoPython, match="has no python3"):
        Prober(api, "kube-system", pod, name, bootstrap=True).open()


def test_a_pod_without_python_is_given_an_ephemeral_container_only_where_that_is_allowed_and_only_one(
    api: Api, pods: Pods, opened: Callable[..., Prober], listener: JsonObject
) -> None:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    api.patch(f"/api/v1/namespaces/{pods.namespace}", label)
    app = start_traefik(api, pods)
    with pytest.raises(ProbeError, match=r"none of its containers \(main\) has Python .* --allow-ephemeral"):
        opened(app)
    assert "ephemeralContainers" not in pods.get("traefik")["spec"]
    assert [one.pod for one in opened(app, allow_ephemeral=True).probe(both(listener))] == ["listener"] * 2
    assert opened(pods.get("traefik")).probe(both(listener))[0].connected  # what is there needs no leave
    [attached] = pods.get("traefik")["spec"]["ephemeralContainers"]
    assert attached["name"].startswith(PREFIX)


def start_traefik(api: Api, pods: Pods) -> JsonObject:
    """A pod of an image that holds nothing but its one program, as Pod Security ``restricted`` wants it."""
    add_ons = [one["spec"]["containers"][0] for one in api.items("/api/v1/namespaces/kube-system/pods")]
    image = next(one["image"] for one in add_ons if one["name"] == "traefik")
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"image": image, "command": None, "args": ["--global.checknewversion=false"]}
    pods.start("traefik", "", container={**container, "securityContext": restricted})
    return pods.until("traefik", "Running")


def test_what_speaks_dns_is_told_from_silence(api: Api, opened: Callable[..., Prober], listener: JsonObject) -> None:
    service = api.get("/api/v1/namespaces/kube-system/services/kube-dns")["spec"]["clusterIP"]
    silent = Target(service, 54, Protocol.UDP, speaks="dns")
    found = opened(listener).probe([Target(service, 53, Protocol.UDP, speaks="dns"), silent], deadline_s=0.3)
    assert (found[0].outcome, found[0].detail) == (Outcome.CONNECTED, "DNS")
    assert not found[1].connected


def test_a_prober_that_is_killed_in_the_middle_of_a_round_gives_no_verdict(
    api: Api, pods: Pods, opened: Callable[..., Prober], listener: JsonObject
) -> None:
    prober = opened(listener)
    prober.begin([Target("203.0.113.77", 80)], deadline_s=30)
    agents = (
        "for f in /proc/[0-9]*; do tr '\\0' ' ' < $f/cmdline | grep -q 'py driv[e]' && kill -9 ${f#/proc/}; done; true"
    )
    output(api, pods, "listener", "sh", "-c", agents)
    with pytest.raises(ProbeError, match="137"):
        prober.finish()
    assert prober.probe(both(listener))[0].connected


def test_a_pod_that_is_deleted_in_the_middle_of_a_round_gives_no_verdict(
    pods: Pods, opened: Callable[..., Prober]
) -> None:
    prober = opened(start_listener(pods, "doomed"))
    prober.begin([Target("203.0.113.77", 80)], deadline_s=30)
    pods.delete("doomed")
    with pytest.raises(ProbeError):
        prober.finish()
    with pytest.raises(ExecRefused, match="not found") as raised:
        prober.probe([Target("203.0.113.77", 80)])
    assert raised.value.status == 404


def test_a_container_that_is_not_there_is_refused(api: Api, listener: JsonObject, pods: Pods) -> None:
    with pytest.raises(ExecRefused, match="nobody") as raised:
        Prober(api, pods.namespace, "listener", "nobody").open()
    assert raised.value.status == 400


def test_a_user_with_nothing_but_a_token_execs_as_far_as_its_roles_allow(
    api: Api, pods: Pods, listener: JsonObject, cluster: EmbeddedCluster
) -> None:
    namespace = pods.namespace
    kubectl = cluster.kubectl
    kubectl.run("create", "serviceaccount", "prober", "-n", namespace)
    token = kubectl.run("create", "token", "prober", "-n", namespace).strip()
    file = cluster.kubeconfig.parent / f"{namespace}.kubeconfig"
    shutil.copy(cluster.kubeconfig, file)
    try:
        by_token = type(kubectl)(kubectl.binary, file)
        by_token.run("config", "set-credentials", "prober", f"--token={token}")
        by_token.run("config", "set-context", "--current", "--user=prober")
        with Api(file) as as_prober, Prober(as_prober, namespace, "listener") as prober:
            with pytest.raises(ExecRefused, match="forbidden") as raised:
                prober.open()
            assert raised.value.status == 403
            kubectl.run("create", "role", "prober", "-n", namespace, "--verb=create,get", "--resource=pods/exec")
            kubectl.run(
                "create",
                "rolebinding",
                "prober",
                "-n",
                namespace,
                "--role=prober",
                f"--serviceaccount={namespace}:prober",
            )
            assert [one.pod for one in prober.probe(both(listener))] == ["listener"] * 2
    finally:
        file.unlink()


def test_version_4_of_the_protocol_ends_the_agent_with_the_connection(
    api: Api, pods: Pods, listener: JsonObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^drive' || true"
    with monkeypatch.context() as patched:
        patched.setattr(kube_exec, "PROTOCOLS", ("v4.channel.k8s.io",))
        with Prober(api, pods.namespace, "listener") as prober:
            assert prober.probe(both(listener))[0].pod == "listener"
    wait_until("no agent", lambda: output(api, pods, "listener", "sh", "-c", count) == "0", seconds=SECONDS)


def test_the_external_peer_probes_and_is_probed(
    embedded: EmbeddedCluster, opened: Callable[..., Prober], listener: JsonObject
) -> None:
    address = embedded.external_address
    with outside_prober(embedded, [8080]) as outside:
        inside = opened(listener)
        to_peer = [Target(address, 8080), Target(address, 8080, Protocol.UDP)]
        found = probe_all({outside: both(listener), inside: to_peer})
        again = outside.probe(both(listener))
    for verdicts, name in ((found[outside], "listener"), (found[inside], address), (again, "listener")):
        assert isinstance(verdicts, list), verdicts
        assert [one.pod for one in verdicts] == [name] * 2
