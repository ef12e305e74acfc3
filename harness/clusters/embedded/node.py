"""Process 1 of an embedded node: mounts, links, components. It runs inside the namespaces, as a program of its own.

    python -I node.py SPEC

It imports nothing but the standard library, since it lives as long as the cluster and is started with every one. SPEC
is the JSON of ``process.specification``. The listeners that were opened in the machine's own network are inherited.

A component that ends without having been told to ends the node: what is left of a cluster that lost its API server
or its policy agent must not be mistaken for one that works.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

INSIDE = Path("/run/node")


def run(*command: str) -> None:
    """Run a program that sets something up."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{' '.join(command)}` ended with status {done.returncode}: {done.stderr.strip()}")


def mount(spec: dict[str, Any]) -> None:
    """Give the node its own /proc, /sys, /run, /var/lib and /var/log, and the sysctls that no namespace holds."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    folder = os.open(spec["folder"], os.O_PATH)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for path in (INSIDE, Path("/run/lock"), Path("/run/containerd")):
        path.mkdir(parents=True)
    # By its descriptor: the folder may lie below what was just covered.
    run("mount", "--bind", f"/proc/{os.getpid()}/fd/{folder}", str(INSIDE))
    os.close(folder)
    for name, over in (("varlib", "/var/lib"), ("varlog", "/var/log")):
        (INSIDE / name).mkdir(exist_ok=True)
        run("mount", "--bind", str(INSIDE / name), over)
    (INSIDE / "kubelet").mkdir(exist_ok=True)
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    mount_cgroups(spec["cgroups"])
    sysctls = Path("/run/sysctl")
    sysctls.mkdir()
    for key, value in spec["sysctls"].items():
        private = sysctls / key.replace("/", ".")
        private.write_text(f"{value}\n")
        run("mount", "--bind", str(private), f"/proc/sys/{key}")
    no_name_server()
    run("mount", "--make-rshared", "/")


def no_name_server() -> None:
    """Have a registry's name fail at once: the machine's own name server is out of reach, and each try would wait."""
    configuration = Path("/etc/resolv.conf").resolve()
    ours = Path("/run/resolv.conf")
    ours.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    if configuration.is_relative_to("/run"):  # which is new and empty here
        configuration.parent.mkdir(parents=True, exist_ok=True)
        configuration.touch()
    if configuration.exists() and configuration != ours:
        run("mount", "--bind", str(ours), str(configuration))


def mount_cgroups(hierarchies: list[list[str]]) -> None:
    """Mount the hierarchies anew, so that the cluster's own parent is their root. A hierarchy is its v1 controllers."""
    root = Path("/sys/fs/cgroup")
    if hierarchies == [[]]:
        run("mount", "-t", "cgroup2", "cgroup2", str(root))
        # A v2 cgroup that hands controllers down may hold no process itself.
        (root / "init").mkdir(exist_ok=True)
        (root / "init/cgroup.procs").write_text("1")
        enable = " ".join(f"+{c}" for c in (root / "cgroup.controllers").read_text().split())
        (root / "cgroup.subtree_control").write_text(enable)
        return
    run("mount", "-t", "tmpfs", "-o", "mode=755", "cgroup", str(root))
    for controllers in hierarchies:
        if not controllers:
            continue
        named = [c.removeprefix("name=") for c in controllers]
        folder = root / ",".join(named)
        folder.mkdir()
        options = ",".join(c if not c.startswith("name=") else f"none,{c}" for c in controllers)
        run("mount", "-t", "cgroup", "-o", options, "cgroup", str(folder))
        for alias in named if len(named) > 1 else ():
            (root / alias).symlink_to(folder.name)


def link(spec: dict[str, Any]) -> None:
    """Bring up the node's network: its own address, forwarding, and the way to the external peer."""
    socket.sethostname(spec["name"])
    commands = f"""\
link set lo up
link add node0 type bridge
addr add {spec["address"]}/24 dev node0
link set node0 up
route add default dev node0
"""
    subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)
    for key in ("ipv4/ip_forward", "ipv4/conf/all/route_localnet"):
        Path("/proc/sys/net", key).write_text("1")
    with contextlib.suppress(FileNotFoundError):  # where the kernel has no bridge netfilter there is nothing to filter
        Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("1")


def external_peer(spec: dict[str, Any]) -> int:
    """Make a network of its own, joined to the node by one link; return the id of the process that holds it open."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None  # noqa: S101 -- a pipe was asked for
    holder.stdout.readline()
    holder.returncode = 0  # reaped by the node's own loop
    gateway, peer = spec["external_gateway"], spec["external_peer"]
    commands = f"""\
link add external type veth peer name eth0 netns {holder.pid}
addr add {gateway}/24 dev external
link set external up
"""
    subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)
    inner = f"link set lo up\naddr add {peer}/24 dev eth0\nlink set eth0 up\nroute add default via {gateway}\n"
    subprocess.run(["nsenter", "-t", str(holder.pid), "-n", "ip", "-batch", "-"], input=inner, text=True, check=True)
    return holder.pid


class Node:
    """The components, and who may tell them what."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.running: dict[str, int] = {}
        self.expected_to_end: set[int] = set()

    def start(self, name: str) -> int:
        """Start a component; its output goes to its log."""
        if name in self.running:
            raise ValueError(f"{name} runs already")
        command = self.spec["commands"].get(name)
        if command is None:
            raise ValueError(f"no component is named {name}; there are {', '.join(sorted(self.spec['commands']))}")
        environment = {"PATH": f"{INSIDE}/bin:{os.environ['PATH']}", "HOME": "/run", **command["environment"]}
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
        for name in self.spec["first"]:
            self.start(name)
        (INSIDE / "running").write_text("")
        while True:
            self.reap()
            for key, _ in waiting.select():
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
    spec = json.loads(Path(sys.argv[1]).read_text())
    mount(spec)
    link(spec)
    node = Node(spec)
    node.running["external-peer"] = external_peer(spec)
    node.serve()


if __name__ == "__main__":
    main()
