"""What a killed run has broken is repaired: at the deadline by others, or at once by ``harness heal``."""

import itertools
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.chaos.healer import OWNER_LABEL
from harness.chaos.undo import Request, Undo
from harness.clusters.embedded.provider import EmbeddedCluster
from harness.clusters.undo import Undos
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from harness.settings import Settings

from .pods import Pods
from .room import TESTS, environment

SECONDS = 60.0
SOON = 8.0
NEVER = 3000.0
CLOCK = "import time\nwhile True:\n    print(time.time())\n    time.sleep(0.1)\n"
RBAC = "apis/rbac.authorization.k8s.io/v1"
KINDS = (
    *("api/v1/namespaces", "api/v1/configmaps", "api/v1/pods", "apis/apps/v1/deployments"),
    *(f"{RBAC}/{kind}" for kind in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
)
NUMBERS = itertools.count(1)


@dataclass
class Broken:
    """Rules that are taken from a policy, or the replicas of a Deployment, by a run that is killed."""

    api: Api
    cluster: EmbeddedCluster
    path: str
    whole: Any
    """What ``spec`` says while nothing is broken, as far as it is patched."""
    broken: Any
    freeze: list[str] = field(default_factory=list)
    deadline: float = 0.0

    def strike(self, seconds: float, *image: str) -> None:
        """Have a run break it, and kill that run."""
        back = Request(verb="patch", path=self.path, body={"spec": self.whole})
        undo = Undo(fault=f"breaking {self.path.rpartition('/')[2]}", requests=(back,), thaw=tuple(self.freeze))
        away = back.model_copy(update={"body": {"spec": self.broken}})
        asked = {"undo": undo.model_dump(), "requests": [away.model_dump()], "freeze": self.freeze}
        command = [sys.executable, "-m", "live.dying", self.cluster.name, str(seconds), *image]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=TESTS, env=environment()) as run:
            assert run.stdin is not None
            assert run.stdout is not None
            run.stdin.write(json.dumps(asked) + "\n")
            run.stdin.flush()
            assert run.stdout.readline() == "broken\n"
            self.deadline = time.time() + seconds
            run.kill()
        assert run.returncode == -signal.SIGKILL
        assert self.shows(self.broken), self.spec()

    def spec(self) -> JsonObject:
        """As it is now."""
        found: JsonObject = self.api.get(self.path)["spec"]
        return found

    def shows(self, wanted: Any) -> bool:  # noqa: ANN401 -- JSON
        """Whether it is now as it is wanted."""
        spec = self.spec()
        return all((spec.get(key) or None) == (value or None) for key, value in wanted.items())  # nothing is left out

    def until_mended(self) -> None:
        """Wait until all is as it was."""
        wait_until(
            f"{self.path} to be repaired",
            lambda: self.shows(self.whole),
            seconds=SECONDS,
            describe=lambda: str(self.spec()),
        )


@pytest.fixture
def policy(api: Api, embedded: EmbeddedCluster, namespace: str) -> Broken:
    """A policy with a rule, and its rule taken away."""
    place = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    rule = {"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "a"}}}]}]}
    name = f"policy-{next(NUMBERS)}"
    api.post(place, {"metadata": {"name": name}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], **rule}})
    return Broken(api, embedded, f"{place}/{name}", rule, {"ingress": []})


@pytest.fixture
def replicas(api: Api, embedded: EmbeddedCluster, namespace: str) -> Broken:
    """A Deployment, and its replicas taken away; no image of it is there, since nothing is asked of its pods."""
    place, labels = f"/apis/apps/v1/namespaces/{namespace}/deployments", {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none.invalid/none:1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod}
    api.post(place, {"metadata": {"name": "web"}, "spec": spec})
    return Broken(api, embedded, f"{place}/web/scale", {"replicas": 2}, {"replicas": 0})


def heal(cluster: EmbeddedCluster) -> list[str]:
    """``harness heal``, as a user calls it; what it says."""
    command = [sys.executable, "-m", "harness", f"--cluster-name={cluster.name}", "heal"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def on_cluster(api: Api) -> list[str]:
    """What there is of healers and of undos."""
    return [one["metadata"]["name"] for kind in KINDS for one in api.items(f"/{kind}", labelSelector=OWNER_LABEL)]


def commands_of(cluster: EmbeddedCluster) -> list[str]:
    """The processes that heal this cluster."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"heal" in words and cluster.name.encode() in words:
            found.append(str(words))
    return found


def test_the_supervisor_heals_at_the_deadline_what_a_killed_run_has_broken(
    embedded: EmbeddedCluster, settings: Settings, policy: Broken, pods: Pods
) -> None:
    pods.start("clock", CLOCK)
    policy.freeze = [str(pods.until("clock", "Running")["metadata"]["uid"])]
    wait_until("the clock to run", lambda: pods.log("clock"), seconds=SECONDS)
    undos = Undos(settings.paths.cluster(embedded.name))

    policy.strike(SOON)
    assert len(undos.names()) == 1
    policy.until_mended()
    assert time.time() >= policy.deadline - 1  # it was registered a moment before it was broken
    wait_until("nothing to be registered", lambda: not undos.names(), seconds=SECONDS)

    times = list[float]()

    def runs() -> bool:
        times[:] = [float(line) for line in pods.log("clock").splitlines()]
        return times[-1] > policy.deadline

    wait_until("the pod to be thawed", runs, seconds=SECONDS)
    assert max(after - before for before, after in pairwise(times)) > SOON / 2
    wait_until("the healing process to be gone", lambda: not commands_of(embedded), seconds=SECONDS)


def test_the_healer_heals_at_the_deadline_and_is_removed_by_harness_heal(
    embedded: EmbeddedCluster, api: Api, replicas: Broken, image: str
) -> None:
    replicas.strike(SOON, image)
    replicas.until_mended()
    assert time.time() >= replicas.deadline - 1
    wait_until(
        "the undo to be forgotten",
        lambda: not api.items("/api/v1/configmaps", labelSelector=OWNER_LABEL),
        seconds=SECONDS,
    )

    [said] = heal(embedded)

    assert said.startswith("removed the healer of a run that has ended: namespace harness-chaos-")
    wait_until("everything of the healer to be gone", lambda: not on_cluster(api), seconds=SECONDS)


def test_harness_heal_heals_all_at_once(
    settings: Settings, api: Api, policy: Broken, replicas: Broken, image: str
) -> None:
    embedded = policy.cluster
    policy.strike(NEVER)
    replicas.strike(NEVER, image)

    first, second, third = heal(embedded)

    assert first.startswith("healed: breaking policy-")
    assert second == "healed: breaking scale"
    assert third.startswith("removed the healer of a run that has ended: namespace harness-chaos-")
    assert policy.shows(policy.whole)
    assert replicas.shows(replicas.whole)
    assert Undos(settings.paths.cluster(embedded.name)).names() == []
    wait_until("everything of the healer to be gone", lambda: not on_cluster(api), seconds=SECONDS)
    assert heal(embedded) == ["nothing to heal"]
