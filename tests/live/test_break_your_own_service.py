"""The how-to of putting one's own service under chaos, as a user follows it: what stands on the page is what runs."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from harness.clusters.provider import Cluster
from harness.kube.rollout import wait_for_rollout
from harness.kube.wait import wait_until

from .pods import SECONDS
from .room import TESTS
from .user import User

PAGE = TESTS.parent / "docs" / "how-to" / "break-your-own-service.md"
NAMESPACE = "counting"


def examples() -> list[str]:
    """The indented blocks of the page, in its order."""
    blocks = re.findall(r"(?:^(?:    .*)?\n)+", PAGE.read_text(), re.MULTILINE)
    return [text for one in blocks if (text := dedent(one).strip("\n"))]


@pytest.fixture
def manifests(image: str) -> str:
    """Its service, of an image that is here."""
    [found] = [one for one in examples() if "kind: StatefulSet" in one]
    return found.replace("python:3.13-slim", image)


@pytest.fixture
def tested(user: User) -> Path:
    """The file of its test, with its own fault in the arsenal."""
    python = "\n\n\n".join(one for one in examples() if "kind: StatefulSet" not in one)
    arsenal = "Arsenal(by_kind(API_FAULTS))"
    assert python.count(arsenal) == 1
    file = user.folder / "test_counter.py"
    file.write_text(python.replace(arsenal, 'Arsenal({**by_kind(API_FAULTS), "cordon": Cordon()})'))
    return file


@pytest.fixture(autouse=True)
def _leaving(cluster: Cluster) -> Iterator[None]:
    """The namespace that the page names is away afterwards."""
    yield
    path = f"/api/v1/namespaces/{NAMESPACE}"
    cluster.api.delete(path)
    wait_until("the namespace to be gone", lambda: cluster.api.find(path) is None, seconds=SECONDS)


def apply(cluster: Cluster, manifests: str, folder: Path) -> None:
    file = folder / "counter.yaml"
    file.write_text(manifests)
    cluster.kubectl.run("apply", "--server-side", "-f", str(file))
    wait_for_rollout(cluster, "statefulset/counter", NAMESPACE, seconds=SECONDS)


def test_the_service_of_the_page_keeps_its_promise_under_every_fault_and_its_own(
    user: User, cluster: Cluster, manifests: str, tested: Path
) -> None:
    apply(cluster, manifests, user.folder)

    done = user.pytest("chaos", "-s", tested.name)

    assert done.status == pytest.ExitCode.OK, done.said
    for fault in ("pod-delete", "pod-kill", "evict", "rollout-restart", "new-version", "scale-to-zero", "partition"):
        assert re.search(rf"{fault} of {NAMESPACE}/StatefulSet/counter (?!.*nothing struck)", done.said), done.said
    assert re.search(r"cordon of \S+ .*: the node is unschedulable$", done.said, re.MULTILINE), done.said
    assert not any("unschedulable" in node["spec"] for node in cluster.api.items("/api/v1/nodes"))


def test_a_service_that_forgets_is_caught(user: User, cluster: Cluster, manifests: str, tested: Path) -> None:
    apply(cluster, manifests.replace('FILE = "/data/count"', 'FILE = "/tmp/count"'), user.folder)

    done = user.pytest("chaos", tested.name)

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "every acknowledged addition is kept: the counter: " in done.said
