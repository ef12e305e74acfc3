"""Where the harness keeps things: what can be made again in the cache, what lives with a cluster in the state."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import PrerequisiteError

SOCKET_PATH_LIMIT = 107
"""The longest path that a Unix socket can have (unix(7): ``sun_path`` holds 108 bytes, one of them the final zero)."""

ROOM_FOR_SOCKETS = 48
"""What a cluster's longest socket may add to its folder: ``/run/containerd/containerd.sock.ttrpc`` and a reserve."""

UNFIT_FILE_SYSTEMS = frozenset({"overlay", "tmpfs", "ramfs", "aufs", "9p", "virtiofs", "nfs", "nfs4", "vfat", "fuse"})
"""Where containerd's overlays cannot lie, or where files cannot be hard-linked, or that live in memory."""


ENTERED = "existing.json"
"""What lies in the folder of a cluster that the harness did not make, and says where it is."""

NODE_SPECIFIED = "node.json"
"""What lies in the folder of an embedded cluster, and says what its node is to do."""

KIND_MADE = "kind.json"
"""What lies in the folder of a cluster of kind, and says what it was made with."""

MINIKUBE_MADE = "minikube.json"
"""The same of a cluster of Minikube."""

Noted = Literal["existing", "kind", "minikube"]
"""The providers that keep a note in a cluster's folder."""

_NOTES: dict[str, Noted] = {ENTERED: "existing", KIND_MADE: "kind", MINIKUBE_MADE: "minikube"}


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/self/mounts``: where it is mounted and what kind of file system it is."""

    point: str
    kind: str


@dataclass(frozen=True)
class Paths:
    """The harness's two folders. Making one touches nothing."""

    cache: Path
    state: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Paths":
        """By the XDG rules: an unset, empty or relative value means the default below the home folder."""
        home = Path(environment.get("HOME") or Path.home())

        def base(variable: str, default: Path) -> Path:
            given = environment.get(variable, "")
            return Path(given) if given.startswith("/") else default

        return cls(
            cache=base("XDG_CACHE_HOME", home / ".cache") / "harness",
            state=base("XDG_STATE_HOME", home / ".local" / "state") / "harness",
        )

    @property
    def clusters(self) -> Path:
        """The folder with one folder for each cluster."""
        return self.state / "clusters"

    def cluster(self, name: str) -> Path:
        """The folder of the cluster of that name."""
        return self.clusters / name

    def provider(self, name: str) -> Literal["embedded"] | Noted | None:
        """Whose the cluster of that name is; None where there is none, or where it is not to be told yet."""
        folder = self.cluster(name)
        return noted_provider(folder) or ("embedded" if (folder / NODE_SPECIFIED).exists() else None)

    def cluster_lock(self, name: str) -> Path:
        """The lock file that whoever creates, joins or deletes the cluster holds meanwhile."""
        return self.state / "locks" / f"{name}.lock"


def noted_provider(folder: Path) -> Noted | None:
    """Whose the cluster in a folder is, by the note that its provider keeps there; the embedded one keeps none."""
    return next((provider for note, provider in _NOTES.items() if (folder / note).exists()), None)


def parse_mounts(text: str) -> list[Mount]:
    """The mounts in the text of ``/proc/self/mounts``, in its order; octal escapes in paths are undone."""
    mounts = []
    for line in text.splitlines():
        _, point, kind, *_ = line.split(" ")
        mounts.append(Mount(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point), kind))
    return mounts


def file_system_of(path: Path, mounts: list[Mount]) -> str:
    """The kind of file system that ``path`` lies on or would lie on: that of the last mounted, longest mount point."""
    best = Mount("", "unknown")
    for mount in mounts:
        if path.is_relative_to(mount.point) and len(mount.point) >= len(best.point):
            best = mount
    return best.kind


def nearest_existing(path: Path) -> Path:
    """``path`` itself or the nearest folder above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def unfitness(paths: Paths, cluster: str) -> list[str]:
    """Why the embedded node cannot use these folders for a cluster of that name; empty if it can.

    Clusters are cloned from a template in the cache by hard links, so both folders lie on one file system; containerd
    lays overlays on the state folder, which overlayfs and tmpfs do not carry; sockets lie in the cluster's folder.
    """
    mounts = parse_mounts(Path("/proc/self/mounts").read_text(encoding="utf-8"))
    problems = []
    for variable, folder in (("XDG_CACHE_HOME", paths.cache), ("XDG_STATE_HOME", paths.state)):
        kind = file_system_of(nearest_existing(folder).resolve(), mounts)
        if kind in UNFIT_FILE_SYSTEMS:
            problems.append(f"{folder} lies on {kind}: set {variable} to a folder on a disk (ext4, xfs or btrfs)")
    devices = {nearest_existing(folder).stat().st_dev for folder in (paths.cache, paths.state)}
    if len(devices) > 1:
        problems.append(
            f"{paths.cache} and {paths.state} lie on two file systems: set XDG_CACHE_HOME and XDG_STATE_HOME to one"
        )
    folder = paths.cluster(cluster)
    excess = len(os.fsencode(folder)) + ROOM_FOR_SOCKETS - SOCKET_PATH_LIMIT
    if excess > 0:
        problems.append(f"{folder} is {excess} bytes too long to hold sockets: set XDG_STATE_HOME to a shorter path")
    return problems


def require_fit(paths: Paths, cluster: str) -> None:
    """Raise PrerequisiteError, with every reason, if the embedded node cannot use these folders."""
    if problems := unfitness(paths, cluster):
        raise PrerequisiteError("\n".join(problems))
