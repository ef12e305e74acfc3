"""A cluster that a user has already: entered, used and left as it was. Here it is the shared one, from elsewhere."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.clusters.provider import Cluster
from harness.clusters.rights import roles
from harness.kube.client import Api, ApiError
from harness.kube.discovery import discover
from harness.kube.leftovers import LEASES, PLACE
from harness.kube.wait import patient, wait_until

from .pods import SECONDS, Pods
from .registry import registry_on
from .room import environment
from .user import Done

TEST = """\
from pathlib import Path

def test_a_pod_starts(cluster, namespace):
    assert cluster.provider == "existing"
    cluster.kubectl.run("create", "configmap", "mine", "-n", namespace)
    Path("made").write_text(namespace)
    input() if Path("waits").exists() else None
"""


class Elsewhere:
    """A user on another machine, as far as the cluster can tell: with a state folder of his own."""

    def __init__(self, folder: Path, cluster: Cluster, kubeconfig: Path | None = None) -> None:
        folder.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        (folder / "test_it.py").write_text(TEST)
        context = cluster.kubectl.run("config", "current-context").strip()
        self.folder = folder
        self.entrance = (
            "--cluster=existing",
            f"--kubeconfig={kubeconfig or cluster.kubeconfig}",
            f"--cluster-context={context}",
        )
        self.environment = environment(XDG_STATE_HOME=str(folder / "state"))

    def pytest(self, *options: str) -> Done:
        """Run the test on the cluster, and wait for its end."""
        done = subprocess.run(
            self._command(*options),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=patient(180),
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    @contextmanager
    def at_work(self) -> Iterator[subprocess.Popen[bytes]]:
        """A run whose test has made something and goes on, until its input ends or it is killed."""
        (self.folder / "made").unlink(missing_ok=True)
        with subprocess.Popen(
            self._command("-s"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=self.folder, env=self.environment
        ) as run:
            try:
                wait_until("the test to be at work", lambda: self.made() or run.poll() is not None, seconds=SECONDS)
                assert run.poll() is None
                yield run
            finally:
                run.kill()

    def made(self) -> str:
        """The namespace that the test has made."""
        file = self.folder / "made"
        return file.read_text() if file.exists() else ""

    def command(self, *words: str) -> str:
        """Run a command of the harness; what it said."""
        command = [sys.executable, "-m", "harness", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=self.environment, timeout=180, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _command(self, *options: str) -> list[str]:
        plugins = ("-p", "harness.plugin", "-p", "no:cacheprovider")
        return [sys.executable, "-m", "pytest", *plugins, "test_it.py", *self.entrance, *options]


@pytest.fixture
def elsewhere(cluster: Cluster, tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path / "elsewhere", cluster)


def objects(api: Api) -> set[str]:
    """All that is on the cluster and carries a label of a place, of every kind, by kind, namespace and name."""
    kinds = [one for one in discover(api).resources if not one.subresource and "list" in one.verbs]
    found = set()
    for kind in kinds:
        with suppress(ApiError):
            for body in api.items(kind.path, labelSelector=PLACE):
                found.add(f"{kind.name} {body['metadata'].get('namespace', '')}/{body['metadata']['name']}")
    return found


def test_a_run_leaves_a_users_cluster_as_it_was(elsewhere: Elsewhere, api: Api) -> None:
    done = elsewhere.pytest()

    assert done.status == pytest.ExitCode.OK, done.said
    assert "API answers" in done.said
    assert elsewhere.made()
    assert objects(api) == set()
    assert list((elsewhere.folder / "state" / "harness" / "clusters").iterdir()) == []


def test_a_killed_run_is_cleared_away_by_the_next_and_one_that_lives_is_not(
    elsewhere: Elsewhere, cluster: Cluster, api: Api, tmp_path: Path
) -> None:
    colleague = Elsewhere(tmp_path / "colleague", cluster)
    (elsewhere.folder / "waits").touch()
    (colleague.folder / "waits").touch()
    with colleague.at_work(), elsewhere.at_work() as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        left = elsewhere.made()
        (elsewhere.folder / "waits").unlink()

        done = elsewhere.pytest()

        assert done.status == pytest.ExitCode.OK, done.said
        assert api.find(f"/api/v1/namespaces/{left}") is None
        assert api.get(f"/api/v1/namespaces/{colleague.made()}")["status"]["phase"] == "Active"
        leases = [one["metadata"]["labels"]["harness.dev/run"] for one in api.items(LEASES, labelSelector=PLACE)]
        assert len(set(leases)) == 1, "the colleague's alone"
    colleague.command("down", f"--cluster-name={name_of(colleague)}")
    assert objects(api) == set()


def name_of(user: Elsewhere) -> str:
    """The name under which he has entered the cluster."""
    [folder] = (user.folder / "state" / "harness" / "clusters").iterdir()
    return folder.name


def test_a_cluster_that_is_kept_is_used_by_its_name_alone(elsewhere: Elsewhere, api: Api) -> None:
    assert "is entered and stays until" in elsewhere.command(*elsewhere.entrance, "up", "--cluster-name=mine")
    assert "mine" in elsewhere.command("status")
    assert "kube-system" in elsewhere.command("--cluster-name=mine", "kubectl", "get", "namespaces")

    assert "what was made there is removed" in elsewhere.command("--cluster-name=mine", "down")
    assert objects(api) == set()
    assert "no clusters" in elsewhere.command("status")


@pytest.fixture
def least(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of a user who holds the roles that `harness rights` prints, and no other."""
    kubectl = cluster.kubectl
    name = f"least-{namespace}"
    subject = {"kind": "ServiceAccount", "name": "least", "namespace": namespace}
    made = []
    for role in roles(name):
        kind, home = role["kind"], role["metadata"]
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        made += [
            role,
            {**role, "kind": f"{kind}Binding", "metadata": home, "roleRef": reference, "subjects": [subject]},
        ]
        made[-1].pop("rules")
    kubectl.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "least", "namespace": namespace}})
    kubectl.apply(*made)
    try:
        token = kubectl.run("create", "token", "least", "--namespace", namespace).strip()
        config = json.loads(kubectl.run("config", "view", "--raw", "--minify", "--output=json"))
        for user in config["users"]:
            user["user"] = {"token": token}
        file = tmp_path / "least.json"
        file.write_text(json.dumps(config))
        yield file
    finally:
        for one in made:
            scope = ("--namespace", one["metadata"]["namespace"]) if "namespace" in one["metadata"] else ()
            kubectl.run("delete", one["kind"].lower(), name, *scope)


def test_a_user_with_the_roles_that_are_printed_lacks_nothing(
    cluster: Cluster, least: Path, api: Api, tmp_path: Path
) -> None:
    user = Elsewhere(tmp_path / "user", cluster, least)

    done = user.pytest()

    assert done.status == pytest.ExitCode.OK, done.said
    assert "all that runs need" in done.said
    assert objects(api) == set()


def test_a_user_who_lacks_something_is_told_what_it_is_for(cluster: Cluster, least: Path, tmp_path: Path) -> None:
    user = Elsewhere(tmp_path / "user", cluster, least)
    name = next(one for one in cluster.kubectl.run("get", "clusterroles", "-o", "name").split() if "/least-" in one)
    patch = [
        {
            "op": "replace",
            "path": "/rules",
            "value": [one for one in roles()[0]["rules"] if one["resources"] != ["namespaces"]],
        }
    ]
    cluster.kubectl.run("patch", name, "--type=json", "--patch", json.dumps(patch))

    done = user.pytest()

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "not allowed, for namespaces for tests: create, delete, get, list, patch namespaces" in done.said
    assert 'cannot create resource "namespaces"' in done.said


def test_a_plan_says_what_a_run_would_make_and_makes_nothing(elsewhere: Elsewhere, api: Api) -> None:
    done = elsewhere.pytest("--plan")

    assert done.status == pytest.ExitCode.OK, done.said
    assert "this is a plan (--plan): nothing is made" in done.said
    assert "a Lease in the namespace default for each process of the run" in done.said
    assert "a namespace test-… for each test that asks for one" in done.said
    assert "nothing that runs need" in done.said
    assert not elsewhere.made()
    assert objects(api) == set()
    assert not (elsewhere.folder / "state").exists()
    assert not (elsewhere.folder / "artifacts").exists()


PULLED = """\
from pathlib import Path

def test_a_pod_of_it_runs(cluster, chaos_scene, namespace):
    image = chaos_scene([]).prober_image
    of = ("--namespace", namespace)
    cluster.kubectl.run("run", "one", *of, f"--image={image}", "--restart=Never", "--command", "--", "true")
    cluster.kubectl.run("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/one", *of, "--timeout=120s")
    Path("made").write_text(image)
"""


def test_images_are_pushed_to_a_registry_and_pulled_from_there(
    elsewhere: Elsewhere, cluster: Cluster, pods: Pods, tmp_path: Path
) -> None:
    api, namespace = cluster.api, pods.namespace
    (elsewhere.folder / "test_it.py").write_text(PULLED)
    with registry_on(cluster, namespace, tmp_path) as registry:
        first = elsewhere.pytest(f"--image-prefix={registry}/team")
        again = elsewhere.pytest(f"--image-prefix={registry}/team")

    for done in (first, again):
        assert done.status == pytest.ExitCode.OK, done.said
    assert f"push {registry}/team/prober:" in first.said
    assert f"push {registry}" not in again.said, "it is there"
    assert elsewhere.made().startswith(f"{registry}/team/prober:")
    assert objects(api) == set()
    pods.run("loaded", "print('runs')")  # of the same content, by the name that it was loaded by


def test_a_registry_that_cannot_be_reached_is_named(elsewhere: Elsewhere, api: Api) -> None:
    (elsewhere.folder / "test_it.py").write_text(PULLED)

    done = elsewhere.pytest("--image-prefix=127.0.0.1:1/team")

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "could not be pushed to 127.0.0.1:1/team/prober:" in done.said
    assert "connection refused" in done.said
    assert objects(api) == set()
