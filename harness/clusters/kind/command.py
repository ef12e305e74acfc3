"""pytest-kind's ``KindCluster``, led to where the harness wants it. The one module that imports pytest-kind."""

import contextlib
import itertools
import json
import shlex
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from harness.clusters.container.creating import Creating
from harness.clusters.container.node import INGRESS_PORT, NodeImage, Ports
from harness.clusters.kind.config import cluster_config, node_of
from harness.engine import CHOICE, LEADING, Engine
from harness.errors import ClusterError, NameTaken, PrerequisiteError
from harness.kube.wait import patient
from harness.timeline import Timeline

CREATE_SECONDS: Final = 600.0
DELETE_SECONDS: Final = 120.0
KILL_SECONDS: Final = 0.1
TAKEN: Final = "already exist for a cluster with the name"
LOG_LINES: Final = 15
LINE: Final = 500
"""Of one line so many characters are told."""

WRAPPER: Final = """\
#!/bin/sh
# kind, as pytest-kind calls it for this cluster: with its engine, and what it says in a file. pytest-kind takes a
# cluster that has the name for its own, whoever made it: so none has, and kind itself refuses to make a second.
[ "$1" = get ] && exit
unset KUBECONFIG {unset}
{variables}
echo $$ > {pid}
# In a session of its own: Ctrl-C is for the harness to act on.
exec {python} -ISc 'import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])' {kind} "$@" >> {log} 2>&1
"""


class _PytestKind(Protocol):
    """What is used of pytest-kind's ``KindCluster``."""

    def create(self, config_file: Path) -> None:
        """Make the cluster, or find it."""


@dataclass(frozen=True)
class Kind:
    """kind for one cluster, whose files lie in ``folder``, which has its name."""

    folder: Path
    engine: Engine
    kind: Path
    kubectl: Path

    @property
    def name(self) -> str:
        """The cluster's."""
        return self.folder.name

    @property
    def node(self) -> str:
        """The name of the container that is the node."""
        return node_of(self.name)

    @property
    def removal(self) -> str:
        """How somebody removes a cluster of this name."""
        return f"kind delete cluster --name={self.name}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, which kind writes."""
        return self.folder / "kubeconfig"

    @property
    def log(self) -> Path:
        """What kind said."""
        return self.folder / "kind.log"

    def taken(self) -> bool:
        """Whether there is a cluster of this name on this engine, whoever made it."""
        return self.name in self._call(["get", "clusters"], DELETE_SECONDS).split()

    def prepare(self, image: NodeImage) -> None:  # noqa: ARG002 -- a Maker's
        """Write the program that pytest-kind calls."""
        self._write_wrapper()

    def create(self, image: NodeImage, cni: str, ports: Ports, timeline: Timeline) -> str:
        """Make the cluster, and return where its Ingress controller answers.

        Raises NameTaken, ClusterError with the last of what kind said, PrerequisiteError without pytest-kind.
        """
        config = self.folder / "kind-config.json"  # JSON is YAML
        config.write_text(json.dumps(cluster_config(image, cni, ports), indent=1), encoding="utf-8")
        with timeline.phase("kind create cluster") as say:
            say(image.reference.partition("@")[0])
            self._create(image, config)
        port = self.engine.run("port", self.node, f"{INGRESS_PORT}/tcp").split()[0].rpartition(":")[2]
        return f"http://127.0.0.1:{port}"

    def _create(self, image: NodeImage, config: Path) -> None:
        cluster = self._cluster(image)
        failed: list[Exception] = []

        def create() -> None:
            try:
                cluster.create(config)
            except Exception as error:  # noqa: BLE001 -- raised again, as one of ours
                failed.append(error)

        # pytest-kind waits for kind however long it takes, and leaves it behind on Ctrl-C: so both are this thread's.
        creating = threading.Thread(target=create, daemon=True)
        creating.start()
        late = False
        try:
            creating.join(patient(CREATE_SECONDS))
            late = creating.is_alive()
        finally:
            while creating.is_alive():
                self._creating.kill()
                creating.join(KILL_SECONDS)
        if failed:
            error = self._failed("create cluster", CREATE_SECONDS if late else None)
            raise (NameTaken(str(error)) if TAKEN in str(error) else error) from failed[0]
        self._creating.forget()

    def stop_creating(self) -> None:
        """End a kind that still creates the cluster, and wait for what it has begun."""
        self._creating.stop()

    def delete(self) -> None:
        """End the cluster; nothing is done where there is none. Raises ClusterError with the last of what kind said."""
        self._call(["delete", "cluster", f"--name={self.name}", f"--kubeconfig={self.kubeconfig}"], DELETE_SECONDS)

    def export_logs(self, folder: Path) -> None:
        """Write what ``kind export logs`` gives."""
        self._call(["export", "logs", str(folder), f"--name={self.name}"], DELETE_SECONDS)

    def _cluster(self, image: NodeImage) -> "_PytestKind":
        try:
            from pytest_kind import KindCluster  # noqa: PLC0415 -- optional, and under another licence than the harness
        except ImportError as error:
            raise PrerequisiteError(
                "--cluster=kind needs pytest-kind, which is not installed: pip install 'k8s-harness[kind]'"
            ) from error
        with contextlib.chdir(self.folder):  # its constructor makes a folder where it is called
            cluster: _PytestKind = KindCluster(
                self.name, self.kubeconfig, image.reference, kind_path=self._wrapper, kubectl_path=self.kubectl
            )
        return cluster

    @property
    def _variables(self) -> dict[str, str]:
        return {CHOICE: self.engine.program}

    @property
    def _wrapper(self) -> Path:
        return self.folder / "kind"

    @property
    def _creating(self) -> Creating:
        return Creating(self.folder / "kind.pid", self.name)

    def _write_wrapper(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        variables = {**self.engine.leading, **self._variables}
        self._wrapper.write_text(
            WRAPPER.format(
                unset=" ".join(LEADING),
                variables="\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
                pid=shlex.quote(str(self._creating.file)),
                python=shlex.quote(sys.executable),
                kind=shlex.quote(str(self.kind)),
                log=shlex.quote(str(self.log)),
            )
        )
        self._wrapper.chmod(0o700)

    def _call(self, arguments: list[str], seconds: float) -> str:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("ab") as log:
            try:
                done = subprocess.run(
                    [self.kind, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    encoding="utf-8",
                    errors="replace",
                    check=True,
                    timeout=patient(seconds),
                    env={**self.engine.environment, **self._variables},
                )
            except subprocess.TimeoutExpired as expired:
                raise self._failed(" ".join(arguments[:2]), seconds) from expired
            except (subprocess.CalledProcessError, OSError) as error:
                raise self._failed(" ".join(arguments[:2])) from error
        return done.stdout

    def _failed(self, what: str, late: float | None = None) -> ClusterError:
        how = f"did not end within {patient(late):.0f} s" if late else "failed"
        return ClusterError(f"`kind {what}` for the cluster {self.name} {how}: {self.said()}")

    def said(self) -> str:
        """What kind said that tells why it failed: its error, and the last lines of the command that caused it."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = [line.rstrip()[:LINE] for line in text.splitlines() if line.strip()]
        errors = [number for number, line in enumerate(lines) if line.startswith("ERROR: ")]
        if not errors:
            return "\n    ".join(lines[-LOG_LINES:]) or "it said nothing"
        first, *rest = lines[errors[-1] :]
        output = list(itertools.takewhile(lambda line: not line.startswith("Stack Trace:"), rest))
        return "\n    ".join([first, *output[-LOG_LINES:]])
