"""containerd's store of images, filled without a node: what is in it a node has from its start.

containerd itself writes it, since its format is its own affair: run here for a moment, with all that it keeps in a
folder, and told to import archives. No container is started and nothing is mounted.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import BuildError, CommandError, WaitTimeout
from harness.kube.wait import patient, wait_until

SECONDS: Final = 300.0
"""Bounds a hang: how long a start or an import may take."""
NAMESPACE: Final = "k8s.io"
PINNED: Final = "io.cri-containerd.pinned=pinned"
"""What a kubelet that cleans up leaves alone."""

CONFIGURATION: Final = """\
version = 3
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"]

[grpc]
  address = "{folder}/s"
[ttrpc]
  address = "{folder}/t"
"""


@dataclass(frozen=True)
class Containerd:
    """containerd for a moment. ``folder`` is new, and its path short: sockets lie in it."""

    program: Path
    ctr: Path
    folder: Path

    @property
    def root(self) -> Path:
        """What is ``/var/lib/containerd`` on a node."""
        return self.folder / "root"

    def fill(self, archives: Mapping[Path, tuple[str, list[str]]]) -> None:
        """Import docker-archives, each of one image: its name in there, and those that it is to have.

        Raises BuildError with the last that containerd or ctr said.
        """
        configuration = self.folder / "config.toml"
        configuration.write_text(CONFIGURATION.format(folder=self.folder))
        log = self.folder / "log"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [self.program, "--config", configuration],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.defpath, "TMPDIR": str(self.folder)},
                start_new_session=True,  # Ctrl-C is for us to act on
            ) as running,
        ):
            try:
                self._wait_for(running)
                for archive, (name, wanted) in archives.items():
                    self._ctr("images", "import", "--all-platforms", "--no-unpack", str(archive))
                    for one in wanted:
                        self._ctr("images", "tag", name, one)
                        self._ctr("images", "label", one, PINNED)
                    self._ctr("images", "rm", name)
                running.send_signal(signal.SIGTERM)
                running.wait(patient(SECONDS))
            except (CommandError, WaitTimeout, subprocess.TimeoutExpired) as error:
                raise BuildError(f"containerd's store could not be filled: {error}\n{_tail(log)}") from error
            finally:
                running.kill()

    def _wait_for(self, running: "subprocess.Popen[bytes]") -> None:
        def answers() -> bool:
            if running.poll() is not None:
                raise CommandError([str(self.program)], running.returncode, "it ended by itself")
            try:
                self._ctr("version")
            except CommandError:
                return False
            return True

        wait_until("containerd to answer", answers, seconds=SECONDS)

    def _ctr(self, *arguments: str) -> None:
        command = [str(self.ctr), f"--address={self.folder / 's'}", f"--namespace={NAMESPACE}", *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=patient(SECONDS),
        )
        if done.returncode:
            raise CommandError(command, done.returncode, done.stderr + done.stdout)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:])
