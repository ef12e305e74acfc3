"""Process 1 of a room: starts what the test asks for, collects whatever ends, and looks around.

    python -m live.inside

Requests and answers are JSON lines. It is the only process that the room begins with, and whatever is started in there,
and whatever that starts, can end but never get out: it is a child of the test or becomes one of process 1.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from . import machine


class Inside:
    """Who was started, and how those ended."""

    def __init__(self) -> None:
        self._ended: dict[int, int] = {}

    def answer(self, request: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON
        """Carry out one request."""
        match request:
            case {"run": command, "environment": environment, "output": output, "folder": folder}:
                return self._run(command, environment, output, folder)
            case {"wait": pid, "seconds": seconds}:
                return self._wait(pid, seconds)
            case {"signal": number, "process": pid}:
                os.kill(pid, number)
            case {"signal": number, "group": pid}:
                os.killpg(pid, number)
            case {"snapshot": ours}:
                self._reap()
                return machine.snapshot(cgroups_of_ours=ours)
            case _:
                raise ValueError(f"no such request: {request}")
        return None

    @staticmethod
    def _run(command: list[str], environment: dict[str, str], output: str, folder: str) -> int:
        with open(output, "ab") as opened:  # noqa: PTH123 -- as it came
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=opened,
                stderr=opened,
                env=environment,
                cwd=folder,
                start_new_session=True,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []),  # noqa: PLW1509 -- there are no threads
            )
        process.returncode = 0  # collected here, with all others
        return process.pid

    def _wait(self, pid: int, seconds: float) -> int | None:
        """The exit status, negative for a signal; None if it did not end in time."""
        deadline = time.monotonic() + seconds
        while True:
            self._reap()
            left = deadline - time.monotonic()
            if pid in self._ended or left <= 0:
                return self._ended.get(pid)
            signal.sigtimedwait([signal.SIGCHLD], left)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended[pid] = os.waitstatus_to_exitcode(status)


def main() -> None:
    """Answer until there are no more requests."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # to wait for it
    inside = Inside()
    for line in sys.stdin:
        print(json.dumps(inside.answer(json.loads(line))), flush=True)  # noqa: T201 -- the answer


if __name__ == "__main__":
    main()
