"""The project's kubectl, bound to one cluster: every command names its kubeconfig, none reads the user's."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from harness.errors import CommandError, WaitTimeout
from harness.kube.wait import patient

JsonObject: TypeAlias = dict[str, Any]


def child_environment() -> dict[str, str]:
    """The environment for programs that the harness starts: the ambient KUBECONFIG is removed."""
    return {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}


@dataclass(frozen=True)
class Kubectl:
    """Runs ``binary`` with ``--kubeconfig`` (and ``--context`` if given) on every call.

    What it finds out of a cluster it keeps in the folder ``cache``, by default the user's own.
    """

    binary: Path
    kubeconfig: Path
    context: str | None = None
    cache: Path | None = None

    def command(self, *arguments: str) -> list[str]:
        """The full argument list of a call."""
        context = ["--context", self.context] if self.context else []
        cache = ["--cache-dir", str(self.cache)] if self.cache else []
        return [str(self.binary), "--kubeconfig", str(self.kubeconfig), *context, *cache, *arguments]

    def run(self, *arguments: str, stdin: str | None = None, seconds: float = 60) -> str:
        """Run, and return what it printed; what is not UTF-8 in it, as a pod may log, becomes U+FFFD.

        Raises CommandError (with stderr) if it fails, WaitTimeout if it does not end in ``seconds``.
        """
        command = self.command(*arguments)
        try:
            done = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=patient(seconds),
                env=child_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            raise WaitTimeout(f"`kubectl {' '.join(arguments[:6])}` to end", patient(seconds)) from expired
        if done.returncode:
            raise CommandError(["kubectl", *arguments], done.returncode, done.stderr + done.stdout)
        return done.stdout

    def get(self, *arguments: str, namespace: str | None = None) -> JsonObject:
        """``kubectl get … -o json``, parsed: an object, or a List for a kind or several names."""
        scope: Sequence[str] = ["-n", namespace] if namespace else []
        return cast("JsonObject", json.loads(self.run("get", *arguments, *scope, "-o", "json")))

    def apply(self, *objects: JsonObject) -> None:
        """Server-side apply of objects given as dicts."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.run("apply", "--server-side", "--force-conflicts", "--field-manager=harness", "-f", "-", stdin=document)
