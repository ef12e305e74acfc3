"""What a container's probes said, by its events and its spec."""

import re
from collections.abc import Iterator

from harness.kube.container import Container, short
from harness.kube.diagnosis import event_count

_PROBE_EVENT = re.compile(
    r"(?P<probe>Startup|Readiness|Liveness) probe (?:failed|errored)[^:]*: (?P<told>.*)", re.DOTALL
)


def probe_failures(one: Container) -> Iterator[tuple[str, str, int]]:
    """(``startup``, ``readiness`` or ``liveness``; what it said; how often), oldest first."""
    for event in one.events:
        if event.get("reason") == "Unhealthy" and (failed := _PROBE_EVENT.match(str(event.get("message", "")))):
            yield failed["probe"].lower(), " ".join(failed["told"].split()) or "it printed nothing", event_count(event)


def killed_by_probe(one: Container) -> tuple[str, str] | None:
    """Which probe made the kubelet kill it, and what that probe said last."""
    kills = [str(event.get("message", "")) for event in one.events if event.get("reason") == "Killing"]
    for message in reversed(kills):
        if found := re.search(r"failed (?P<probe>startup|liveness) probe", message):
            told = [text for probe, text, _ in probe_failures(one) if probe == found["probe"]]
            return found["probe"], told[-1] if told else "it gave no reason"
    return None


def probe_target(one: Container, probe: str) -> str:
    """``GET :http/readyz``: what the probe does, as its spec says."""
    spec = one.spec.get(f"{probe}Probe", {})
    if http := spec.get("httpGet"):
        return f"GET :{http.get('port')}{http.get('path', '/')}"
    if tcp := spec.get("tcpSocket"):
        return f"connect to :{tcp.get('port')}"
    if grpc := spec.get("grpc"):
        return f"gRPC health on :{grpc.get('port')}"
    if command := spec.get("exec", {}).get("command"):
        return short(f"run `{' '.join(command)}`")
    return "not in its spec"


def probe_fix(one: Container, probe: str) -> str:
    """What to do about a probe, by what it said last."""
    told = [text for kind, text, _ in probe_failures(one) if kind == probe]
    last = told[-1] if told else ""
    if "connection refused" in last:
        return f"make the program listen on the probe's port on all addresses, or correct the port of its {probe}Probe"
    if "statuscode: 404" in last:
        return f"correct the path of its {probe}Probe, or serve it"
    if "statuscode" in last:
        return f"see what {probe_target(one, probe)} checks: its answer and the container's log say what is missing"
    if "deadline exceeded" in last or "timeout" in last.lower():
        return f"make it answer faster, or raise timeoutSeconds of its {probe}Probe"
    return f"fix what its {probe}Probe checks, or correct the probe"
