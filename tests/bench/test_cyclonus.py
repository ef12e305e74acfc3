"""cyclonus as it is run, timed and judged, with stand-ins for the program and for kubectl."""

import io
import json
import re
import sys
import time
from pathlib import Path

import pytest

from harness.bench import cyclonus
from harness.clusters.embedded import programs
from harness.errors import ClusterError, CommandError, WaitTimeout
from harness.images.store import Store
from harness.kube.kubectl import Kubectl
from harness.timeline import Timeline

SOURCES = Path(cyclonus.__file__).parent
REGISTRY = "harness.dev/abc"


def script(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "cyclonus.py"
    file.write_text(text)
    return [sys.executable, str(file)]


def test_the_programs_have_a_key_from_a_module_of_their_own() -> None:
    keys = {programs.key(program, SOURCES, "go1.26") for program in cyclonus.PROGRAMS.values()}
    assert len(keys) == len(cyclonus.PROGRAMS)


def test_cyclonus_says_the_version_that_go_mod_requires() -> None:
    go_mod = (SOURCES / "components" / "go.mod").read_text()
    assert "pkg/cli.version=v0.5.6" in cyclonus.PROGRAMS["cyclonus"].link_option(go_mod)


def test_what_the_embedded_node_requires_too_is_of_the_same_version() -> None:
    def required(go_mod: Path) -> dict[str, str]:
        return dict(re.findall(r"^\t(\S+) (v\S+)(?: // indirect)?$", go_mod.read_text(), re.MULTILINE))

    ours = required(SOURCES / "components" / "go.mod")
    node = required(Path(programs.__file__).parent / "components" / "node" / "go.mod")
    assert "k8s.io/kubernetes" in ours.keys() & node.keys()
    assert {module: ours[module] for module in ours.keys() & node.keys() if ours[module] != node[module]} == {}


def test_its_matrix_is_nine_pods_by_nine_and_four_ports() -> None:
    assert cyclonus.VERDICTS == 324


def test_workers_probe_mode_and_waits_stay_its_own() -> None:
    given = cyclonus.options(("one", "two"), REGISTRY, 10, None)
    assert [option for option in given if "namespace" in option] == ["--server-namespace=one", "--server-namespace=two"]
    assert f"--image-registry={REGISTRY}" in given
    assert not [option for option in given if "mode" in option or "perturbation" in option or "context" in option]


def test_the_clusters_context_is_named_where_it_has_one() -> None:
    assert "--context=kind-x" in cyclonus.options(("one",), REGISTRY, 10, "kind-x")


def test_a_policy_denies_the_second_port_in_both_protocols() -> None:
    [rule] = cyclonus.policy("one")["spec"]["ingress"]
    assert rule == {"ports": [{"protocol": "TCP", "port": 80}, {"protocol": "UDP", "port": 80}]}


def test_the_image_has_the_name_that_cyclonus_asks_for_and_changes_with_its_content(tmp_path: Path) -> None:
    store = Store(tmp_path / "images")
    references = []
    for content in (b"one", b"other"):
        binary = tmp_path / "agnhost"
        binary.write_bytes(content)
        image = cyclonus.agnhost_image(store, binary, Timeline(io.StringIO()))
        assert store.has(image)
        assert image.reference.endswith("/e2e-test-images/agnhost:2.43")
        references.append(image.reference)
    assert references[0] != references[1]


def test_only_what_comes_after_it_begins_to_probe_is_timed(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import sys, time\n"
        "time.sleep(0.5)\n"
        "print('level=info msg=\"running kube probe on try 1\"', file=sys.stderr, flush=True)\n"
        "print('324 correct')\n",
    )
    began = time.monotonic()
    seconds, output = cyclonus.timed(command, {})
    assert 0 < seconds <= time.monotonic() - began - 0.5
    assert output == "324 correct\n"


def test_a_cyclonus_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    command = script(tmp_path, "import sys\nsys.exit('level=fatal msg=\"pods not ready\"')\n")
    with pytest.raises(CommandError, match="pods not ready") as failure:
        cyclonus.timed(command, {})
    assert failure.value.status == 1


def test_a_cyclonus_that_never_probes_is_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="usage"):
        cyclonus.timed(script(tmp_path, "print('usage')\n"), {})


def test_a_cyclonus_that_does_not_end_is_ended(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo 'running kube probe on try 1' >&2; exec sleep 600"]
    with pytest.raises(WaitTimeout, match="last seen: running kube probe on try 1"):
        cyclonus.timed(command, {}, limit=3)


def test_verdicts_that_are_all_right_are_accepted() -> None:
    cyclonus.require_right("evaluating\n0 wrong, 9 ignored, 72 correct\n")


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("Discrepancy found:3 wrong, 9 ignored, 69 correct\n", "69 right, 3 wrong"),
        ("0 wrong, 9 ignored, 27 correct\n", "of 81 pairs of pods cyclonus found 27 right"),
        ("test case failed to execute for this: no such host", "no such host"),
    ],
)
def test_verdicts_that_are_wrong_or_missing_are_told(output: str, told: str) -> None:
    with pytest.raises(ClusterError, match=told):
        cyclonus.require_right(output)


def test_the_namespaces_are_removed_when_the_measurement_fails(tmp_path: Path) -> None:
    log = tmp_path / "log"
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\n{{ echo "$@"; case "$*" in *\' -f -\'*) cat; echo;; esac; }} >> {log}\n')
    kubectl.chmod(0o755)

    def measure() -> None:
        with cyclonus.denied_namespaces(Kubectl(kubectl, tmp_path / "kubeconfig")) as names:
            assert len(names) == 3
            raise ClusterError("a verdict is wrong")

    with pytest.raises(ClusterError, match="a verdict is wrong"):
        measure()
    _, applied, deleted = log.read_text().splitlines()
    made = [one["metadata"]["name"] for one in json.loads(applied)["items"] if one["kind"] == "Namespace"]
    assert deleted.split()[2:7] == ["delete", "namespace", *made]
