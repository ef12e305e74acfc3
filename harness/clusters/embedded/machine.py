"""The machine that a node is: what it makes of its namespaces when it is switched on, and how it loses power.

It is a part of ``node``'s program, and imports nothing but the standard library.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

INSIDE = Path("/run/node")
CGROUPS = Path("/sys/fs/cgroup")
TEMPORARY = Path("/run/tmp")
"""The components' own: what one that is killed leaves there goes with the node, and /tmp is the machine's."""
END_SECONDS = 20.0
"""How long killed processes may take to end, and their cgroups to be empty."""

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
MNT_DETACH = 2
"""From linux/sched.h and linux/fs.h."""


def system_call(name: str, *arguments: object) -> None:
    """Call one that Python has no function for."""
    if getattr(LIBC, name)(*arguments):
        error = ctypes.get_errno()
        sys.exit(f"{name}{arguments}: {os.strerror(error)}")


def run(*command: str) -> None:
    """Run a program that sets something up."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        sys.exit(f"`{' '.join(command)}` ended with status {done.returncode}: {done.stderr.strip()}")


def mount(spec: dict[str, Any]) -> None:
    """Give the node its own /proc, /sys, /run, /var/lib and /var/log, and the sysctls that no namespace holds."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    folder = os.open(spec["folder"], os.O_PATH)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for path in (INSIDE, TEMPORARY, Path("/run/lock"), Path("/run/containerd")):
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
    if spec["unified"]:
        mount_unified(spec["cgroups"])
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
    root = CGROUPS
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


def mount_unified(hierarchies: list[list[str]]) -> None:
    """On a machine that has v2 beside v1, mount v2 where it is there: systemd in a container keeps its groups in it."""
    if [] in hierarchies and len(hierarchies) > 1:
        unified = CGROUPS / "unified"
        unified.mkdir()
        run("mount", "-t", "cgroup2", "cgroup2", str(unified))


REFUSAL = """\
rule add pref 100 table main suppress_prefixlength 0
rule add pref 200 unreachable
"""
"""The default route stays, as programs look at it to choose an address, but what would take it is refused at once."""


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
    if spec["refuses"]:
        commands += REFUSAL
    subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)
    for key in ("ipv4/ip_forward", "ipv4/conf/all/route_localnet"):
        Path("/proc/sys/net", key).write_text("1")
    with contextlib.suppress(FileNotFoundError):  # where the kernel has no bridge netfilter there is nothing to filter
        Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("1")


def new_network() -> int:
    """Go over to a new network namespace; a descriptor of the one before."""
    old = os.open("/proc/self/ns/net", os.O_RDONLY)
    system_call("unshare", CLONE_NEWNET)
    return old


def external_peer(spec: dict[str, Any], network: int) -> int:
    """Join a network of its own to the node by one link; return the id of a process that is in there."""
    enter = ["nsenter", f"--net=/proc/self/fd/{network}", "--"]
    # What is left of the link to a network that the node had before.
    subprocess.run([*enter, "ip", "link", "del", "eth0"], pass_fds=[network], stderr=subprocess.DEVNULL, check=False)
    gateway, peer = spec["external_gateway"], spec["external_peer"]
    commands = f"""\
link add external type veth peer name eth0 netns /proc/self/fd/{network}
addr add {gateway}/24 dev external
link set external up
"""
    subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True, pass_fds=[network])
    inner = f"link set lo up\naddr add {peer}/24 dev eth0\nlink set eth0 up\nroute add default via {gateway}\n"
    subprocess.run([*enter, "ip", "-batch", "-"], input=inner, text=True, check=True, pass_fds=[network])
    holder = subprocess.Popen([*enter, "sleep", "infinity"], pass_fds=[network])
    holder.returncode = 0  # reaped by the node's own loop
    return holder.pid


def kill_everything() -> None:
    """End all processes of the PID namespace but this one, which is its process 1."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        for state in CGROUPS.rglob("freezer.state"):  # in v1 what is frozen does not die
            with contextlib.suppress(OSError):
                state.write_text("THAWED")
        with contextlib.suppress(ChildProcessError):  # one whose parent is outside is not ours to collect
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if time.monotonic() > deadline:
            sys.exit(f"processes did not end within {END_SECONDS:g} s of SIGKILL")
        time.sleep(0.005)


def mounts() -> dict[str, tuple[str, str]]:
    """The mounts by their ids, each with the id of the one that it lies on and its point: proc_pid_mountinfo(5)."""
    lines = [line.split(" ") for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()]
    return {line[0]: (line[1], line[4]) for line in lines}


def remove_cgroups() -> None:
    """Remove the cgroups that were made since the boot. Their processes have ended."""
    deadline = time.monotonic() + END_SECONDS
    hierarchies = [CGROUPS] if (CGROUPS / "cgroup.procs").exists() else list(CGROUPS.iterdir())
    kept = {*hierarchies, CGROUPS / "init"}
    for hierarchy in hierarchies:
        for name, _, _ in os.walk(hierarchy, topdown=False):
            while (folder := Path(name)) not in kept:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError as error:  # it is busy a moment longer than its last process
                    if time.monotonic() > deadline:
                        sys.exit(f"{folder}: {error}")
                    time.sleep(0.005)


def unmount(inherited: Collection[str]) -> None:
    """Undo every mount but those with these ids."""
    for identity, (below, point) in mounts().items():
        if below in inherited and identity not in inherited:  # what lies on it goes with it
            system_call("umount2", os.fsencode(point), MNT_DETACH)
