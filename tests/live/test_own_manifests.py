"""The proof of a user's own manifests as a user runs it: pytest on a folder and a table, here those of the README."""

import io
import json
import re
import shlex
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from harness.clusters.provider import Cluster
from harness.images.catalogue import prober_image
from harness.isolation.proving import Disagreement
from harness.isolation.recording import Records
from harness.isolation.stage import bare_stage
from harness.isolation.worlds import world_of
from harness.kube.client import Api, ApiError
from harness.kube.rollout import wait_for_rollout
from harness.kube.wait import wait_until
from harness.settings import Settings
from harness.timeline import Timeline
from scenarios.isolation.test_policies_mean_what_they_say import how_to_replay

from .pods import SECONDS, SERVER
from .room import TESTS, environment
from .user import User, nothing_is_left_of

README = TESTS.parent / "README.md"
PYTHON = "harness.dev/a-users-own-python:1"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the README's example: ``shop/shop.yaml``, and ``expected.yaml``."""
    examples = [dedent(one) for one in re.findall(r"(?:^(?:    .*)?\n)+", README.read_text(), re.MULTILINE)]
    [manifests] = [one for one in examples if "kind: StatefulSet" in one]
    [table] = [one for one in examples if "from/to" in one]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.yaml").write_text(manifests.strip())
    (tmp_path / "expected.yaml").write_text(table.strip())
    return tmp_path


OPTIONS = ("--manifests=shop", "--isolation-expectations=expected.yaml")


# --------------------------------------------------------------------------------------------------- nothing of it runs


def test_a_folder_of_what_does_not_run_is_proved_by_stand_ins_and_leaves_nothing(
    shop: Path, user: User, api: Api
) -> None:
    assert (shop / "shop").is_dir()

    done = user.pytest("isolation", *OPTIONS)

    assert done.status == pytest.ExitCode.OK, done.said
    assert "2 passed" in done.said
    assert "stand-ins, for workloads that do not run: shop/web, shop/db" in done.said
    assert re.search(r"the user's manifests: \d+ conforms$", done.said, re.MULTILINE)
    assert re.search("^the table: 12 as expected$", done.said, re.MULTILINE)
    nothing_is_left_of(done.run, api)
    wait_until("namespace shop to be gone", lambda: not api.find("/api/v1/namespaces/shop"), seconds=SECONDS)


ADMISSION = "/apis/admissionregistration.k8s.io/v1"
NO_PODS = {
    "failurePolicy": "Fail",
    "matchConstraints": {
        "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    },
    "validations": [{"expression": "false", "message": "no pods on Fridays"}],
}
IN_SHOP = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
BOUND = {"policyName": "no-pods", "validationActions": ["Deny"], "matchResources": IN_SHOP}


@contextmanager
def quota(api: Api) -> Iterator[str]:
    """No pod fits into the namespace any more."""
    body = {"metadata": {"name": "tight"}, "spec": {"hard": {"pods": "0"}}}
    api.post("/api/v1/namespaces/shop/resourcequotas", body)
    yield "exceeded quota: tight"


@contextmanager
def admission(api: Api) -> Iterator[str]:
    """Somebody's policy of admission refuses pods in the namespace."""
    path, binding = (f"{ADMISSION}/validatingadmissionpolic{end}" for end in ("ies", "ybindings"))
    pod = {"metadata": {"name": "try"}, "spec": {"containers": [{"name": "main", "image": "none"}]}}

    def refused() -> bool:
        try:
            api.post("/api/v1/namespaces/shop/pods", pod, dryRun="All")
        except ApiError as error:
            return "no pods on Fridays" in error.output
        return False

    try:
        api.post(path, {"metadata": {"name": "no-pods"}, "spec": NO_PODS})
        api.post(binding, {"metadata": {"name": "no-pods"}, "spec": BOUND})
        wait_until("the policy of admission to hold", refused, seconds=SECONDS)
        yield "ValidatingAdmissionPolicy 'no-pods' .* denied request: no pods on Fridays"
    finally:
        for one in (path, binding):
            api.delete(f"{one}/no-pods")


@pytest.mark.parametrize("obstacle", [quota, admission], ids=["quota", "admission"])
def test_what_keeps_the_stand_ins_out_is_told_with_the_rule_and_the_pod_before_anything_is_probed(
    shop: Path, user: User, api: Api, obstacle: Callable[[Api], AbstractContextManager[str]]
) -> None:
    assert (shop / "shop").is_dir()
    api.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    try:
        with obstacle(api) as rule:
            done = user.pytest("isolation", *OPTIONS)

        assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
        assert re.search(rf"ClusterError: the cluster does not take pod shop/\w+, which .*{rule}", done.said), done.said
        assert "conforms" not in done.said
        nothing_is_left_of(done.run, api)
    finally:
        api.delete("/api/v1/namespaces/shop")
        wait_until("namespace shop to be gone", lambda: not api.find("/api/v1/namespaces/shop"), seconds=SECONDS)


# ------------------------------------------------------------------------------------------------ killed in the middle


def test_what_a_killed_run_left_is_removed_by_the_next_one_and_not_taken_for_the_users(
    shop: Path, user: User, api: Api
) -> None:
    command = user.command("isolation", *OPTIONS)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=shop, env=environment()) as first:
        wait_until(
            "stand-ins of the first run",
            lambda: api.find("/api/v1/namespaces/shop") and api.items("/api/v1/namespaces/shop/pods"),
            seconds=120,
        )
        first.kill()
    left = {one["metadata"]["labels"]["harness.dev/run"] for one in api.items("/api/v1/namespaces/shop/pods")}

    done = user.pytest("isolation", *OPTIONS)

    assert done.status == pytest.ExitCode.OK, done.said
    assert "left by earlier runs, removed" in done.said
    assert "stand-ins, for workloads that do not run: shop/web, shop/db" in done.said
    [killed] = left
    assert killed != done.run
    nothing_is_left_of(killed, api)
    nothing_is_left_of(done.run, api)


# ------------------------------------------------------------------------------------------------------ some of it does


def with_another_name(archive: Path, name: str, folder: Path) -> Path:
    """The image of an archive under another name, as of somebody else's image with the same content."""
    renamed = folder / "python.tar"
    with tarfile.open(archive) as old, tarfile.open(renamed, "w") as new:
        for member in old:
            content = old.extractfile(member)
            if member.name == "manifest.json":
                assert content is not None
                told = json.dumps([{**one, "RepoTags": [name]} for one in json.load(content)]).encode()
                member.size, content = len(told), io.BytesIO(told)
            new.addfile(member, content)
    return renamed


DRIFTED = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}, {podSelector: {matchLabels: {app: nobody}}}]
      ports: [{port: 5432}]
"""


@pytest.fixture
def running(cluster: Cluster, api: Api, shop: Path) -> Iterator[Path]:
    """The shop with its web server on the cluster, in Python, and with a policy that somebody has changed since."""
    archive = with_another_name(prober_image(Timeline()).archive, PYTHON, shop)
    cluster.load_images([archive])
    [web] = [one for one in (shop / "shop" / "shop.yaml").read_text().split("---\n") if "kind: Deployment" in one]
    container = f'image: "{PYTHON}", imagePullPolicy: IfNotPresent, command: ["python3", "-uc", {json.dumps(SERVER)}]'
    web = web.replace("      containers:", "      terminationGracePeriodSeconds: 0\n      containers:")
    (shop / "web.yaml").write_text(web.replace('image: "example.com/web:1"', container))
    (shop / "drifted.yaml").write_text(DRIFTED)
    api.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    try:
        cluster.kubectl.run("apply", "-f", str(shop / "web.yaml"), "-f", str(shop / "drifted.yaml"))
        wait_for_rollout(cluster, "deployment/web", "shop", seconds=SECONDS)
        yield shop
    finally:
        cluster.kubectl.run("delete", "namespace", "shop")


def test_what_runs_is_probed_from_within_and_a_wrong_table_and_a_changed_policy_are_told_on_one_line_each(
    running: Path, user: User, api: Api
) -> None:
    table = running / "expected.yaml"
    written = table.read_text()
    table.write_text(written.replace("newcomer   deny     deny     allow", "newcomer   deny     deny     deny"))
    assert table.read_text() != written

    done = user.pytest("isolation", *OPTIONS)

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "1 failed, 1 passed" in done.said  # the cluster does as the policies say: only the table means another thing
    assert "stand-ins, for workloads that do not run: shop/db\n" in done.said
    assert "the table: 11 as expected, 1 not\n" in done.said
    assert re.search(
        r"newcomer -> web:8080 must be deny \(\S*expected\.yaml:\d+\), but shop/\S+-newcomer -> shop/web-\S+ TCP 8080 "
        r"was seen allowed: connected \(no greeting\)\. The policies as written say allow: ",
        done.said,
    )
    assert re.search(r"policy shop/db on the cluster is not as written at shop/shop\.yaml:\d+", done.said)
    nothing_is_left_of(done.run, api)
    [web] = api.items("/api/v1/namespaces/shop/pods")
    assert not web["spec"].get("ephemeralContainers")  # Python was there, and was enough


# ------------------------------------------------------------------------------------------------------- a world, again


def test_the_command_that_shows_a_generated_world_again_does(
    user: User, settings: Settings, tmp_path: Path, api: Api
) -> None:
    world = world_of(7, 3, bare_stage(f"again-{settings.run_id}", ("a", "b"), ("p0", "p1"), "192.0.2.1"))
    assert world.policies

    told = how_to_replay(Disagreement(3, world, ()), 7, Records(tmp_path))
    [again] = re.findall("^Again: pytest -m isolation (.*)$", told, re.MULTILINE)
    done = user.pytest("isolation", *shlex.split(again))

    assert done.status == pytest.ExitCode.OK, done.said
    assert "1 passed, 1 skipped" in done.said
    assert re.search(r"^the user's manifests: \d+ conforms", done.said, re.MULTILINE)
    nothing_is_left_of(done.run, api)
