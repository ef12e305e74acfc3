"""A psql that stays open in a database's pod: a statement takes milliseconds, and a `kubectl exec` for each 0.2 s."""

import contextlib
import io
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Final

from harness.errors import CommandError, WaitTimeout
from harness.kube.kubectl import child_environment
from harness.kube.reachable import Reachable

STATEMENT_SECONDS: Final = 60.0
_END_SECONDS: Final = 0.5
_START: Final = (
    'PGPASSWORD="$POSTGRES_PASSWORD" exec psql -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" '
    "--no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --file -"
)


class Psql:
    """A session as the database's own role, opened at the first statement and anew when the container is another.

    May be used by several threads; their statements go one after another.
    """

    def __init__(self, cluster: Reachable, namespace: str, pod: str, container: str) -> None:
        self._cluster = cluster
        self._namespace, self._pod, self._container = namespace, pod, container
        self._lock = threading.Lock()
        self._session: _Session | None = None

    def run(self, statement: str, seconds: float = STATEMENT_SECONDS) -> str:
        """Run statements; what they print, tuples only.

        Raises CommandError with the server's words where one fails (those before it are committed), ApiNotFound where
        there is no such pod, WaitTimeout. After an error the next call opens another session.
        """
        with self._lock:
            running = self._running()
            if self._session is None or self._session.of != running:
                self._end()
                self._session = _Session(self._command(), running)
            try:
                return self._session.run(statement, seconds)
            except BaseException:
                self._end()
                raise

    def close(self) -> None:
        """End the session. Safe to repeat."""
        with self._lock:
            self._end()

    def _command(self) -> list[str]:
        where = ("--namespace", self._namespace, "--container", self._container, self._pod)
        return self._cluster.kubectl.command("exec", "--stdin", *where, "--", "sh", "-c", _START)

    def _running(self) -> str:
        """What tells the container from those before it."""
        pod = self._cluster.api.get(f"/api/v1/namespaces/{self._namespace}/pods/{self._pod}")
        states = pod.get("status", {}).get("containerStatuses") or []
        return next((str(one.get("containerID")) for one in states if one["name"] == self._container), "")

    def _end(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None


class _Session:
    """One process of psql. ``of`` is the container that it runs in."""

    def __init__(self, command: Sequence[str], of: str) -> None:
        self.of = of
        self._command = command
        # What comes may be any bytes, as of a table in another encoding.
        self._errors: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 -- `end` closes it
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            errors="replace",
            env=child_environment(),
        )
        assert isinstance(self._process.stdin, io.TextIOWrapper)  # noqa: S101 -- it is a pipe, opened as text
        self._process.stdin.reconfigure(errors="strict")  # what is asked must not be changed

    def run(self, statement: str, seconds: float) -> str:
        assert self._process.stdin is not None  # noqa: S101 -- it is a pipe
        last = f"end of {secrets.token_hex(8)}"
        late = threading.Event()

        def kill() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, kill)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # what it said is read below
                # A SELECT, since psql writes out what it has printed after each.
                self._process.stdin.write(f"{statement}\n;\nSELECT '{last}';\n")
                self._process.stdin.flush()
            lines: list[str] = []
            for line in self._lines():
                if line == f"{last}\n":
                    return "".join(lines)
                lines.append(line)
            status = self._process.wait()
        finally:
            timer.cancel()
        if late.is_set():
            raise WaitTimeout(f"the statement {statement[:80]!r} to end", seconds)
        self._errors.seek(0)
        raise CommandError(["psql", *self._command[-6:-3]], status, self._errors.read())

    def _lines(self) -> Iterator[str]:
        assert self._process.stdout is not None  # noqa: S101 -- it is a pipe
        return iter(self._process.stdout.readline, "")

    def end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()  # psql ends with its input
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
