"""Entering clusters that the user has: what is refused, what is kept here, and what leaving takes away."""

import json
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import ClassVar

import pytest

from harness.clusters.contexts import Entrance
from harness.clusters.existing import ExistingProvider, Means, Told
from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster, ExternalPeer, Node, Shared
from harness.errors import ClusterError, HarnessError, SettingsError, UsageError
from harness.paths import Paths
from harness.timeline import Timeline

KUBECTL = """#!/bin/sh
# `config view --minify --flatten` of a file with one context is that file.
for given in "$@"; do
  if [ "$last" = --kubeconfig ]; then cat "$given"; fi
  last="$given"
done
"""


class Handler(BaseHTTPRequestHandler):
    """Tells its version to whoever has the token."""

    token: ClassVar[str] = "right"  # noqa: S105 -- a test's

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == f"Bearer {self.token}"
        status = {"kind": "Status", "message": "Unauthorized", "reason": "Unauthorized"}
        content = json.dumps({"gitVersion": "v1.37.0"} if allowed else status).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        """A review: all is allowed but to make namespaces."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["spec"]["resourceAttributes"]
        allowed = (asked["verb"], asked["resource"]) != ("create", "namespaces")
        content = json.dumps({"status": {"allowed": allowed}}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def write(file: Path, server: str, context: str = "ours", token: str = "right") -> Path:  # noqa: S107 -- a test's
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "test", "user": "me"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": {"token": token}}],
    }
    file.write_text(json.dumps(config))
    return file


@dataclass(frozen=True)
class Shelf:
    """A registry that notes what is put there."""

    prefix: str
    pushed: ClassVar[list[str]] = []

    def prepare(self, timeline: Timeline) -> None:
        timeline.say("the registry is prepared")

    def reference(self, image: str) -> str:
        return f"{self.prefix}/{image}"

    def push(self, archives: Sequence[Path], timeline: Timeline) -> None:  # noqa: ARG002 -- as a registry has it
        self.pushed.extend(self.reference(archive.name) for archive in archives)


class Leaving:
    """What is done when a cluster is left: noted, and sometimes impossible."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.error: HarnessError | None = None

    def __call__(self, cluster: Cluster) -> None:
        if self.error:
            raise self.error
        self.left.append(cluster.name)


@dataclass
class Here:
    """A machine: a folder with a kubectl and the state below it; and a server that is elsewhere."""

    folder: Path
    server: str
    leaving: Leaving = field(default_factory=Leaving)
    said: StringIO = field(default_factory=StringIO)

    @cached_property
    def timeline(self) -> Timeline:
        return Timeline(self.said)

    @property
    def paths(self) -> Paths:
        return Paths(self.folder / "cache", self.folder / "state")

    def provider(self, entrance: Entrance | None = None, told: Told = Told()) -> ExistingProvider:  # noqa: B008 -- it is frozen
        means = Means(lambda _: self.folder / "kubectl", Shelf, self.leaving)
        return ExistingProvider(self.paths.clusters, means, entrance, told)


@pytest.fixture
def here(tmp_path: Path, server: str) -> Here:
    binary = tmp_path / "kubectl"
    binary.write_text(KUBECTL)
    binary.chmod(0o755)
    return Here(tmp_path, server)


def test_what_is_entered_is_found_by_its_name_alone(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", here.server), "ours")
    here.provider(entrance).create("mine", here.timeline).close()

    found = here.provider().attach("mine")
    assert found is not None
    assert "not allowed, for namespaces for tests: create namespaces" in here.said.getvalue()
    assert here.paths.provider("mine") == "existing"
    assert found.api.get("/version") == {"gitVersion": "v1.37.0"}
    found.close()
    assert stat.S_IMODE(found.kubeconfig.stat().st_mode) == 0o600
    assert isinstance(found, Shared)
    assert not isinstance(found, Node | ExternalPeer)


def test_images_go_to_the_registry_that_was_told_when_the_cluster_was_entered(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", here.server), "ours")
    here.provider(entrance, Told(image_prefix="eu.example.com/team")).create("mine", here.timeline).close()

    for provider in (here.provider(), here.provider(entrance), here.provider()):
        found = provider.attach("mine")
        assert found is not None
        assert found.reference("shop:1") == "eu.example.com/team/shop:1"
        Shelf.pushed.clear()
        found.load_images([Path("shop.tar")])
    assert Shelf.pushed == ["eu.example.com/team/shop.tar"]


def test_without_a_registry_images_keep_their_names_and_are_pushed_nowhere(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", here.server), "ours")
    entered = here.provider(entrance).create("mine", here.timeline)
    entered.close()

    assert entered.reference("harness.dev/shop:1") == "harness.dev/shop:1"
    entered.load_images([Path("/nowhere")])


def test_what_pushing_needs_is_built_beforehand_where_a_registry_is_told(here: Here) -> None:
    here.provider().build(here.timeline)
    assert "prepared" not in here.said.getvalue()

    here.provider(told=Told(image_prefix="eu.example.com/team")).build(here.timeline)
    assert "the registry is prepared" in here.said.getvalue()


def test_renewed_credentials_are_taken_over(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", here.server), "ours")
    here.provider(entrance).create("mine", here.timeline).close()
    write(here.folder / "config", here.server, token="newer")  # noqa: S106 -- a test's

    found = here.provider(entrance).attach("mine")

    assert found is not None
    assert "newer" in found.kubeconfig.read_text()


def test_a_name_stands_for_one_context(here: Here) -> None:
    first = Entrance(write(here.folder / "config", here.server), "ours")
    here.provider(first).create("mine", here.timeline).close()
    other = Entrance(write(here.folder / "other", here.server, "theirs"), "theirs")

    with pytest.raises(UsageError, match=r"mine is the context ours at http://127.* already, and not theirs at"):
        here.provider(other).attach("mine")


def test_credentials_that_the_server_does_not_take_are_told_and_nothing_is_kept(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", here.server, token="expired"), "ours")  # noqa: S106 -- a test's

    with pytest.raises(ClusterError, match=r"context ours, .*, does not take its credentials \(401 Unauthorized\)"):
        here.provider(entrance).create("mine", here.timeline)
    assert not here.paths.cluster("mine").exists()


def test_a_server_that_does_not_answer_is_told_and_nothing_is_kept(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", "http://127.0.0.1:1"), "ours")

    with pytest.raises(ClusterError, match=r"the server of the context ours, http://127.0.0.1:1, does not answer"):
        here.provider(entrance).create("mine", here.timeline)
    assert not here.paths.cluster("mine").exists()


@pytest.mark.parametrize(
    ("context", "error", "said"),
    [("eu-prod-1", UsageError, "--allow-context=eu-prod-1"), ("absent", SettingsError, "it has eu-prod-1")],
)
def test_what_is_refused_is_refused_before_anybody_is_asked(
    here: Here, context: str, error: type[HarnessError], said: str
) -> None:
    entrance = Entrance(write(here.folder / "config", "http://127.0.0.1:1", "eu-prod-1"), context)

    with pytest.raises(error, match=said):
        here.provider(entrance).create("mine", here.timeline)
    assert not here.paths.clusters.exists()


def test_what_was_never_entered_says_how_to(here: Here) -> None:
    assert here.provider().attach("mine") is None
    with pytest.raises(UsageError, match="cluster mine was not entered: give --cluster=existing"):
        here.provider().create("mine", here.timeline)


def test_leaving_takes_away_what_was_made_there_and_what_is_kept_here(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", here.server), "ours")
    entered = here.provider(entrance)
    entered.create("mine", here.timeline).close()

    entered.delete("mine")
    entered.delete("mine")

    assert here.leaving.left == ["mine"]
    assert not here.paths.cluster("mine").exists()


def test_a_cluster_that_cannot_be_left_stays_known(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", here.server), "ours")
    entered = here.provider(entrance)
    entered.create("mine", here.timeline).close()
    here.leaving.error = ClusterError("it does not answer")

    with pytest.raises(ClusterError):
        entered.delete("mine")
    assert entered.sweep() == []
    assert here.paths.provider("mine") == "existing"


def test_a_sweep_leaves_what_nobody_holds_and_what_is_not_kept(here: Here) -> None:
    entrance = Entrance(write(here.folder / "config", here.server), "ours")
    entered = here.provider(entrance)
    for name in ("held", "kept", "left"):
        entered.create(name, here.timeline).close()
    here.paths.cluster("embedded").mkdir()
    Lease(here.paths.cluster("kept")).keep()

    with Lease(here.paths.cluster("held")).hold():
        assert entered.sweep() == ["left"]
    assert sorted(folder.name for folder in here.paths.clusters.iterdir()) == ["embedded", "held", "kept"]
