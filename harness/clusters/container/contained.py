"""A Docker of the harness's own for one cluster, where none answers: Debian's dockerd, contained in namespaces.

It lives as an embedded node does, under the same supervisor: bridges, firewall rules, mounts and cgroups are those of
its namespaces and go with them, however it ends, and it ends when nobody holds the cluster's lease. From this machine
it is reached by its socket, and its containers by the loopback ports that are forwarded. Nothing in it reaches out, so
images come into it as archives.
"""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from harness.clusters.container.node import Ports
from harness.clusters.embedded import inside, process
from harness.clusters.embedded.commands import BIN, ETC, ROOT, Command
from harness.clusters.embedded.layout import Layout
from harness.engine import Engine
from harness.errors import ClusterError
from harness.timeline import Timeline

PACKAGES: Final = ("docker.io", "containerd", "runc", "tini", "libdevmapper1.02.1")
PROGRAMS: Final = (
    *("usr/sbin/dockerd", "usr/sbin/docker-proxy", "usr/bin/docker-init"),
    *("usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/sbin/runc"),
)
SOCKET: Final = "docker.sock"
ANSWER_SECONDS: Final = 120.0
"""Bounds a hang: how long dockerd may take to answer."""

END_SECONDS: Final = 60.0

LIBRARIES: Final = f"{ROOT}/lib"
RUNTIME: Final = "capped"

DAEMON: Final = {
    "data-root": f"{ROOT}/data/docker",
    "exec-root": "/run/docker",
    "pidfile": "/run/docker.pid",
    "hosts": [f"unix://{ROOT}/{SOCKET}"],
    "storage-driver": "overlay2",
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "runtimes": {RUNTIME: {"path": f"{BIN}/{RUNTIME}"}},
    "default-runtime": RUNTIME,
    "log-level": "warn",
}
"""Its configuration: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file."""


@dataclass(frozen=True)
class Parts:
    """What it is made of: the folder with the files of ``PACKAGES``, and the programs ``capped`` and ``forward``."""

    packages: str
    capped: str
    forward: str


@dataclass(frozen=True)
class Contained:
    """The Docker of the cluster whose files lie in ``folder``. Making one touches nothing."""

    folder: Path
    parts: Parts

    @property
    def engine(self) -> Engine:
        """How it is asked."""
        return Engine("docker", {"DOCKER_HOST": f"unix://{self.folder / SOCKET}"}, f"{self.parts.packages}/usr/bin")

    @property
    def enter(self) -> tuple[str, ...]:
        """What goes before a command that is to see its network, once it runs. Raises ClusterGone."""
        return ("nsenter", "--net", f"--target={inside.node_process(self._where)}", "--")

    @property
    def _where(self) -> Layout:
        return Layout(self.folder)

    def start(self, timeline: Timeline) -> Ports:
        """Start it and wait until it answers; the ports are those that lead to the same ports of the loopback in there.

        Raises ComponentDied with the last of its log, ClusterError.
        """
        where = self._where
        with timeline.phase("a Docker of our own"), process.loopback_listeners(2) as listeners:
            for folder in (where.logs, where.configuration, where.binaries, self.folder / "lib", where.data / "docker"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _place(self.parts, where)
            (where.configuration / "daemon.json").write_text(json.dumps(DAEMON, indent=1))
            ports = [listener.getsockname()[1] for listener in listeners]
            pairs = [f"{one.fileno()}=127.0.0.1:{port}" for one, port in zip(listeners, ports, strict=True)]
            spec = {
                **process.machine_of(where, [one.fileno() for one in listeners]),
                "name": "docker",
                "unified": True,
                # Else what is asked of the Internet is waited for, and Minikube asks for one thing after the other.
                "refuses": True,
                "first": ["dockerd", "forward"],
                "commands": {name: asdict(command) for name, command in commands(pairs).items()},
            }
            process.launch(where, spec)
            process.wait_for(where, "Docker to answer", self.engine.answers, seconds=ANSWER_SECONDS)
        return Ports(*ports)

    def check(self) -> None:
        """Raise ComponentDied or ClusterGone where it ended by itself."""
        process.check(self._where)

    def wait_for_its_end(self) -> None:
        """Where it does not answer it is ending, most likely: wait until that can be told, as ``check`` does."""
        with suppress(ClusterError):
            process.wait_for(self._where, "Docker to end", self.engine.answers, seconds=END_SECONDS)
        self.check()

    def end(self) -> None:
        """End it with all that runs in it, and remove the cluster's folder. Safe to repeat."""
        process.end(self._where)

    def export_logs(self, folder: Path) -> None:
        """Copy what it has logged."""
        for log in self._where.logs.glob("*.log"):
            shutil.copy(log, folder)


def commands(pairs: list[str]) -> dict[str, Command]:
    """Its components by name; ``pairs`` are what is forwarded, as DESCRIPTOR=ADDRESS."""
    dockerd = (f"{BIN}/dockerd", f"--config-file={ETC}/daemon.json")
    return {
        "dockerd": Command(dockerd, {"LD_LIBRARY_PATH": LIBRARIES}),
        "forward": Command((f"{BIN}/forward", *pairs)),
    }


def _place(parts: Parts, where: Layout) -> None:
    """Hard links to all that runs in there, so that it is seen wherever the cache lies."""
    packages = Path(parts.packages)
    for name in PROGRAMS:
        _link(packages / name, where.binaries)
    for library in packages.glob("**/libdevmapper.so.*"):  # below lib, or usr/lib where these are one
        _link(library, where.folder / "lib")
    _link(Path(parts.capped), where.binaries)
    _link(Path(parts.forward), where.binaries)


def _link(file: Path, folder: Path) -> None:
    os.link(file.resolve(), folder / file.name)
