"""A port of a pod on this machine's loopback, by ``kubectl port-forward``: no NetworkPolicy stands between the two."""

import contextlib
import re
import subprocess
import tempfile
from typing import IO, Final

from harness.errors import CommandError
from harness.kube.kubectl import Kubectl, child_environment

HOST: Final = "127.0.0.1"
_END_SECONDS: Final = 5.0


class Forward:
    """One process of kubectl, which forwards connections until it is ended, or its pod is gone.

    It may take as long as the API server does: whoever wants to bound that ends it, from another thread.
    """

    def __init__(self, kubectl: Kubectl, namespace: str, pod: str, port: int) -> None:
        self._command = kubectl.command("port-forward", "-n", namespace, "--address", HOST, f"pod/{pod}", f":{port}")
        self._errors: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 -- `end` closes it
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            errors="replace",
            env=child_environment(),
        )

    def port(self) -> int:
        """Its port here, once it listens. Raises CommandError with kubectl's words if it ends instead."""
        assert self._process.stdout is not None  # noqa: S101 -- it is a pipe
        for line in iter(self._process.stdout.readline, ""):
            found = re.match(rf"Forwarding from {re.escape(HOST)}:(\d+) ", line)
            if found:
                return int(found[1])
        raise CommandError(["kubectl", *self._command[-6:]], self._process.wait(), self.said())

    def said(self) -> str:
        """What kubectl has complained of so far: that the pod is gone, for example."""
        self._errors.seek(0)
        return self._errors.read()

    def kill(self) -> None:
        """Break its connections. May be called from any thread."""
        self._process.kill()

    def end(self) -> None:
        """End it, and wait until it has ended."""
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
