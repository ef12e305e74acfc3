"""Process 1 of an embedded node: it boots the machine, and starts components. It runs as a program of its own.

    python -I node.py SPEC

It imports nothing but the standard library and ``machine`` beside it, since it lives as long as the cluster and is
started with every one. SPEC is the JSON of ``process.specification``. The listeners that were opened in the machine's
own network are inherited.

A component that ends without having been told to ends the node: what is left of a cluster that lost its API server
or its policy agent must not be mistaken for one that works.

A restart is a power cut and a boot. Every process is killed; the mounts, cgroups and network that the node made or was
given since its boot are gone, and it boots again as it did the first time. Its disk, which is the cluster's folder,
stays, and so does the external peer's network, which is no part of the node: only its link was cut.
"""

import contextlib
import http.client
import json
import os
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).parent))  # which -I leaves out
if TYPE_CHECKING:
    from harness.clusters.embedded import machine
else:
    import machine

INSIDE = machine.INSIDE
POLL_SECONDS = 0.1
READY_SECONDS = 0.5
"""For one request: the first that a starting API server takes may never be answered."""


class Node:
    """The components, and who may tell them what."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.running: dict[str, int] = {}
        self.expected_to_end: set[int] = set()
        self.waiting_for_the_api: list[str] = []
        self.inherited = set(machine.mounts())
        self.external_network = machine.new_network()  # the one that it was started in becomes the external peer's

    def boot(self) -> None:
        """Make everything that is not on the disk, and start what comes first."""
        machine.mount(self.spec)
        machine.link(self.spec)
        self.running["external-peer"] = machine.external_peer(self.spec, self.external_network)
        for name in self.spec["first"]:
            self.start(name)

    def restart(self) -> None:
        """Lose everything that is not on the disk, and boot; what needs the API server starts when that is ready."""
        machine.kill_everything()
        self.running.clear()
        self.expected_to_end.clear()
        machine.remove_cgroups()
        machine.unmount(self.inherited)
        os.close(machine.new_network())
        self.boot()
        self.waiting_for_the_api = list(self.spec["then"])

    def api_is_ready(self) -> bool:
        """Whether the API server says so."""
        context = ssl.create_default_context(cafile=str(INSIDE / "pki/ca.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", 6443, timeout=READY_SECONDS, context=context)
        try:
            connection.request("GET", self.spec["ready"])
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def start(self, name: str) -> int:
        """Start a component; its output goes to its log."""
        if name in self.running:
            raise ValueError(f"{name} runs already")
        command = self.spec["commands"].get(name)
        if command is None:
            raise ValueError(f"no component is named {name}; there are {', '.join(sorted(self.spec['commands']))}")
        search = f"{INSIDE}/bin:{os.environ['PATH']}"
        environment = {"PATH": search, "HOME": "/run", "TMPDIR": str(machine.TEMPORARY), **command["environment"]}
        with (INSIDE / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command["arguments"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd="/",
                pass_fds=self.spec["listeners"] if name == "forward" else (),
                start_new_session=True,
            )
        self.running[name] = process.pid
        process.returncode = 0  # reaped by our own loop: Popen must not wait for it too
        return process.pid

    def stop(self, name: str, number: int) -> None:
        """Signal a component whose end is then no failure."""
        pid = self.running.get(name)
        if pid is None:
            raise ValueError(f"{name} does not run")
        self.expected_to_end.add(pid)
        os.kill(pid, number)

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request."""
        verb = message.get("verb")
        if verb == "restart":
            self.restart()  # where it fails there is no node any more, and nobody to be told
            return {}
        try:
            if verb == "start":
                return {"pids": {name: self.start(name) for name in message["names"]}}
            if verb == "stop":
                self.stop(message["name"], int(message.get("signal", signal.SIGTERM)))
                return {}
            if verb == "list":
                return {"pids": self.running}
        except (ValueError, KeyError, OSError) as error:
            return {"error": f"{error}"}
        return {"error": f"the node knows no verb {verb!r}"}

    def reap(self) -> None:
        """Collect every process that ended: ours, and the orphans that process 1 inherits."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            name = next((n for n, p in self.running.items() if p == pid), None)
            if name is None:
                continue
            del self.running[name]
            if pid in self.expected_to_end:
                self.expected_to_end.discard(pid)
                continue
            code = os.waitstatus_to_exitcode(status)
            death = INSIDE / "death.json"
            death.with_suffix(".new").write_text(json.dumps({"component": name, "status": code, "at": time.time()}))
            death.with_suffix(".new").rename(death)
            sys.exit(f"{name} ended with status {code}")

    def serve(self) -> None:
        """Answer requests and reap until the end."""
        listener = socket.socket(socket.AF_UNIX)
        control = INSIDE / "control.sock"
        control.unlink(missing_ok=True)
        listener.bind(str(control))
        control.chmod(0o600)
        listener.listen()
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)  # noqa: FBT003 -- its only parameter
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        waiting = selectors.DefaultSelector()
        waiting.register(listener, selectors.EVENT_READ)
        waiting.register(wake, selectors.EVENT_READ)
        (INSIDE / "running").write_text("")
        while True:
            self.reap()
            if self.waiting_for_the_api and self.api_is_ready():
                for name in self.waiting_for_the_api:
                    if name not in self.running:
                        self.start(name)
                self.waiting_for_the_api = []
            for key, _ in waiting.select(POLL_SECONDS if self.waiting_for_the_api else None):
                if key.fileobj is wake:
                    with contextlib.suppress(BlockingIOError):
                        wake.recv(4096)
                    continue
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError, json.JSONDecodeError):
                    connection.settimeout(5)
                    message = json.loads(connection.makefile().readline())
                    connection.sendall(json.dumps(self.answer(message)).encode() + b"\n")


def main() -> None:
    """Set up, then serve."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # whoever started us may block SIGCHLD, and no end would be seen
    os.umask(0o022)  # under a stricter one nobody but root could enter a container's root file system
    node = Node(json.loads(Path(sys.argv[1]).read_text()))
    node.boot()
    node.serve()


if __name__ == "__main__":
    main()
