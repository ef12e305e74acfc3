"""Why a container keeps ending: its exit code, its signal, its memory, a probe that kills it."""

import re
import signal

from harness.kube.container import Container, short
from harness.kube.diagnosis import Diagnosis
from harness.kube.kubectl import JsonObject
from harness.kube.probes import killed_by_probe, probe_fix

_SIGNALLED = 128
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_KILLED = 128 + signal.SIGKILL
_LOG_LINES = 5


def ending(one: Container, last: JsonObject, *, again: bool) -> Diagnosis | None:
    """A container that ended: ``again`` if the kubelet now waits before it starts it once more."""
    code = int(last.get("exitCode", 0))
    if code == 0 and not again:
        return None  # done (an init container, a Job), or about to be started again
    runs = int(one.status.get("restartCount", 0)) + 1
    log = _last_lines(one, last)
    if cannot_start := _cannot_start(one, last):
        return cannot_start
    if killer := killed_by_probe(one):
        probe, told = killer
        return one.says(
            f"{probe} probe kills it",
            f"the kubelet keeps killing it because its {probe} probe fails: {told}{log}",
            probe_fix(one, probe),
        )
    if last.get("reason") == "OOMKilled":
        limit = one.spec.get("resources", {}).get("limits", {}).get("memory")
        return one.says(
            "out of memory",
            f"it was killed {_times(runs)} because it used more memory than its limit"
            + (f" of {limit}" if limit else " (it has none: the node ran out)")
            + log,
            "raise resources.limits.memory, or make the program use less",
        )
    how = _exit(code, last)
    restart = one.pod.get("spec", {}).get("restartPolicy", "Always")
    return one.says(
        "crash loop" if code else "ends at once",
        f"it ended {_times(runs)}, last with {how}{log}",
        _crash_fix(code),
        final=not again and restart == "Never" and not _is_of_a_job(one),  # which makes another pod
    )


def _is_of_a_job(one: Container) -> bool:
    return any(owner.get("kind") == "Job" for owner in one.pod["metadata"].get("ownerReferences", ()))


def _cannot_start(one: Container, last: JsonObject) -> Diagnosis | None:
    """The runtime could not start the program at all: no later try can."""
    if last.get("reason") not in {"StartError", "ContainerCannotRun"}:
        return None
    message = str(last.get("message", ""))
    command = " ".join([*one.spec.get("command", ()), *one.spec.get("args", ())]) or "the image's own command"
    fixes = (
        (r"executable file not found|no such file or directory", "there is no such program in the image"),
        (r"permission denied", "the program may not be executed by its user"),
        (r"exec format error", "the program was not built for this node's processor"),
    )
    for pattern, cause in fixes:
        if re.search(pattern, message):
            return one.says(
                "cannot start",
                f"it cannot be started ({command}): {cause} ({short(message)})",
                "correct `command` in the pod, or ENTRYPOINT and file modes in the Dockerfile",
                final=True,
            )
    return one.says("cannot start", f"it cannot be started: {short(message)}", "fix what the message names")


def _exit(code: int, last: JsonObject) -> str:
    number = int(last.get("signal") or (code - _SIGNALLED if code > _SIGNALLED else 0))
    if number:
        try:
            return f"exit code {code} ({signal.Signals(number).name})"
        except ValueError:
            return f"exit code {code} (signal {number})"
    hints = {_NOT_EXECUTABLE: " (the command cannot be executed)", _NOT_FOUND: " (the command was not found)"}
    return f"exit code {code}{hints.get(code, '')}"


def _crash_fix(code: int) -> str:
    if code == 0:
        return "its program ends by itself: run a server in the foreground, or make it a Job"
    if code in {_NOT_EXECUTABLE, _NOT_FOUND}:
        return "correct `command`, or install the program in the image"
    if code == _KILLED:
        return "see what killed it: memory of the node, or a probe"
    return "read its log (`kubectl logs --previous`), and fix what made it end"


def _times(runs: int) -> str:
    return "once" if runs == 1 else f"{runs} times"


def _last_lines(one: Container, last: JsonObject) -> str:
    """The end of what it wrote: its log, or its termination message."""
    meta = one.pod["metadata"]
    logs = one.snapshot.logs or {}
    text = logs.get((meta.get("namespace", ""), meta["name"], one.name)) or str(last.get("message", ""))
    lines = [line.rstrip() for line in text.strip().splitlines() if line.strip()][-_LOG_LINES:]
    return "; its log ends with" + "".join(f"\n      {line}" for line in lines) if lines else ""
