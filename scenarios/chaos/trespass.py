"""Those who may never connect try it all the time, while pods come and go."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from harness.case import Case
from harness.clusters.provider import ExternalPeer
from harness.errors import HarnessError, ProbeError
from harness.kube.client import Api
from harness.kube.wait import wait_until
from harness.prober.client import Prober, Target, probe_all
from harness.prober.outside import outside_prober
from harness.prober.pod import CONTAINER, prober_pod

PORT = 8400
ROUND_SECONDS = 0.4
PAUSE_SECONDS = 0.5


@dataclass
class Trespass:
    """What was tried: connections in all ``rounds``, which of them came up, and how often a control failed."""

    rounds: int = 0
    tried: int = 0
    open: list[str] = field(default_factory=list)
    without_control: int = 0


@contextmanager
def trespassing(case: Case, namespace: str) -> Iterator[Trespass]:
    """While the block runs, a stranger, one with the invoice app's labels, and the external peer try every pod's ports.

    Each round has its control: both strangers reach a third pod of their namespace.
    """
    done, over = Trespass(), threading.Event()
    labels = {
        "stranger": {"app": "stranger"},
        "pretender": {"app.kubernetes.io/name": "invoice-app", "app.kubernetes.io/component": "app"},
        "open": {"app": "open"},
    }
    with ExitStack() as closing:
        api = case.cluster.api
        address = _start(case, namespace, labels)["open"]
        probers = [closing.enter_context(Prober(api, namespace, name, CONTAINER)) for name in ("stranger", "pretender")]
        controls = {prober: Target(address, PORT) for prober in probers}
        if isinstance(case.cluster, ExternalPeer):
            probers.append(closing.enter_context(outside_prober(case.cluster)))

        def go_on() -> None:
            while not over.is_set():
                try:
                    _round(api, case, probers, controls, done)
                except HarnessError:  # the API server is one of the things that are hurt
                    done.without_control += 1
                over.wait(PAUSE_SECONDS)

        thread = threading.Thread(target=go_on)
        thread.start()
        closing.callback(thread.join)
        closing.callback(over.set)
        yield done


def _start(case: Case, namespace: str, labels: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Pods by name, with these labels; their addresses once they are ready."""
    kubectl = case.cluster.kubectl
    kubectl.apply(
        *(prober_pod(namespace, name, of, case.prober_image, ["--tcp", str(PORT)]) for name, of in labels.items())
    )

    def ready() -> dict[str, str] | None:
        pods = kubectl.get("pods", namespace=namespace)["items"]
        up = {p["metadata"]["name"]: p["status"].get("podIP", "") for p in pods if p["status"]["phase"] == "Running"}
        return up if all(up.get(name) for name in labels) else None

    return wait_until("the strangers to run", ready, seconds=60)


def _round(api: Api, case: Case, probers: Sequence[Prober], controls: Mapping[Prober, Target], done: Trespass) -> None:
    """One round; a connection that came up is written down if its address still is the same pod's afterwards."""
    before = _ports(api, case)
    asked = {p: [*([controls[p]] if p in controls else []), *before] for p in probers}
    found = probe_all(asked, ROUND_SECONDS)
    after = _ports(api, case)
    done.rounds += 1
    for prober, verdicts in found.items():
        if isinstance(verdicts, ProbeError) or (prober in controls and not verdicts[0].connected):
            done.without_control += 1
            continue
        done.tried += len(before)
        reached = [one for one in verdicts if one.connected and one.target in before]
        done.open += [
            f"{prober.pod} reached {before[one.target]} at {one.target.address}:{one.target.port}"
            for one in reached
            if after.get(one.target) == before[one.target]
        ]


def _ports(api: Api, case: Case) -> dict[Target, str]:
    """Every port of every pod of both teams, and whose it is."""
    found = {}
    for namespace in sorted(case.namespaces):
        for pod in api.items(f"/api/v1/namespaces/{namespace}/pods"):
            address = pod["status"].get("podIP")
            for container in pod["spec"]["containers"] if address else ():
                for port in container.get("ports") or ():
                    found[Target(address, port["containerPort"])] = f"pod {namespace}/{pod['metadata']['name']}"
    return found
