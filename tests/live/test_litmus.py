"""Users' Litmus files on a real cluster: each experiment, each type of probe, and the results that are written."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.chaos.litmus.failures import RunnerAbsent
from harness.chaos.litmus.outcome import EngineOutcome
from harness.chaos.litmus.run import Runner, run_engine
from harness.chaos.scene import Scene
from harness.chaos.undo import Undo
from harness.clusters.provider import Cluster
from harness.kube.client import Api, ApiNotFound
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from harness.settings import Settings

from .pods import SECONDS

GROUP = "litmuschaos.io"
APP = """\
import http.server, json, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        metrics = {"data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "7.5"]}]}}
        body = json.dumps(metrics).encode() + self.rfile.read(length)
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
"""Answers everything as Prometheus would."""

ENGINE = """\
apiVersion: litmuschaos.io/v1alpha1
kind: ChaosEngine
metadata: {name: shop, namespace: NAMESPACE}
spec:
  engineState: active
  appinfo: {appns: NAMESPACE, applabel: app=shop, appkind: deployment}
  chaosServiceAccount: default
  experiments:
    - name: EXPERIMENT
      spec:
        components:
          env: [ENV]
        probe: [PROBES]
"""
PROPERTIES = "runProperties: {probeTimeout: 5s, interval: 500ms, attempt: 10, probePollingInterval: 300ms}"
HTTP = (
    "{name: answers, type: httpProbe, mode: Continuous, PROPERTIES, httpProbe/inputs: {url: 'http://shop:8080/', "
    "method: {get: {criteria: '==', responseCode: '200'}}}}"
)
POST = (
    "{name: takes, type: httpProbe, mode: Edge, PROPERTIES, httpProbe/inputs: {url: 'http://shop:8080/', "
    "method: {post: {body: x, criteria: '==', responseCode: '200'}}}}"
)
K8S = (
    "{name: pods, type: k8sProbe, mode: SOT, PROPERTIES, k8sProbe/inputs: {version: v1, resource: pods, "
    "namespace: NAMESPACE, labelSelector: app=shop, operation: present}}"
)
CMD = (
    "{name: account, type: cmdProbe, mode: OnChaos, PROPERTIES, cmdProbe/inputs: {command: 'ls "
    "/var/run/secrets/kubernetes.io/serviceaccount', comparator: {type: string, criteria: contains, value: token}}}"
)
PROM = (
    "{name: rate, type: promProbe, mode: EOT, PROPERTIES, promProbe/inputs: {endpoint: 'http://shop:8080', "
    "query: up, comparator: {criteria: between, value: '7,8'}}}"
)
FAILS = (
    "{name: never, type: cmdProbe, mode: SOT, runProperties: {probeTimeout: 5s, interval: 0s}, cmdProbe/inputs: "
    "{command: 'echo 3', comparator: {type: int, criteria: '>', value: '4'}}}"
)


class Book:
    """A journal that is kept in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, Undo] = {}

    def register(self, undo: Undo, seconds: float) -> str:  # noqa: ARG002 -- as a journal has it
        self.entries[undo.fault] = undo
        return undo.fault

    def cancel(self, entry: str) -> None:
        self.entries.pop(entry, None)


class Shop:
    """A Deployment of two pods with a Service, and engines that are aimed at it."""

    def __init__(self, scene: Scene, namespace: str, folder: Path) -> None:
        self.scene, self.namespace, self.folder = scene, namespace, folder
        self.core = f"/api/v1/namespaces/{namespace}"
        self.deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/shop"
        self.policies = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"

    def open(self) -> None:
        api, labels = self.scene.api, {"app": "shop"}
        container = {
            "name": "main",
            "image": self.scene.prober_image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["tini", "--", "python3", "-uc", APP],
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        }
        template = {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
        }
        api.post(
            self.deployment.rpartition("/")[0],
            {
                "metadata": {"name": "shop"},
                "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
            },
        )
        port = {"port": 8080, "targetPort": 8080}
        api.post(f"{self.core}/services", {"metadata": {"name": "shop"}, "spec": {"selector": labels, "ports": [port]}})
        wait_until("the shop to be open", self.ready, seconds=SECONDS)

    def ready(self) -> bool:
        return bool(self.scene.api.get(self.deployment)["status"].get("readyReplicas") == 2)

    def file(self, experiment: str, env: str, *probes: str) -> Path:
        written = ENGINE.replace("EXPERIMENT", experiment).replace("ENV", env).replace("PROBES", ", ".join(probes))
        file = self.folder / f"{experiment}.yaml"
        file.write_text(written.replace("PROPERTIES", PROPERTIES).replace("NAMESPACE", self.namespace))
        return file

    def run(self, experiment: str, env: str, *probes: str, runner: Runner = "native") -> EngineOutcome:
        file = self.file(experiment, env, *probes)
        folder = self.folder / f"run-{time.monotonic_ns()}"
        [outcome] = run_engine(file, self.scene, folder, cache=self.folder, seed=7, runner=runner)
        return outcome

    def pods(self) -> list[JsonObject]:
        return self.scene.api.items(f"{self.core}/pods")


def variables(**values: object) -> str:
    return ", ".join(f"{{name: {name.upper()}, value: '{value}'}}" for name, value in values.items())


@pytest.fixture
def scene(cluster: Cluster, api: Api, image: str, settings: Settings) -> Iterator[Scene]:
    """The shared cluster as a scene; afterwards nothing is left to be undone."""
    book, labels = Book(), settings.labels("chaos")
    yield Scene(cluster, api, (), book, prober_image=image, allow_ephemeral=False, labels=labels)
    assert not book.entries


@pytest.fixture
def shop(scene: Scene, namespace: str, tmp_path: Path) -> Iterator[Shop]:
    """The shop, open; afterwards no pod of probes is left."""
    shop = Shop(scene, namespace, tmp_path)
    shop.open()
    yield shop
    assert not [pod for pod in shop.pods() if "-probe-" in pod["metadata"]["name"]]


@pytest.fixture
def results(api: Api) -> Iterator[None]:
    """The cluster has the kind ChaosResult, as Litmus' own has it."""
    with kinds_of_litmus(api, "ChaosResult"):
        yield


@pytest.fixture
def litmus(api: Api) -> Iterator[None]:
    """The cluster has all kinds of Litmus, but no operator."""
    with kinds_of_litmus(api, "ChaosEngine", "ChaosExperiment", "ChaosResult"):
        yield


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@contextmanager
def kinds_of_litmus(api: Api, *kinds: str) -> Iterator[None]:
    """They are served for the block, and gone after it, or after what went wrong on the way there."""
    try:
        with_kinds(api, *kinds)
        yield
    finally:
        without_kinds(api, *kinds)


def with_kinds(api: Api, *kinds: str) -> None:
    for kind in kinds:
        plural = kind.lower() + "s"
        free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        schema = {"type": "object", "properties": {"spec": free, "status": free}}
        version = {
            "name": "v1alpha1",
            "served": True,
            "storage": True,
            "subresources": {},
            "schema": {"openAPIV3Schema": schema},
        }
        names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
        spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        api.post(CRDS, {**crd, "metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec})
    for kind in kinds:
        path = f"/apis/{GROUP}/v1alpha1/namespaces/default/{kind.lower()}s"
        wait_until(f"{kind} to be served", lambda path=path: api.find(path), seconds=SECONDS)  # type: ignore[misc]


def without_kinds(api: Api, *kinds: str) -> None:
    for kind in kinds:
        with suppress(ApiNotFound):
            api.delete(f"{CRDS}/{kind.lower()}s.{GROUP}")
    for kind in kinds:
        path = f"{CRDS}/{kind.lower()}s.{GROUP}"
        wait_until(f"{kind} to be gone", lambda path=path: api.find(path) is None, seconds=SECONDS)  # type: ignore[misc]


def test_pods_are_deleted_under_every_type_of_probe_and_the_result_is_on_the_cluster(shop: Shop, results: None) -> None:
    before = {pod["metadata"]["uid"] for pod in shop.pods()}
    env = variables(total_chaos_duration=3, chaos_interval=1, force="true", pods_affected_perc=50)
    outcome = shop.run("pod-delete", env, HTTP, POST, K8S, CMD, PROM)
    assert (outcome.verdict, outcome.phase, outcome.percentage) == ("Pass", "Completed", "100"), outcome
    assert outcome.passed
    assert outcome.runner == "native"
    assert [one.verdict for one in outcome.probes] == ["Passed"] * 5
    assert len(before - {pod["metadata"]["uid"] for pod in shop.pods()}) >= 1
    assert shop.ready()
    path = f"/apis/{GROUP}/v1alpha1/namespaces/{shop.namespace}/chaosresults/shop-pod-delete"
    written = shop.scene.api.get(path)
    assert written["status"] == outcome.result["status"]
    assert written["spec"] == {"engine": "shop", "experiment": "pod-delete"}
    assert written["status"]["history"]["targets"] == [
        {"name": "shop", "kind": "deployment", "chaosStatus": "targeted"}
    ]
    failed = shop.run("pod-delete", variables(total_chaos_duration=1, chaos_interval=0), FAILS)
    assert (failed.verdict, failed.phase, failed.percentage) == ("Fail", "Completed_With_Probe_Failure", "0"), failed
    history = shop.scene.api.get(path)["status"]["history"]
    assert (history["passedRuns"], history["failedRuns"], history["stoppedRuns"]) == (1, 1, 0)


def test_containers_are_killed_and_started_again(shop: Shop) -> None:
    outcome = shop.run("container-kill", variables(total_chaos_duration=1, chaos_interval=1, socket_path="/x.sock"))
    assert outcome.passed, outcome
    assert outcome.unused == ("SOCKET_PATH",)
    counts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in shop.pods()]
    assert sorted(counts) == [0, 1]
    assert "no probe looked" in str(outcome)


def test_a_partition_cuts_off_and_one_of_what_is_isolated_already_is_vacuous(shop: Shop) -> None:
    cut = HTTP.replace("Continuous, PROPERTIES", "OnChaos, runProperties: {probeTimeout: 1s, interval: 0s}")
    env = variables(total_chaos_duration=4, policy_types="ingress", destination_hosts="shop")
    outcome = shop.run("pod-network-partition", variables(total_chaos_duration=4), cut)
    assert (outcome.verdict, outcome.vacuous) == ("Fail", ""), outcome
    assert "timed out" in outcome.probes[0].description
    assert [one["chaosStatus"] for one in outcome.result["status"]["history"]["targets"]] == ["reverted"] * 2
    spec: JsonObject = {"podSelector": {}, "ingress": [{}]}
    shop.scene.api.post(shop.policies, {"metadata": {"name": "theirs"}, "spec": spec})
    outcome = shop.run("pod-network-partition", env, HTTP)
    assert outcome.verdict == "Pass", outcome
    assert "denies nothing" in outcome.vacuous
    assert not outcome.passed
    assert [one["metadata"]["name"] for one in shop.scene.api.items(shop.policies)] == ["theirs"]


def test_ctrl_c_stops_an_experiment_and_undoes_it(shop: Shop) -> None:
    def interrupt() -> None:
        wait_until("the policy", lambda: shop.scene.api.items(shop.policies), seconds=SECONDS)
        signal.raise_signal(signal.SIGINT)

    folder = shop.folder / "run"
    watching = threading.Thread(target=interrupt)
    watching.start()
    file = shop.file("pod-network-partition", variables(total_chaos_duration=60), CMD)
    with pytest.raises(KeyboardInterrupt):
        run_engine(file, shop.scene, folder, cache=shop.folder)
    watching.join()
    assert '"verdict": "Stopped"' in (folder / "outcomes.json").read_text()
    assert not shop.scene.api.items(shop.policies)


def test_without_litmus_its_operator_is_absent(shop: Shop) -> None:
    with pytest.raises(RunnerAbsent, match="has no Litmus: it serves no ChaosEngine, ChaosExperiment, ChaosResult"):
        shop.run("pod-delete", variables(total_chaos_duration=1), runner="operator")


def test_the_operator_of_the_cluster_is_followed_to_the_end(shop: Shop, litmus: None) -> None:
    home = f"/apis/{GROUP}/v1alpha1/namespaces/{shop.namespace}"
    engine = f"{home}/chaosengines/shop"

    def operate() -> None:
        """Move the objects as Litmus' operator and runner do."""
        api = shop.scene.api
        wait_until("the engine", lambda: api.find(engine), seconds=SECONDS)
        one = {"name": "pod-delete", "runner": "shop-runner", "experimentPod": "pod-delete-1"}
        running = {**one, "status": "Running", "verdict": "Awaited"}
        api.patch(engine, {"status": {"engineStatus": "initialized", "experiments": [running]}})
        experiment = {"phase": "Completed", "verdict": "Pass", "probeSuccessPercentage": "100"}
        body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "ChaosResult", "metadata": {"name": "shop-pod-delete"}}
        api.post(f"{home}/chaosresults", {**body, "spec": {}, "status": {"experimentStatus": experiment}})
        ended = {**one, "status": "Completed", "verdict": "Pass"}
        api.patch(engine, {"status": {"engineStatus": "completed", "experiments": [ended]}})

    operator = threading.Thread(target=operate)
    operator.start()
    outcome = shop.run("pod-delete", variables(total_chaos_duration=1), runner="operator")
    operator.join()
    assert (outcome.verdict, outcome.runner, outcome.passed) == ("Pass", "operator", True)
    assert shop.scene.api.find(engine) is None
