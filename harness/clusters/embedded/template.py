"""The template: a cluster brought up once, stopped cleanly, from whose data every other is cloned.

It holds no pod, no active snapshot (containerd's files are hard links in the clones: a write through one would corrupt
all), no address lease and nothing of its authority: a clone has keys of its own, so what carries the old ones is taken
out of etcd while the API server is down.
"""

import functools
import hashlib
import json
import secrets
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

from harness.clusters import loading
from harness.clusters.calico import CLUSTER_INFORMATION
from harness.clusters.embedded import commands, inside, layout, process
from harness.clusters.embedded.assets import Assets
from harness.clusters.embedded.layout import Layout
from harness.clusters.furnishing import unavailable
from harness.clusters.lease import Lease
from harness.clusters.readiness import LATE_CHECK
from harness.errors import ClusterError
from harness.kube.client import Api, ApiError
from harness.kube.wait import patient
from harness.timeline import Timeline

DATABASES = (
    "containerd/io.containerd.metadata.v1.bolt",
    "containerd/io.containerd.snapshotter.v1.overlayfs/metadata.db",
    "etcd",
)
"""What a cluster writes in place is copied into a clone; the rest, only ever added to or removed, is hard-linked."""

OF_THE_OLD_CLUSTER = (
    "/registry/leases/",
    "/registry/masterleases/",
    "/registry/minions/",
    "/registry/csinodes/",
    "/registry/events/",
    "/registry/endpointslices/",
    "/registry/services/endpoints/",
    "/registry/configmaps/kube-system/extension-apiserver-authentication",
)
"""Keys that tell of the template's node, processes or authority; every ``kube-root-ca.crt`` goes too."""

KEPT = 2
"""Templates that stay in the cache: this one and the one before, for going back and forth between two versions."""
API_SECONDS = 60.0
READYZ_SECONDS = 0.5
"""For one request: the first that a starting API server takes may never be answered."""
ADDON_SECONDS = 120.0


def ensure(cache: Path, clusters: Path, assets: Assets, timeline: Timeline) -> Path:
    """The folder of a whole template for these assets, built if there is none or if what is there is broken."""
    key = assets.key()
    folder = cache / "templates" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "lock"):
        if is_whole(folder):
            return folder
        if folder.exists():
            timeline.say(f"the template {key} is broken: building it anew")
            shutil.rmtree(folder)
        with timeline.phase("template") as say:
            _build(folder, clusters, assets)
            say("built once, cloned from now on")
        others = [other for other in folder.parent.iterdir() if other.is_dir() and other != folder]
        for old in sorted(others, key=lambda other: other.stat().st_mtime, reverse=True)[KEPT - 1 :]:
            shutil.rmtree(old)
    return folder


def clone(template: Path, where: Layout) -> None:
    """Make ``where.data`` of the template: hard links, but copies of what a cluster writes in place."""
    where.data.mkdir(parents=True, mode=0o700)
    subprocess.run(["cp", "-al", "--", str(template / "data/containerd"), str(where.data)], check=True)
    for database in DATABASES:
        shutil.rmtree(where.data / database, ignore_errors=True)
        (where.data / database).unlink(missing_ok=True)
        source = str(template / "data" / database)
        subprocess.run(["cp", "-a", "--sparse=always", "--", source, str((where.data / database).parent)], check=True)


def is_whole(folder: Path) -> bool:
    """Whether the template was finished, and its files are still as they were."""
    try:
        seal = json.loads((folder / "seal.json").read_text())
    except (FileNotFoundError, ValueError):
        return False
    return (folder / "data").is_dir() and bool(seal == _seal(folder))


def _seal(folder: Path) -> dict[str, str]:
    """A hash over every file's path, size, mode and time of change, and one over the contents of the databases."""
    listing = hashlib.sha256()
    found = subprocess.run(
        ["find", "data", "-printf", r"%P %s %m %T@ %y\n"], cwd=folder, capture_output=True, check=True
    ).stdout
    # A directory's size is the file system's affair. A file's time tells of a write through a clone's hard link.
    for line in sorted(found.splitlines()):
        listing.update(line if not line.endswith(b" d") else line.split(b" ")[0])
    contents = hashlib.sha256()
    for database in DATABASES:
        path = folder / "data" / database
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                with file.open("rb") as opened:
                    contents.update(hashlib.file_digest(opened, "sha256").digest())
    return {"listing": listing.hexdigest(), "contents": contents.hexdigest()}


def _build(folder: Path, clusters: Path, assets: Assets) -> None:
    where = Layout(clusters / f"template-{secrets.token_hex(4)}")
    with Lease(where.folder).hold():
        try:
            process.prepare(where, assets)
            bring_up(where, assets)
            freeze(where)
            fresh = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            where.data.rename(fresh / "data")
            (fresh / "seal.json").write_text(json.dumps(_seal(fresh)))
            fresh.rename(folder)
        finally:
            process.end(where)


def bring_up(where: Layout, assets: Assets) -> None:
    """From a started, empty control plane to all add-ons available."""
    with ThreadPoolExecutor(1) as pool, Api(where.kubeconfig) as api:
        loading = pool.submit(load_images, where, [image.archive for image in assets.images.values()])
        wait_for_api(where, api)
        kubectl = where.kubectl
        kubectl.run("create", "-f", str(assets.crds))
        kubectl.run("wait", "--for=condition=established", "crd", "--all", f"--timeout={patient(60):.0f}s", seconds=70)
        kubectl.apply(CLUSTER_INFORMATION)
        for document in assets.addons():
            kubectl.run("apply", "--server-side", "--field-manager=harness", "-f", "-", stdin=document)
        status = {"status": {"loadBalancer": {"ingress": [{"ip": layout.EXTERNAL_GATEWAY}]}}}
        api.patch("/api/v1/namespaces/kube-system/services/traefik/status", status)
        loading.result()
        process.start(where, commands.NODE)

        process.wait_for(where, "the add-ons to be available", lambda: not unavailable(api), seconds=ADDON_SECONDS)


def wait_for_api(where: Layout, api: Api) -> None:
    """Wait until the API server says that it is ready."""

    def answers() -> bool:
        try:
            return api.text("/readyz", seconds=READYZ_SECONDS, exclude=LATE_CHECK) == "ok"
        except ApiError:  # unreachable, and 403 and 500 until its own hooks ran
            return False

    process.wait_for(where, "the API server to be ready", answers, seconds=API_SECONDS)


def load_images(where: Layout, archives: list[Path]) -> None:
    """Import docker-archive tars into the node's containerd, skipping those that it has under the same names."""
    process.wait_for(where, "containerd to answer", lambda: _containerd_answers(where), seconds=API_SECONDS)
    loading.load_images(functools.partial(_ctr, where), archives, where.folder)


def _containerd_answers(where: Layout) -> bool:
    try:
        _ctr(where, "version")
    except Exception:  # noqa: BLE001 -- whatever it says before it is up
        return False
    return True


def _ctr(where: Layout, *arguments: str, stdin: Path | None = None) -> str:
    return inside.in_node(where, f"{commands.BIN}/ctr", "-n", "k8s.io", *arguments, stdin=stdin)


def publish_authority(where: Layout, api: Api) -> None:
    """Write ``kube-root-ca.crt`` into every namespace, as the controller manager would, but before any pod starts."""
    data = {"ca.crt": (where.pki / "ca.crt").read_text()}
    for namespace in api.items("/api/v1/namespaces"):
        path = f"/api/v1/namespaces/{namespace['metadata']['name']}/configmaps"
        api.post(path, {"metadata": {"name": "kube-root-ca.crt"}, "data": data})


def freeze(where: Layout) -> None:
    """Stop the cluster so that its data can be a template."""
    for name in ("kube-scheduler", "kube-controller-manager"):
        process.stop(where, name)
    where.kubectl.run(
        "delete", "pods", "--all", "--all-namespaces", "--grace-period=1", f"--timeout={patient(60):.0f}s", seconds=70
    )
    process.stop(where, "kubelet")
    for container in _ctr(where, "containers", "ls", "-q").split():
        if _ctr(where, "tasks", "ls", "-q").split().count(container):
            _ctr(where, "tasks", "kill", "-s", "KILL", container)
            _ctr(where, "tasks", "rm", "-f", container)
        _ctr(where, "containers", "rm", container)
    for line in _ctr(where, "sandboxes", "ls").splitlines()[1:]:
        _ctr(where, "sandboxes", "rm", "-f", line.split()[0])
    active = [s for s in _ctr(where, "snapshots", "ls").splitlines() if s.endswith("Active")]
    for snapshot in active:
        _ctr(where, "snapshots", "rm", snapshot.split()[0])
    # Killed, since it would wait a minute for its watchers; what it has is in etcd.
    process.stop(where, "kube-apiserver", signal.SIGKILL)
    roots = [key for key in _keys(where, "/registry/configmaps/") if key.endswith("/kube-root-ca.crt")]
    for prefix in (*OF_THE_OLD_CLUSTER, *roots):
        _etcdctl(where, "del", "--prefix", prefix)
    pods = _keys(where, "/registry/pods/")
    if pods:
        raise ClusterError(f"a template must hold no pod, but there is still {', '.join(pods)}")
    for name in ("etcd", "containerd"):
        process.stop(where, name)


def _keys(where: Layout, prefix: str) -> list[str]:
    return _etcdctl(where, "get", "--prefix", "--keys-only", prefix).split()


def _etcdctl(where: Layout, *arguments: str) -> str:
    return inside.in_node(where, f"{commands.BIN}/etcdctl", *arguments)
