"""Minikube, called for one cluster. Its home is the cluster's folder: no profile of the user's is seen or changed."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.clusters.container.creating import Creating
from harness.clusters.container.node import INGRESS_PORT, NodeImage, Ports
from harness.clusters.minikube.config import API_PORT, start_options
from harness.clusters.minikube.events import Event, read
from harness.engine import Engine
from harness.errors import ClusterError, CommandError
from harness.kube.kubectl import Kubectl
from harness.kube.wait import patient
from harness.timeline import Timeline

CREATE_SECONDS: Final = 600.0
"""Bounds a hang: Minikube itself tries to come in by SSH for minutes, and then begins anew."""
DELETE_SECONDS: Final = 180.0
LOG_LINES: Final = 15
LINE: Final = 500
"""Of one line so many characters are told."""

LOGS: Final = "/var/log/pods"
UNITS: Final = ("kubelet", "containerd")
CALLED: Final = ("kubeadm", "kubelet", "kubectl")
"""What Minikube would download for its cache, and copy to the node."""

# Its id is written before it is Minikube: who kills us in between finds it all the same.
LEADER: Final = 'echo $$ > "$0"; exec "$@"'


@dataclass(frozen=True)
class Minikube:
    """Minikube for one cluster, whose files lie in ``folder``, which has its name.

    ``enter`` gives what goes before its commands, so that they see the network of the engine. ``downloads`` is the
    folder where it keeps what it downloads, for all clusters.
    """

    folder: Path
    engine: Engine
    minikube: Path
    kubectl: Path
    downloads: Path
    enter: Callable[[], Sequence[str]] = tuple

    @property
    def name(self) -> str:
        """The cluster's, and that of its profile."""
        return self.folder.name

    @property
    def node(self) -> str:
        """The name of the container that is the node: the profile's."""
        return self.name

    @property
    def removal(self) -> str:
        """How somebody removes a cluster of this name."""
        return f"minikube delete --profile={self.name}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, which Minikube writes."""
        return self.folder / "kubeconfig"

    @property
    def log(self) -> Path:
        """What Minikube said."""
        return self.folder / "minikube.log"

    @property
    def home(self) -> Path:
        """Where it keeps its profile, its keys and its cache."""
        return self.folder / "minikube" / ".minikube"

    @property
    def environment(self) -> Mapping[str, str]:
        """For its commands: nothing of the user's Minikube counts."""
        others = {name: value for name, value in self.engine.environment.items() if not name.startswith("MINIKUBE_")}
        return {
            **others,
            "KUBECONFIG": str(self.kubeconfig),
            "MINIKUBE_HOME": str(self.home.parent),
            "MINIKUBE_WANTUPDATENOTIFICATION": "false",
            "MINIKUBE_IN_STYLE": "false",
            "CHANGE_MINIKUBE_NONE_USER": "false",
            **({"MINIKUBE_ROOTLESS": "true"} if self.engine.program == "podman" and not _root() else {}),
        }

    @property
    def _creating(self) -> Creating:
        return Creating(self.folder / "minikube.pid", self.name)

    def taken(self) -> bool:
        """Whether the engine has a container, a volume or a network of this name: Minikube would take it for its own.

        It removes a container that some other Minikube has made.
        """
        return any(self.engine.succeeds(kind, "inspect", self.name) for kind in ("container", "volume", "network"))

    def prepare(self, image: NodeImage) -> None:
        """Let it find what it would download for an image of our own; what it does download is kept for all."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        cache = self.home / "cache"
        if image.release is None:
            self.downloads.mkdir(parents=True, exist_ok=True)
            cache.symlink_to(self.downloads)
            return
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        place = cache / "linux" / machine / image.release.version
        place.mkdir(parents=True)
        for name in CALLED:
            os.link(image.release.program.resolve(), place / name)

    def create(self, image: NodeImage, cni: str, ports: Ports, timeline: Timeline) -> str:
        """Make the cluster, its steps as phases, and return where its Ingress controller answers.

        Raises ClusterError with why Minikube failed.
        """
        options = start_options(self.engine.program, image, cni, ports, root=_root())
        self._start([*self.enter(), str(self.minikube), "start", f"--profile={self.name}", *options], timeline)
        api = ports.api or self._published(API_PORT)
        # Minikube names the node's own address, which not every machine reaches that reaches its engine.
        server = f"--server=https://127.0.0.1:{api}"
        Kubectl(self.kubectl, self.kubeconfig).run("config", "set-cluster", self.name, server)
        return f"http://127.0.0.1:{ports.ingress or self._published(INGRESS_PORT)}"

    def stop_creating(self) -> None:
        """End a Minikube that still creates the cluster, and wait for what it has begun."""
        self._creating.stop()

    def delete(self) -> None:
        """End the cluster; nothing is done where there is none. Raises ClusterError with the last of what it said."""
        self._call("delete", f"--profile={self.name}")

    def export_logs(self, folder: Path) -> None:
        """Write what ``minikube logs`` gives, the journal of the node's services, and the logs of its pods."""
        try:
            for unit in UNITS:
                text = self.engine.run("exec", self.node, "journalctl", "--no-pager", f"--unit={unit}")
                (folder / f"{unit}.log").write_text(text, encoding="utf-8")
            self.engine.run("cp", f"{self.node}:{LOGS}", str(folder / "pods"))
        except CommandError as error:
            raise ClusterError(str(error)) from error
        self._call("logs", f"--profile={self.name}", f"--file={folder / 'minikube-logs.txt'}")

    def _start(self, command: Sequence[str], timeline: Timeline) -> None:
        late = threading.Event()
        failure = ""
        with (
            self.log.open("ab", buffering=0) as log,
            subprocess.Popen(
                ["sh", "-c", LEADER, str(self._creating.file), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                errors="replace",
                env=self.environment,
                start_new_session=True,  # Ctrl-C is for the harness to act on
            ) as started,
        ):
            assert started.stdout is not None  # noqa: S101 -- it is a pipe

            def end() -> None:
                late.set()
                started.kill()

            deadline = threading.Timer(patient(CREATE_SECONDS), end)
            deadline.start()
            try:
                with _phases(timeline) as show:
                    for line in started.stdout:
                        event = read(line)
                        if event is None:
                            log.write(line.encode())
                            continue
                        failure = event.failure or failure
                        show(event)
                    self._judge(started.wait(), failure, late=late.is_set())
            except BaseException:
                started.kill()
                started.wait()
                self._creating.stop()
                raise
            finally:
                deadline.cancel()
        self._creating.forget()

    def _judge(self, status: int, failure: str, *, late: bool) -> None:
        """Raise ClusterError where a start has failed, or was ended as it took too long."""
        if status or late:
            raise self._failed("start", failure, CREATE_SECONDS if late else None)

    def _published(self, port: int) -> str:
        """The port of this machine's loopback at which a port of the node is published."""
        return self.engine.run("port", self.node, f"{port}/tcp").split()[0].rpartition(":")[2]

    def _call(self, *arguments: str) -> None:
        with self.log.open("ab") as log:
            try:
                subprocess.run(
                    [*self.enter(), str(self.minikube), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    check=True,
                    timeout=patient(DELETE_SECONDS),
                    env=self.environment,
                )
            except subprocess.TimeoutExpired as expired:
                raise self._failed(arguments[0], "", DELETE_SECONDS) from expired
            except (subprocess.CalledProcessError, OSError) as error:
                raise self._failed(arguments[0], "") from error

    def _failed(self, what: str, failure: str, late: float | None = None) -> ClusterError:
        how = f"did not end within {patient(late):.0f} s" if late else "failed"
        return ClusterError(f"`minikube {what}` for the cluster {self.name} {how}: {failure or self._said()}")

    def _said(self) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = [line.rstrip()[:LINE] for line in text.splitlines() if line.strip()]
        return "\n    ".join(lines[-LOG_LINES:]) or "it said nothing"


@contextmanager
def _phases(timeline: Timeline) -> Iterator[Callable[[Event], None]]:
    """Show each step as a phase, which lasts until the next one begins."""
    with ExitStack() as phase:
        now = "minikube start"
        say = phase.enter_context(timeline.phase(now))

        def show(event: Event) -> None:
            nonlocal now, say
            if event.step and event.step != now:
                now = event.step
                phase.close()
                say = phase.enter_context(timeline.phase(now))
            if event.step and event.message:
                say(event.message)

        yield show


def _root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0
