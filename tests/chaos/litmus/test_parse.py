"""Users' files are read as they are, and every mistake in one is told with its file and line."""

from pathlib import Path

import pytest

from harness.chaos.litmus.contract import Probe
from harness.chaos.litmus.parse import read_engines
from harness.chaos.litmus.targets import Target
from harness.chaos.litmus.tunables import ContainerKill, Partition, PodDelete
from harness.chaos.litmus.values import Range
from harness.errors import ManifestError

from . import files
from .files import ENGINE, EXPERIMENT, engine, planned, probe, read, written


def test_an_engine_alone_has_the_defaults_of_the_code(tmp_path: Path) -> None:
    found = planned(tmp_path, ENGINE)
    assert (found.engine, found.namespace, found.account) == ("shop", "web", "chaos")
    assert found.targets == (Target("deployment", "web", labels=("app=shop",)),)
    assert found.tunables == PodDelete.model_validate({"TOTAL_CHAOS_DURATION": "4", "DEFAULT_HEALTH_CHECK": "false"})
    assert isinstance(found.tunables, PodDelete)
    assert found.tunables.chaos_interval == Range(10, 10)
    assert not found.tunables.force
    assert found.result_name == "shop-pod-delete"


def test_the_experiments_variables_win_over_defaults_and_the_engines_over_those(tmp_path: Path) -> None:
    found = planned(tmp_path, EXPERIMENT, ENGINE)
    assert isinstance(found.tunables, PodDelete)
    assert found.tunables.force
    assert found.tunables.total_chaos_duration == 4
    assert found.tunables.chaos_interval == Range(10, 10)  # empty is as good as not written
    assert found.labels == {"name": "pod-delete"}
    assert found.unused == ("definition.image",)


def test_health_checks_are_off_unless_the_engine_or_a_variable_says_so(tmp_path: Path) -> None:
    assert not planned(tmp_path, ENGINE).tunables.default_health_check
    on = engine(old="  engineState: active\n", new="  engineState: active\n  defaultHealthCheck: true\n")
    assert planned(tmp_path, on).tunables.default_health_check
    off = engine(
        env=["DEFAULT_HEALTH_CHECK=false"],
        old="  engineState: active\n",
        new="  engineState: active\n  defaultHealthCheck: true\n",
    )
    assert not planned(tmp_path, off).tunables.default_health_check


def test_a_list_holds_both_kinds_and_an_experiment_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    body = "".join(f"- {text.rstrip().replace(chr(10), chr(10) + '  ')}\n" for text in (ENGINE, EXPERIMENT))
    text = f"apiVersion: v1\nkind: List\nitems:\n{body}".replace("name: pod-delete", "name: my-kill")
    found = planned(tmp_path, text)
    assert (found.name, found.experiment, found.result_name) == ("my-kill", "pod-delete", "shop-my-kill")


def test_every_tunable_of_every_experiment_is_read(tmp_path: Path) -> None:
    common = ["RAMP_TIME=1", "SEQUENCE=Serial", "TARGET_PODS=a, b", "PODS_AFFECTED_PERC=20-50", "NODE_LABEL=a=b"]
    common += ["STATUS_CHECK_DELAY=1", "STATUS_CHECK_TIMEOUT=9", "RANDOMNESS=true", "INSTANCE_ID=two", "LIB=litmus"]
    found = planned(
        tmp_path, engine(env=[*common, "CHAOS_INTERVAL=2-5", "FORCE=TRUE", "POD_TERMINATION_ORDER=reverse"])
    )
    tuned = found.tunables
    assert isinstance(tuned, PodDelete)
    assert (tuned.ramp_time, tuned.sequence, tuned.target_pods) == (1, "serial", ("a", "b"))
    assert (tuned.pods_affected_perc, tuned.chaos_interval, tuned.force) == (Range(20, 50), Range(2, 5), True)
    assert found.unused == ("LIB",)
    assert found.result_name == "shop-pod-delete-two"
    images = ["LIB_IMAGE=x", "SOCKET_PATH=/run/x.sock", "CONTAINER_RUNTIME=crio", "CONTAINER_API_TIMEOUT=5"]
    found = planned(tmp_path, engine("container-kill", [*images, "SIGNAL=SIGTERM", "TARGET_CONTAINER=main"]))
    assert isinstance(found.tunables, ContainerKill)
    assert (found.tunables.signal, found.tunables.target_container) == ("SIGTERM", "main")
    assert found.unused == ("LIB_IMAGE", "SOCKET_PATH", "CONTAINER_RUNTIME", "CONTAINER_API_TIMEOUT")
    env = ["POLICY_TYPES=egress", "DESTINATION_IPS=10.0.0.1,10.1.0.0/16", "DESTINATION_HOSTS=db.web", "SEQUENCE=serial"]
    env += ["POD_SELECTOR=a=b,c=d", "NAMESPACE_SELECTOR=team=x", "PORTS=tcp: [80,443], udp: [53]"]
    found = planned(tmp_path, engine("pod-network-partition", env))
    assert isinstance(found.tunables, Partition)
    assert found.tunables.destination_ips == ("10.0.0.1/32", "10.1.0.0/16")
    assert found.tunables.ports == (("TCP", 80), ("TCP", 443), ("UDP", 53))
    assert found.tunables.pod_selector == {"a": "b", "c": "d"}
    assert found.unused == ("SEQUENCE",)


@pytest.mark.parametrize(
    ("selectors", "targets"),
    [
        ("pods: [{namespace: web, names: 'a, b'}]", (Target("pod", "web", names=("a", "b")),)),
        (
            "workloads: [{kind: statefulset, namespace: db, names: pg}, {kind: '', namespace: x, labels: 'a=b,c=d'}]",
            (Target("statefulset", "db", names=("pg",)), Target("", "x", labels=("a=b", "c=d"))),
        ),
    ],
)
def test_selectors_win_over_appinfo(tmp_path: Path, selectors: str, targets: tuple[Target, ...]) -> None:
    text = engine(old="  engineState: active\n", new=f"  engineState: active\n  selectors: {{{selectors}}}\n")
    assert planned(tmp_path, text).targets == targets


def test_targets_are_written_as_litmus_has_them() -> None:
    assert str(Target("deployment", "web", labels=("a=b", "c=d"))) == "deployment:web:[a=b,c=d]"
    assert str(Target("", "web")) == "KIND:web:[]"


def test_target_pods_alone_are_a_target(tmp_path: Path) -> None:
    start, end = ENGINE.index("  appinfo"), ENGINE.index("  chaosServiceAccount")
    text = ENGINE[:start] + ENGINE[end:]
    assert planned(tmp_path, text + "            - {name: TARGET_PODS, value: a}\n").targets == ()
    with pytest.raises(ManifestError, match=r"engine.yaml:10: .*has no target"):
        read(tmp_path, text)


MISTAKES = {
    "experiment": (engine("pod-detele"), r":14: .*no experiment is named 'pod-detele': there are pod-delete"),
    "tunable": (engine(env=["CHAOS_INTERVALL=3"]), r":20: .*no tunable of pod-delete; did you mean CHAOS_INTERVAL"),
    "foreign tunable": (engine(env=["SIGNAL=SIGKILL"]), r":20: .*SIGNAL is no tunable of pod-delete"),
    "derived": (engine(env=["CHAOSENGINE=x"]), r":20: .*CHAOSENGINE is set from the engine"),
    "number": (engine(env=["RAMP_TIME=soon"]), r":20: .*RAMP_TIME: 'soon' is not allowed: .*integer"),
    "range": (engine(env=["PODS_AFFECTED_PERC=50-20"]), r":20: .*begins with the greater number"),
    "truth": (engine(env=["FORCE=yes"]), r":20: .*'yes' is neither true nor false"),
    "sequence": (engine(env=["SEQUENCE=both"]), r":20: .*'both' is not allowed: .*'serial', 'parallel' or 'random'"),
    "address": (engine("pod-network-partition", ["DESTINATION_IPS=10.0.0.256"]), r":20: .*DESTINATION_IPS"),
    "ports": (engine("pod-network-partition", ["PORTS=80"]), r":20: .*names no ports"),
    "unquoted": (ENGINE.replace("'4'", "4"), r":19: .*must be text, not 4: put it in quotes"),
    "state": (engine(old="active", new="stop"), r":7: .*engineState: stop says that this engine is not to run"),
    "wrong state": (engine(old="active", new="on"), r":7: .*engineState: must be 'active' or 'stop'"),
    "key": (engine(old="chaosServiceAccount", new="serviceAccount"), r":12: .*serviceAccount: is not known here; did"),
    "kind alone": (engine(old="    applabel: app=shop\n", new=""), r":8: .*appkind and applabel together"),
    "appkind": (engine(old="appkind: deployment", new="appkind: job"), r":11: .*appkind: must be '', 'deployment'"),
    "other kind": ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", r":2: Pod/a: 'Pod' is not known here"),
    "no engine": (EXPERIMENT, "holds no ChaosEngine"),
    "probe key": (engine(probes=probe(more="timeout: 1s\n")), r":27: .*timeout: is not known here"),
    "probe mode": (engine(probes=probe(mode="sot")), r":23: .*mode: must be 'SOT', 'EOT', 'Edge', 'Continuous'"),
    "duration": (engine(probes=probe(more="initialDelay: 5\n")), r":27: .*initialDelay: must be text, not 5"),
    "slo": (engine(probes=probe(kind="sloProbe")), r":22: .*sloProbe asks a service that no open Litmus has"),
    "no inputs": (engine(probes=probe(kind="k8sProbe")), r":21: .*k8sProbe/inputs is missing"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, mistake: str) -> None:
    text, said = MISTAKES[mistake]
    with pytest.raises(ManifestError, match=f"engine.yaml{said}" if said.startswith(":") else said):
        read(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    two = ENGINE.replace("name: shop", "name: other").replace("active", "never")
    with pytest.raises(ManifestError) as raised:
        read_engines(written(tmp_path, engine(env=["NO_SUCH=1"]), two))
    assert "NO_SUCH" in str(raised.value)
    assert "never" in str(raised.value)


INPUTS = {
    "two methods": (
        "httpProbe",
        "{url: 'http://a', method: {get: {criteria: <, responseCode: '3'}, post: {criteria: <, responseCode: '3'}}}",
        "either get or post",
    ),
    "no body": (
        "httpProbe",
        "{url: 'http://a', method: {post: {criteria: ==, responseCode: '200'}}}",
        "body or bodyPath",
    ),
    "url": ("httpProbe", "{url: 'a:80', method: {get: {criteria: ==, responseCode: '200'}}}", "no address"),
    "criteria": ("httpProbe", "{url: 'http://a', method: {get: {criteria: is, responseCode: '200'}}}", "criteria 'is'"),
    "code": ("httpProbe", "{url: 'http://a', method: {get: {criteria: ==, responseCode: 2xx}}}", "'2xx' is no int"),
    "type": ("cmdProbe", "{command: ls, comparator: {criteria: equal, value: a}}", "type is missing"),
    "between": ("cmdProbe", "{command: ls, comparator: {type: int, criteria: between, value: '1'}}", "two numbers"),
    "regex": ("cmdProbe", "{command: ls, comparator: {type: string, criteria: matches, value: '('}}", "no regular"),
    "query": ("promProbe", "{endpoint: 'http://p', comparator: {criteria: '>', value: '1'}}", "query or queryPath"),
    "float": ("promProbe", "{endpoint: 'http://p', query: up, comparator: {criteria: '>', value: x}}", "no float"),
    "data": ("k8sProbe", "{version: v1, resource: pods, operation: create}", "data is missing"),
    "operation": ("k8sProbe", "{version: v1, resource: pods, operation: gone}", "must be 'present', 'absent'"),
}


@pytest.mark.parametrize("mistake", INPUTS)
def test_inputs_of_a_probe_are_looked_at_before_it_runs(tmp_path: Path, mistake: str) -> None:
    kind, inputs, said = INPUTS[mistake]
    with pytest.raises(ManifestError, match=rf"engine.yaml:2\d: .*{said}"):
        read(tmp_path, engine(probes=probe(kind=kind, inputs=f"{kind}/inputs: {inputs}\n")))


def test_two_probes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="two probes of one name"):
        read(tmp_path, engine(probes=files.probe() + files.probe(mode="EOT")))


def test_a_probe_is_read_with_all_its_properties(tmp_path: Path) -> None:
    more = "attempt: 3\nprobePollingInterval: 1m30s\ninitialDelay: 500ms\nstopOnFailure: true\n"
    [found] = planned(tmp_path, engine(probes=probe(mode="OnChaos", more=more))).probes
    assert isinstance(found, Probe)
    assert (found.mode, found.run_properties.attempt, found.run_properties.stop_on_failure) == ("OnChaos", 3, True)


def test_an_engine_is_defined_once_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"engine.yaml:\d+: ChaosEngine/shop: metadata.name: is defined already"):
        read(tmp_path, ENGINE, ENGINE)
