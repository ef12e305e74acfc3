"""A run of pytest that holds a cluster, and what is on the machine because of it."""

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.clusters.embedded import process
from harness.clusters.embedded.layout import Layout
from harness.paths import Paths

from . import machine
from .machine import AT_ONCE
from .room import Inmate, Room, until_gone

READY_SECONDS = 120.0

TEST = """\
import json, time
from pathlib import Path

def test_that_holds_a_cluster(cluster):
    Path("ready").write_text(json.dumps(cluster.components()))
    while not Path("leave").exists():
        time.sleep(0.05)
    cluster.check()
"""


@dataclass
class Holding:
    """A pytest in a ``room`` whose one test holds the cluster ``name`` until it is let go."""

    room: Room
    paths: Paths
    name: str
    folder: Path
    environment: Mapping[str, str]
    before: machine.Snapshot = field(init=False)
    pytest: Inmate = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.room.snapshot([self.cgroup])

    @property
    def layout(self) -> Layout:
        """Where the cluster lies."""
        return Layout(self.paths.cluster(self.name))

    @property
    def cgroup(self) -> str:
        """The name of the cluster's cgroup."""
        return self.layout.cgroup

    def begin(self) -> None:
        """Start pytest."""
        (self.folder / "test_holding.py").write_text(TEST)
        (self.folder / "pytest.ini").write_text("[pytest]\n")
        command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider"]
        options = [f"--cluster-name={self.name}", "--cluster=embedded", "test_holding.py"]
        self.pytest = self.room.start([*command, *options], self.environment, self.folder)

    def until_ready(self) -> None:
        """Start pytest, and wait until its test holds the cluster; then prove that its traces are seen."""
        self.begin()
        self.pytest.wait_for("the cluster to be held", (self.folder / "ready").exists, seconds=READY_SECONDS)
        seen = machine.difference(self.before, self.room.snapshot([self.cgroup]))
        for trace in ("kube-apiserver", "network namespaces: +", "cgroups: +"):
            assert any(trace in line for line in seen), f"the comparison does not see {trace!r} of a running cluster"

    def until(self, what: str, file: Path) -> None:
        """Start pytest, and wait until creating its cluster has come as far as this file."""
        self.begin()
        self.pytest.wait_for(what, file.exists, seconds=READY_SECONDS)

    def leave(self) -> None:
        """Let the test end."""
        (self.folder / "leave").touch()

    def kill_supervisor(self) -> None:
        """SIGKILL to the cluster's supervisor."""
        self._kill(int(process.state(self.layout)["supervisor"]))

    def kill_component(self, name: str) -> None:
        """SIGKILL to a component. Its id is that in the room, where the test asked for it."""
        self._kill(int(json.loads((self.folder / "ready").read_text())[name]))

    def kill_program(self, command: str) -> None:
        """SIGKILL to the one process in the room whose command line begins so."""
        [pid] = [line.split()[0] for line in self.room.snapshot([])["processes"] if f": {command}" in line]
        self._kill(int(pid))

    def _kill(self, pid: int) -> None:
        self.room.ask(signal=int(signal.SIGKILL), process=pid)

    def other_command(self, *arguments: str) -> str:
        """Run ``python -m harness`` in the room, as the user's next command; what it printed."""
        command = [sys.executable, "-m", "harness", f"--cluster-name={self.name}", *arguments]
        folder = self.folder / "next"
        folder.mkdir()
        inmate = self.room.start(command, self.environment, folder)
        status = inmate.wait()
        assert status == 0, inmate.output.read_text()
        return inmate.output.read_text()

    def only_these_are_left(self, pids: Sequence[int]) -> None:
        """Wait until of all that came only these processes are there, and what goes with processes is as before."""

        def processes() -> list[str]:
            now = self.room.snapshot([self.cgroup])
            came = machine.difference(self.before, now, AT_ONCE)
            allowed = tuple(f"processes: + {pid} began " for pid in pids)
            return [line for line in came if not line.startswith(allowed)]

        until_gone("the cluster's processes to be gone", lambda: not processes(), lambda: "\n".join(processes()[:40]))

    def files_are_gone(self) -> None:
        """Wait until the state has nothing of the cluster."""
        folder = self.layout.folder
        until_gone(
            f"{folder} to be gone",
            lambda: not folder.exists(),
            lambda: ", ".join(str(path) for path in folder.rglob("*")) or "empty",
        )

    def nothing_is_left(self, sections: tuple[str, ...] = machine.IN_TIME) -> None:
        """Wait until the machine is as it was before."""
        self.room.wait_until_as(self.before, [self.cgroup], sections)
