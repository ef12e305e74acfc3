"""Starting PostgreSQL and the services as processes, and ending them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).parents[3]
POSTGRES = REPOSITORY / "services" / "postgres"
PASSWORD = 'it\'s "quoted" and \\slashed'  # noqa: S105  # a password that a careless entrypoint would break on
USER = "tester"
HANG_SECONDS = 60.0
"""Bounds a hang, and nothing else: no test depends on how fast the machine is. What must be late waits for a gate."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll until the condition holds; raises AssertionError that says what was waited for."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {HANG_SECONDS:g} s in vain: {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Process:
    """A child process whose output goes to a file."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], output: Path, folder: Path = REPOSITORY
    ) -> None:
        self.output = output
        with output.open("ab") as file:
            self.child = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=folder,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until the process has said the text; raises AssertionError with all that it said instead."""
        deadline = time.monotonic() + HANG_SECONDS
        while text not in self.said():
            ended = self.child.poll() is not None and text not in self.said()
            assert not ended, f"ended with {self.child.returncode} before it said {text!r}: {self.said()}"
            assert time.monotonic() < deadline, f"waited {HANG_SECONDS:g} s in vain for {text!r} in: {self.said()}"
            time.sleep(0.02)

    def wait(self) -> int:
        """The exit status, once it has ended."""
        return self.child.wait(HANG_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def stop(self) -> int:
        """SIGTERM, then the exit status."""
        if self.child.poll() is None:
            self.child.terminate()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to the whole process group, as when a container is removed."""
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.wait()


@dataclass(frozen=True)
class Volume:
    """A folder that the database's user owns, as a volume is, the port of its server, and where the program lies."""

    folder: Path
    port: int
    database: str
    program: Path

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "POSTGRES_DB": self.database,
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_SOCKETS": str(self.folder),
            "PGDATA": str(self.folder / "pgdata"),
            "PGPORT": str(self.port),
        }

    def start(self, **changed: str) -> Process:
        """Run the entrypoint as an unprivileged user: PostgreSQL refuses root."""
        command = [str(self.program / "entrypoint.sh")]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        output = Path(tempfile.mkstemp(prefix="postgres-", suffix=".log", dir=self.folder)[1])
        return Process(command, self.environment() | changed, output, self.folder)

    def service_environment(self) -> dict[str, str]:
        return {
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(self.port),
            "DATABASE_NAME": self.database,
            "DATABASE_USER": USER,
            "DATABASE_PASSWORD": PASSWORD,
        }

    def dsn(self) -> dict[str, str | int]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "database": self.database,
            "user": USER,
            "password": PASSWORD,
        }


@contextmanager
def a_volume(database: str) -> Iterator[Volume]:
    """An empty volume; deleted afterwards."""
    # Not pytest's folder, and not the checkout: either may be its user's alone, and the database's user could not reach
    # into it.
    folder = Path(tempfile.mkdtemp(prefix="harness-services-"))
    program, volume = folder / "program", folder / "volume"
    try:
        folder.chmod(0o755)
        shutil.copytree(POSTGRES, program)
        for path in (program, *program.iterdir()):
            path.chmod(path.stat().st_mode | (0o555 if path == program or path.suffix == ".sh" else 0o444))
        volume.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(volume, "postgres", "postgres")
        yield Volume(volume, free_port(), database, program)
    finally:
        shutil.rmtree(folder)


@contextmanager
def a_database(name: str) -> Iterator[Volume]:
    """A running PostgreSQL on a volume of its own."""
    with a_volume(name) as volume:
        server = volume.start()
        try:
            server.wait_for("ready to accept connections")
            yield volume
        finally:
            server.stop()


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: Process
    url: str

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=HANG_SECONDS).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def a_service(
    module: str, output: Path, environment: Mapping[str, str], *, ready: bool = True, clean: bool = True
) -> Iterator[Service]:
    """A running service on a free port; stopped afterwards, with status 0 if clean."""
    port = free_port()
    given = {"PATH": os.environ["PATH"], "PORT": str(port), "DRAIN_SECONDS": "0", **environment}
    service = Service(Process([sys.executable, "-m", f"services.{module}"], given, output), f"http://127.0.0.1:{port}")
    try:
        if ready:
            wait_until(service.ready, f"{module} ready; it said {service.process.said()}")
        yield service
        assert service.process.stop() == 0 or not clean, service.process.said()
    finally:
        service.process.kill()
