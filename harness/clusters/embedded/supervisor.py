"""The one process of a cluster outside its namespaces. It starts the node, waits for the lease's end, and clears away.

    python -m harness.clusters.embedded.supervisor FOLDER

It is killed, and the kernel ends the node with it (``PR_SET_PDEATHSIG``, then the end of process 1 ends the whole PID
namespace, mounts and links with it); what only a living process can remove, cgroups and files, is left for the next
sweep.

Meanwhile it runs the commands that are registered with the cluster (``harness.clusters.undo``) when they are overdue:
whoever registered one may have been killed. That keeps it from nothing: when it ends, they are killed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness.clusters.embedded import cgroups
from harness.clusters.embedded.layout import Layout
from harness.clusters.lease import Lease
from harness.clusters.undo import Overdue, Undos
from harness.kube.kubectl import child_environment

KEPT_POLL = 0.5
"""Seconds between two looks at whether an unused cluster is still to be kept."""

UNDO_POLL = 0.25
"""Seconds between two looks at which commands are overdue."""


def run_overdue(overdue: Overdue, ended: threading.Event) -> None:
    """Block until the node has ended; meanwhile run what is overdue."""
    while not ended.wait(UNDO_POLL):
        overdue.look()


def end_when_unused(layout: Layout, node: subprocess.Popen[bytes], unused: threading.Event) -> None:
    """Block until nobody holds the lease and the cluster is not kept; then kill the node, the lease held alone."""
    lease = Lease(layout.folder)
    while True:
        descriptor = lease.wait_until_unused()
        keep = lease.kept
        if not keep:
            unused.set()
            node.kill()
            return  # the descriptor stays open: nobody joins a cluster that is going
        os.close(descriptor)
        while lease.kept and not lease.held():
            time.sleep(KEPT_POLL)


def main() -> None:
    """Run one cluster until it ends."""
    layout = Layout(Path(sys.argv[1]))
    spec = json.loads(layout.spec.read_text())
    mounted = cgroups.of_this_machine()
    home = {h.mount: _own_cgroup(h) for h in mounted}
    cgroups.join(layout.cgroup, mounted)
    log = (layout.logs / "node.log").open("ab")
    namespaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child=KILL"]
    program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("node.py")), str(layout.spec)]
    node = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, *program],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=spec["listeners"],
        env=child_environment(),
        cwd="/",
    )
    for hierarchy in mounted:  # only the node lives in the cluster's cgroups: they can be removed when it is gone
        (home[hierarchy.mount] / "cgroup.procs").write_text(str(os.getpid()))
    for descriptor in spec["listeners"]:
        os.close(descriptor)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: node.kill())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    state = layout.state.with_suffix(".new")
    state.write_text(json.dumps({"supervisor": os.getpid(), "unshare": node.pid, "started": time.time()}))
    state.rename(layout.state)
    unused = threading.Event()
    threading.Thread(target=end_when_unused, args=(layout, node, unused), daemon=True).start()
    overdue, ended = Overdue(Undos(layout.folder), say), threading.Event()
    threading.Thread(target=run_overdue, args=(overdue, ended), daemon=True).start()
    node.wait()
    ended.set()
    overdue.close()
    cgroups.remove(layout.cgroup, mounted)
    if unused.is_set():  # else somebody holds the lease still, and wants to read what happened
        shutil.rmtree(layout.folder, ignore_errors=True)


def say(line: str) -> None:
    """Write a line to the supervisor's log."""
    print(time.strftime("%H:%M:%S"), line, flush=True)  # noqa: T201 -- its standard output is its log


def _own_cgroup(hierarchy: cgroups.Hierarchy) -> Path:
    wanted = ",".join(hierarchy.controllers)
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == wanted:
            return hierarchy.mount / path.lstrip("/")
    return hierarchy.mount


if __name__ == "__main__":
    main()
