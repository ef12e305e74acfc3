"""What does not work is diagnosed in words, container, cause and fix, long before the deadline.

What only a change can fix ends the wait; what may yet heal is a hint while it goes on. The first is the bug that this
project began with: an image that runs as root in a pod that forbids it. All the broken workloads of the folder
``broken`` are applied at once and waited for as ``deploy`` waits; the tests read what was said.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.case import Case
from harness.errors import WorkloadNotReady
from harness.kube.diagnosis import Diagnosis
from harness.kube.rollout import wait_for_rollout

pytestmark = pytest.mark.xdist_group("diagnosis")  # one worker does all: its fixture takes long

BROKEN = Path(__file__).parent / "broken"


@dataclass(frozen=True)
class Told:
    """What must be said about a workload: whom it is about, the cause and the fix; ``final`` if it ends the wait."""

    kind: str
    about: str
    cause: str
    fix: str
    final: bool = False


TOLD = {
    "runs-as-root": Told(
        "deployment", "container app", "runs as root, and the pod says runAsNonRoot: true", "runAsUser", final=True
    ),
    "cannot-be-pulled": Told("deployment", "container app", "cannot be pulled", "load the image onto the node"),
    "crash-loop": Told("deployment", "container app", "DATABASE_HOST is not set", "log"),
    "failing-probe": Told("deployment", "container app", ":8080/readyz) fails", "readinessProbe"),
    "unschedulable": Told("deployment", "pod unschedulable", "cpu", "request", final=True),
    "leads-nowhere": Told("ingress", "ingress/leads-nowhere", "app=misspelt", "selector"),
}
DEADLINE_SECONDS = 300
"""Bounds a hang: what does not work is told before, in other words than at the deadline."""


class Hinted(Exception):
    """The hint that was waited for."""


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
    """What was said about each broken workload: ``cannot become ready`` by the error, else by the hint that came."""
    kubectl = case.cluster.kubectl

    def diagnose(name: str) -> str:
        told = TOLD[name]

        def heed(hint: Diagnosis) -> None:
            if told.cause in hint.cause:
                raise Hinted(f"a hint: {hint}")

        workload = f"{told.kind}/{name}"
        try:
            wait_for_rollout(case.cluster, workload, module_namespace, seconds=DEADLINE_SECONDS, on_hint=heed)
        except (WorkloadNotReady, Hinted) as error:
            return str(error)
        return "it became ready"

    for path in BROKEN.glob("*.yaml"):
        text = path.read_text().replace("harness.dev/prober:dev", case.prober_image)
        if "ROOT_IMAGE" in text:
            text = text.replace("ROOT_IMAGE", image_that_runs_as_root(case))
        kubectl.run("apply", "--namespace", module_namespace, "-f", "-", stdin=text)
    with ThreadPoolExecutor(len(TOLD)) as pool:
        yield dict(zip(TOLD, pool.map(diagnose, TOLD), strict=True))


@pytest.mark.parametrize("name", TOLD)
def test_what_does_not_work_is_told_with_container_cause_and_fix_before_the_deadline(
    diagnosed: dict[str, str], name: str
) -> None:
    about, _, remedy = diagnosed[name].partition("Fix:")

    assert ("cannot become ready" if TOLD[name].final else "a hint: ") in about
    assert TOLD[name].about in about
    assert TOLD[name].cause in about
    assert TOLD[name].fix in remedy
