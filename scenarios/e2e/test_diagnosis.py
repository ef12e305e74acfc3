"""What cannot work is diagnosed in words, container, cause and fix, within seconds; nobody waits for a timeout.

The first is the bug that this project began with: an image that runs as root in a pod that forbids it. All the broken
workloads of the folder ``broken`` are applied at once and waited for as ``deploy`` waits; the tests read what was said.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.case import Case
from harness.errors import WorkloadNotReady
from harness.kube.rollout import wait_for_rollout

pytestmark = pytest.mark.xdist_group("diagnosis")  # one worker does all: its fixture takes long

BROKEN = Path(__file__).parent / "broken"
WORKLOADS = {
    "runs-as-root": "deployment",
    "cannot-be-pulled": "deployment",
    "crash-loop": "deployment",
    "failing-probe": "deployment",
    "unschedulable": "deployment",
    "leads-nowhere": "ingress",
}
DEADLINE_SECONDS = 300
"""Bounds a hang: what cannot work is told before, in other words than at the deadline."""


def image_that_runs_as_root(case: Case) -> str:
    """An image on the cluster's nodes whose user is root: of a container of kube-system that runs as root."""
    for pod in case.cluster.kubectl.get("pods", namespace="kube-system")["items"]:
        images = {container["name"]: str(container["image"]) for container in pod["spec"]["containers"]}
        for status in pod["status"].get("containerStatuses", []):
            if status.get("user", {}).get("linux", {}).get("uid") == 0:
                return images[status["name"]]
    pytest.fail("no container of kube-system runs as root: there is no image to be forbidden")


@pytest.fixture(scope="module")
def diagnosed(case: Case, module_namespace: str) -> Iterator[dict[str, str]]:
    """What was said about each broken workload."""
    kubectl = case.cluster.kubectl

    def diagnose(name: str) -> str:
        try:
            wait_for_rollout(case.cluster, f"{WORKLOADS[name]}/{name}", module_namespace, seconds=DEADLINE_SECONDS)
        except WorkloadNotReady as error:
            return str(error)
        return "it became ready"

    for path in BROKEN.glob("*.yaml"):
        text = path.read_text().replace("harness.dev/prober:dev", case.prober_image)
        if "ROOT_IMAGE" in text:
            text = text.replace("ROOT_IMAGE", image_that_runs_as_root(case))
        kubectl.run("apply", "--namespace", module_namespace, "-f", "-", stdin=text)
    with ThreadPoolExecutor(len(WORKLOADS)) as pool:
        yield dict(zip(WORKLOADS, pool.map(diagnose, WORKLOADS), strict=True))


@pytest.mark.parametrize(
    ("name", "container", "cause", "fix"),
    [
        ("runs-as-root", "container app", "runs as root, and the pod says runAsNonRoot: true", "runAsUser"),
        ("cannot-be-pulled", "container app", "cannot be pulled", "load the image onto the node"),
        ("crash-loop", "container app", "DATABASE_HOST is not set", "log"),
        ("failing-probe", "container app", ":8080/readyz) fails", "readinessProbe"),
        ("unschedulable", "pod unschedulable", "cpu", "request"),
        ("leads-nowhere", "ingress/leads-nowhere", "app=misspelt", "selector"),
    ],
)
def test_what_cannot_work_is_told_with_container_cause_and_fix_before_the_deadline(
    diagnosed: dict[str, str], name: str, container: str, cause: str, fix: str
) -> None:
    about, _, remedy = diagnosed[name].partition("Fix:")

    assert "cannot become ready" in about
    assert container in about
    assert cause in about
    assert fix in remedy
