"""pytest-kind's ``KindCluster``, led to where the harness wants it. The one module that imports pytest-kind."""

import contextlib
import itertools
import os
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from harness.engine import CHOICE, LEADING, Engine
from harness.errors import ClusterError, PrerequisiteError, WaitTimeout
from harness.kube.wait import patient, wait_until

CREATE_SECONDS: Final = 600.0
DELETE_SECONDS: Final = 120.0
KILL_SECONDS: Final = 0.1
SETTLE_SECONDS: Final = 60.0
"""How long what a killed kind has asked the engine for may take."""
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
    """kind for one cluster, whose files lie in ``folder``."""

    name: str
    folder: Path
    engine: Engine
    kind: Path
    kubectl: Path
    image: str = ""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, which kind writes."""
        return self.folder / "kubeconfig"

    @property
    def log(self) -> Path:
        """What kind said."""
        return self.folder / "kind.log"

    def clusters(self) -> list[str]:
        """The names of all clusters of kind on this engine, whoever made them."""
        return self._call(["get", "clusters"], DELETE_SECONDS).split()

    def create(self, config: Path) -> None:
        """Make the cluster.

        Raises ClusterError with the last of what kind said, PrerequisiteError without pytest-kind.
        """
        cluster = self._cluster()
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
                self._kill()
                creating.join(KILL_SECONDS)
        if failed:
            raise self._failed("create cluster", CREATE_SECONDS if late else None) from failed[0]
        self._pid.unlink(missing_ok=True)

    def delete(self) -> None:
        """End the cluster; nothing is done where there is none. Raises ClusterError with the last of what kind said."""
        self.stop_creating()
        self._call(["delete", "cluster", f"--name={self.name}", f"--kubeconfig={self.kubeconfig}"], DELETE_SECONDS)

    def export_logs(self, folder: Path) -> None:
        """Write what ``kind export logs`` gives."""
        self._call(["export", "logs", str(folder), f"--name={self.name}"], DELETE_SECONDS)

    def _cluster(self) -> "_PytestKind":
        try:
            from pytest_kind import KindCluster  # noqa: PLC0415 -- optional, and under another licence than the harness
        except ImportError as error:
            raise PrerequisiteError(
                "--cluster=kind needs pytest-kind, which is not installed: pip install 'k8s-harness[kind]'"
            ) from error
        self._write_wrapper()
        with contextlib.chdir(self.folder):  # its constructor makes a folder where it is called
            cluster: _PytestKind = KindCluster(
                self.name, self.kubeconfig, self.image or None, kind_path=self._wrapper, kubectl_path=self.kubectl
            )
        return cluster

    @property
    def _variables(self) -> dict[str, str]:
        return {CHOICE: self.engine.program}

    @property
    def _wrapper(self) -> Path:
        return self.folder / "kind"

    @property
    def _pid(self) -> Path:
        return self.folder / "kind.pid"

    def _write_wrapper(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        variables = {**self.engine.leading, **self._variables}
        self._wrapper.write_text(
            WRAPPER.format(
                unset=" ".join(LEADING),
                variables="\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
                pid=shlex.quote(str(self._pid)),
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

    def stop_creating(self) -> None:
        """End a kind that still creates the cluster, and wait for what it has begun.

        A container that the engine is asked for when nobody waits any more is made nevertheless, a moment later.
        """
        group = self._group()
        if group is None or not self._creates(group):
            return
        self._kill()
        try:
            wait_until("what kind has begun to end", lambda: not _has_members(group), seconds=SETTLE_SECONDS)
        except WaitTimeout:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._pid.unlink(missing_ok=True)

    def _group(self) -> int | None:
        """The process group of the kind that was started last to create the cluster, whose id is kind's own."""
        try:
            return int(self._pid.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _creates(self, group: int) -> bool:
        """Whether there is a kind that creates the cluster in a process group, or something that it has started.

        The id may be another process's by now: what leads its group tells, or, where that has ended, its members do.
        """
        listed = subprocess.run(
            ["ps", "-A", "-o", "pgid=,args="], capture_output=True, encoding="utf-8", errors="replace", check=False
        ).stdout
        members = [line.strip().partition(" ") for line in listed.splitlines()]
        return any(found == str(group) and self.name in arguments for found, _, arguments in members)

    def _kill(self) -> None:
        if (kind := self._group()) is not None:
            with contextlib.suppress(OSError):
                os.kill(kind, signal.SIGKILL)

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


def _has_members(group: int) -> bool:
    """Whether a process group has members that have not ended."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
