"""Starting a cluster's supervisor, telling it what to do, ending it: what is done from outside the namespaces."""

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from harness.clusters.embedded import cgroups, commands, inside, layout, pki
from harness.clusters.embedded.assets import MULTI_CALL, Assets
from harness.clusters.embedded.control import request
from harness.clusters.embedded.layout import Layout
from harness.clusters.readiness import LATE_CHECK
from harness.errors import ClusterError, ClusterGone, ComponentDied, WaitTimeout
from harness.kube import sysctls
from harness.kube.kubectl import child_environment
from harness.kube.wait import wait_until

LOG_LINES = 15
SETUP_SECONDS = RESTART_SECONDS = 60.0
STOP_SECONDS = 60.0
"""Bounds a hang of what ends within a second where the machine has time for it."""

SUPERVISOR = "harness.clusters.embedded.supervisor"

_started: set[int] = set()
"""Supervisors that are this process's children: it has to collect them when they end."""


def prepare(where: Layout, assets: Assets) -> None:
    """Write everything that the node needs but its data: binaries, keys, configuration."""
    for folder in (
        where.logs,
        where.configuration / "cni",
        where.binaries,
        where.data / "etcd",
        where.data / "containerd",
    ):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, path in assets.binaries.items():
        os.link(path.resolve(), where.binaries / name)
        for alias in MULTI_CALL.get(name, ()):
            (where.binaries / alias).symlink_to(name)
    authority = pki.Authority(where.pki)
    kubernetes = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    addresses = ("127.0.0.1", "localhost", layout.API_SERVICE_ADDRESS, layout.NODE_ADDRESS)
    authority.issue_file("apiserver", "kube-apiserver", names=(*addresses, *kubernetes))
    authority.issue_file("kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
    # Of its own, as kubeadm has it: whoever got a certificate of the cluster's signer by the name of the front proxy
    # could say by headers that he is anybody.
    front_proxy = pki.Authority(where.pki, "front-proxy-ca", "front-proxy-ca")
    front_proxy.issue_file("proxy-client", "front-proxy-client")
    authority.issue_file("kubelet", layout.NODE_NAME, names=("127.0.0.1", layout.NODE_ADDRESS, layout.NODE_NAME))
    pki.service_account_keys(where.pki)
    server = "https://127.0.0.1:6443"
    users = {
        "admin": ("kubernetes-admin", "system:masters"),
        "controller-manager": ("system:kube-controller-manager", None),
        "scheduler": ("system:kube-scheduler", None),
        "kubelet": (f"system:node:{layout.NODE_NAME}", "system:nodes"),
        "kube-proxy": ("system:kube-proxy", None),
    }
    for name, (user, group) in users.items():
        authority.kubeconfig(where.configuration / f"{name}.conf", server, user, group)
    for name, text in commands.configuration(assets.images["pause"].reference).items():
        (where.configuration / name).write_text(text)
    with loopback_listeners(2) as listeners:
        api, ingress = (listener.getsockname()[1] for listener in listeners)
        authority.kubeconfig(where.kubeconfig, f"https://127.0.0.1:{api}", "kubernetes-admin", "system:masters")
        descriptors = [listener.fileno() for listener in listeners]
        launch(where, specification(where, descriptors, ingress))


@contextlib.contextmanager
def loopback_listeners(count: int) -> Iterator[list[socket.socket]]:
    """Listeners at free ports of this machine's loopback, for a node to inherit."""
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(count)]
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


def launch(where: Layout, spec: Mapping[str, object]) -> None:
    """Start the node that is specified, whose listeners are open here, and wait until it has set itself up."""
    where.spec.write_text(json.dumps(spec, indent=1))
    _start_supervisor(where, cast("Sequence[int]", spec["listeners"]))
    wait_for(where, "the node to set itself up", (where.folder / "running").exists, seconds=SETUP_SECONDS)


def specification(where: Layout, listeners: Sequence[int], ingress_port: int) -> dict[str, Any]:
    """What the node is to do. ``listeners`` are the descriptors of the API's and the Ingress' loopback listeners."""
    api, ingress = listeners
    every = {
        **commands.commands(),
        "forward": commands.Command(
            (f"{commands.BIN}/forward", f"{api}=127.0.0.1:6443", f"{ingress}={layout.INGRESS_SERVICE_ADDRESS}:80")
        ),
    }
    return {
        **machine_of(where, listeners),
        "ingress_port": ingress_port,
        "first": [*commands.CONTROL_PLANE, "forward"],
        "then": list(commands.NODE),
        "ready": f"/readyz?exclude={LATE_CHECK}",
        "commands": {name: asdict(command) for name, command in every.items()},
    }


def machine_of(where: Layout, listeners: Sequence[int]) -> dict[str, Any]:
    """What every machine in namespaces has, whatever runs there."""
    return {
        "name": layout.NODE_NAME,
        "folder": str(where.folder),
        "address": layout.NODE_ADDRESS,
        "external_gateway": layout.EXTERNAL_GATEWAY,
        "external_peer": layout.EXTERNAL_PEER,
        "listeners": list(listeners),
        "cgroups": [list(h.controllers) for h in cgroups.of_this_machine()],
        "unified": False,
        "refuses": False,
        "sysctls": {key: value for key, value in sysctls.KUBELET.items() if Path("/proc/sys", key).exists()},
        "then": [],
    }


def _start_supervisor(where: Layout, descriptors: Sequence[int]) -> None:
    package = Path(__file__).parents[3]
    with (where.logs / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", SUPERVISOR, str(where.folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**child_environment(), "PYTHONPATH": str(package)},
            cwd="/",
            pass_fds=descriptors,
            start_new_session=True,
        )
    _started.add(process.pid)
    process.returncode = 0  # it may outlive us, and Popen would warn of that; ``supervisor`` collects it


def state(where: Layout) -> dict[str, Any]:
    """What the supervisor said of itself; empty where there is none."""
    try:
        return cast("dict[str, Any]", json.loads(where.state.read_text()))
    except FileNotFoundError:
        return {}


def supervisor(where: Layout) -> int | None:
    """The process id of the living supervisor, None where there is none. A reused id is told by its command line."""
    pid = state(where).get("supervisor")
    if not pid:
        return None
    return int(pid) if _supervises(int(pid), where) else None


def _supervises(pid: int, where: Layout) -> bool:
    if pid in _started:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                _started.discard(pid)
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return command[-3:-1] == [SUPERVISOR.encode(), str(where.folder).encode()]


def _ended(pid: int, where: Layout) -> bool:
    return not _supervises(pid, where)


def check(where: Layout) -> None:
    """Raise ComponentDied or ClusterGone where the node ended by itself; return where it runs."""
    if where.death.exists():
        death = json.loads(where.death.read_text())
        component, status = death["component"], death["status"]
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise ComponentDied(
            f"{component} of cluster {where.name} {how}; the last lines of its log:\n{tail(where, component)}"
        )
    if where.state.exists() and supervisor(where) is None:
        raise ClusterGone(
            f"the supervisor of cluster {where.name} ended; its log:\n{tail(where, 'supervisor', 'node')}"
        )


def tail(where: Layout, *logs: str) -> str:
    """The last lines of each of these logs, indented."""
    lines = []
    for name in logs:
        file = where.logs / f"{name}.log"
        text = file.read_text(errors="replace") if file.exists() else ""
        lines += [f"    {line[:500]}" for line in text.splitlines()[-LOG_LINES:]]
    return "\n".join(lines) or "    (nothing)"


def wait_for(where: Layout, what: str, condition: Any, seconds: float, interval: float = 0.02) -> None:  # noqa: ANN401
    """Wait, but not for a node that ended: that raises what ``check`` says."""

    def checked() -> bool:
        check(where)
        return bool(condition())

    try:
        wait_until(what, checked, seconds=seconds, interval=interval)
    except WaitTimeout as timeout:
        raise ClusterError(f"{timeout}\n{tail(where, 'supervisor', 'node')}") from timeout


def start(where: Layout, names: Sequence[str]) -> None:
    """Start components of the node."""
    request(where.control, verb="start", names=list(names))


def stop(where: Layout, name: str, number: int = signal.SIGTERM, seconds: float = STOP_SECONDS) -> None:
    """Stop a component of the node, and wait until it ended."""
    request(where.control, verb="stop", name=name, signal=int(number))

    def ended() -> bool:
        return name not in request(where.control, verb="list")["pids"]

    wait_for(where, f"{name} to end", ended, seconds=seconds)


def restart(where: Layout) -> None:
    """Restart the node, and wait until all of its components have been started."""
    request(where.control, RESTART_SECONDS, verb="restart")

    def started() -> bool:
        return set(request(where.control, verb="list")["pids"]) >= set(commands.NODE)

    wait_for(where, "the components to be started", started, seconds=RESTART_SECONDS)


def end(where: Layout) -> None:
    """End the cluster's processes and remove everything of it. Safe to repeat."""
    # By their command lines: one that was just started has not said who it is.
    for pid in [pid for pid, _, _ in inside.processes() if _supervises(pid, where) and pid != os.getpid()]:
        with contextlib.suppress(ProcessLookupError):  # it may be ending by itself, its last user gone
            os.kill(pid, signal.SIGTERM)
        ended = functools.partial(_ended, pid, where)
        try:
            wait_until("the supervisor to end", ended, seconds=STOP_SECONDS, interval=0.005)
        except WaitTimeout:
            os.kill(pid, signal.SIGKILL)
            wait_until("the killed supervisor to end", ended, seconds=STOP_SECONDS)
    cgroups.remove(where.cgroup, cgroups.of_this_machine())
    _remove(where.folder)


def _remove(folder: Path) -> None:
    """Remove a tree that may lose files of its own accord while we do."""
    deadline = time.monotonic() + STOP_SECONDS
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
