"""Runs ``go`` so that nothing of it outlives us, in an environment that cannot change what is built."""

import os
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CommandError

LAST_LINES = 40
"""How much of its output an error shows."""

GUARD = """
exec 3<&0
(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 &
guard=$!
"$@" 3<&- </dev/null
status=$?
kill -KILL $guard
wait $guard 2>/dev/null
exit $status
"""
"""Runs its arguments, and kills their whole process group when standard input ends.

Standard input is a pipe that only we hold: however we end, SIGKILL included, the kernel closes it. A parent-death
signal would reach ``go`` but not the compilers that it started.
"""


def environment(ambient: Mapping[str, str], additional: Mapping[str, str]) -> dict[str, str]:
    """``ambient`` without what would change what is built, and with ``additional``.

    Where modules come from and where build results are kept (GOPROXY, GOCACHE, …) stays the user's choice.
    """
    kept = {name: value for name, value in ambient.items() if name not in _DISTURBING}
    return {
        **kept,
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GO111MODULE": "on",
        **additional,
    }


_DISTURBING = frozenset({"KUBECONFIG", "GOROOT", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOBIN"})


@dataclass(frozen=True)
class Go:
    """A Go toolchain: its program, and what ``go version`` prints."""

    binary: Path
    version: str

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        additional: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] = lambda _line: None,
    ) -> str:
        """Run ``go`` in ``folder`` and return what it printed; each line of its standard error goes to ``on_line``.

        ``additional`` is set in its environment. However this ends (Ctrl-C too), no process of it is left.
        Raises CommandError with the last lines.
        """
        command = [str(self.binary), *arguments]
        last: deque[str] = deque(maxlen=LAST_LINES)
        with (
            tempfile.TemporaryFile("w+") as printed,
            subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "sh", *command],
                cwd=folder,
                env=environment(os.environ, additional or {}),
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            ) as process,
        ):
            try:
                for line in process.stderr or ():
                    last.append(line)
                    on_line(line.rstrip("\n"))
                status = process.wait()
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            printed.seek(0)
            output = printed.read()
        if status:
            raise CommandError(["go", *arguments], status, "".join(last) or output[-4000:])
        return output
