"""How many verdicts a second cyclonus gives on one of our clusters: what our own rate is compared with.

cyclonus (https://github.com/mattfenwick/cyclonus) is the tool that the field tests NetworkPolicy with. It and agnhost,
the image that its pods run, are built from their Go modules, since an embedded node pulls no image.

What is measured is one ``cyclonus probe``: 9 pods to 9 pods, TCP and UDP, ports 80 and 81, which are 324 verdicts. Its
workers (15), and that it probes Services by name, are its own defaults. So would be its timeout for a connection, 10 s;
who measures gives it a shorter one, since that is most of what a denied connection takes it. Policies
that deny port 81 stand before its pods are made, so half of the verdicts are denials. The clock runs from the line in
which it says that it begins to probe until it ends: making its pods, waiting for them and for its policies to take
effect is not counted. What it prints after its last verdict is; that is milliseconds.
"""

import hashlib
import re
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.clusters.embedded.build import Builder, default_cache
from harness.clusters.embedded.gotoolchain import toolchain
from harness.clusters.embedded.programs import Program
from harness.clusters.provider import Cluster
from harness.errors import ClusterError, CommandError, WaitTimeout
from harness.images.archive import ARCHIVE_VERSION, write_binary_archive
from harness.images.catalogue import REPOSITORY
from harness.images.recipe import tag_of
from harness.images.store import Image, Store, cache_folder
from harness.kube.kubectl import JsonObject, Kubectl, child_environment
from harness.timeline import Timeline

CYCLONUS = "github.com/mattfenwick/cyclonus"
VERSION_STAMP = {f"{CYCLONUS}/pkg/cli.version": "{version}"}
PROGRAMS: Mapping[str, Program] = {
    "cyclonus": Program("components", f"{CYCLONUS}/cmd/cyclonus", CYCLONUS, VERSION_STAMP),
    "agnhost": Program("components", "k8s.io/kubernetes/test/images/agnhost"),
}
"""Built as their authors have them, from the Go module in ``components``."""

IMAGE = "e2e-test-images/agnhost:2.43"
"""What cyclonus 0.5.6 names the image of its pods, in a registry whose name it can be given."""

NAMESPACES = ("x", "y", "z")
PODS = ("a", "b", "c")
PROTOCOLS = ("TCP", "UDP")
ALLOWED_PORT, DENIED_PORT = 80, 81
PAIRS = (len(NAMESPACES) * len(PODS)) ** 2
VERDICTS = PAIRS * len(PROTOCOLS) * 2

DEFAULT_TIMEOUT = 10
PODS_SECONDS = 180
PROBE_SECONDS = 600.0
GONE_SECONDS = 120

BEGINS = "running kube probe on try"
COUNTS = re.compile(r"(\d+) wrong, (\d+) ignored, (\d+) correct")


def verdicts_per_second(cluster: Cluster, timeline: Timeline, timeout: int = DEFAULT_TIMEOUT) -> tuple[float, int]:
    """Run cyclonus on the cluster; how many verdicts it gave in a second, and how many in all.

    ``timeout`` is how many seconds it waits for a connection. Its namespaces have names of their own, and are gone
    afterwards. Raises BuildError, CommandError where cyclonus or kubectl fails, WaitTimeout where cyclonus does not
    end, and ClusterError where a verdict is missing or wrong: then the figure would stand for something else.
    """
    cache = default_cache()
    programs = Builder(toolchain(timeline, cache), cache, Path(__file__).parent).build(PROGRAMS, timeline)
    image = agnhost_image(Store(cache_folder()), programs.path("agnhost"), timeline)
    with timeline.phase("agnhost on the node"):
        cluster.load_images([image.archive])
    with denied_namespaces(cluster.kubectl) as namespaces, timeline.phase("cyclonus probe") as say:
        registry = image.reference.removesuffix(f"/{IMAGE}")
        command = [str(programs.path("cyclonus")), *options(namespaces, registry, timeout, cluster.kubectl.context)]
        environment = {**child_environment(), "KUBECONFIG": str(cluster.kubeconfig)}
        seconds, output = timed(command, environment)
        require_right(output)
        say(f"{VERDICTS} verdicts in {seconds:.1f} s, beside making its pods")
    return VERDICTS / seconds, VERDICTS


def agnhost_image(store: Store, binary: Path, timeline: Timeline) -> Image:
    """The image that cyclonus asks for, of agnhost: its registry's name holds the hash of what is in it."""
    content = f"{store.digest(binary)} {ARCHIVE_VERSION}"
    kept = store.image(f"{REPOSITORY}/agnhost", tag_of(hashlib.sha256(content.encode()).hexdigest()))
    image = Image(f"{REPOSITORY}/{kept.tag}/{IMAGE}", kept.archive)
    if not store.has(image):
        with timeline.phase("image agnhost"):
            # It binds the ports 80 and 81, and runs as root, as the published one does.
            store.keep(image, lambda archive: write_binary_archive(archive, image.reference, binary, user="0:0"))
    return image


def options(namespaces: Sequence[str], registry: str, timeout: int, context: str | None) -> list[str]:
    """The arguments of cyclonus. What is not given here is its default."""
    return [
        "probe",
        *(f"--server-namespace={namespace}" for namespace in namespaces),
        *(f"--server-pod={pod}" for pod in PODS),
        *(f"--server-port={port}" for port in (ALLOWED_PORT, DENIED_PORT)),
        *(f"--server-protocol={protocol}" for protocol in PROTOCOLS),
        f"--image-registry={registry}",
        f"--pod-creation-timeout-seconds={PODS_SECONDS}",
        f"--job-timeout-seconds={timeout}",
        # A pod reaches itself whatever policies say; cyclonus expects otherwise. It probes these cells all the same.
        "--ignore-loopback",
        *([f"--context={context}"] if context else []),
    ]


@contextmanager
def denied_namespaces(kubectl: Kubectl) -> Iterator[tuple[str, ...]]:
    """Namespaces that nobody else has, in each a policy that lets all pods be reached on one of the two ports only.

    They are gone when the block has ended, so that nothing of them disturbs what is measured next.
    """
    run = f"cyclonus-{secrets.token_hex(3)}"
    names = tuple(f"{run}-{name}" for name in NAMESPACES)
    try:
        kubectl.apply(*(thing for name in names for thing in (namespace(name), policy(name))))
        yield names
    finally:
        wait = f"--timeout={GONE_SECONDS}s"
        kubectl.run("delete", "namespace", *names, "--ignore-not-found", wait, seconds=GONE_SECONDS + 10)


def namespace(name: str) -> JsonObject:
    """A namespace, as an object of the API."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"harness.dev/owner": "bench"}},
    }


def policy(namespace: str) -> JsonObject:
    """A NetworkPolicy, as an object of the API: all pods of the namespace accept from all, on the one port only."""
    ports = [{"protocol": protocol, "port": ALLOWED_PORT} for protocol in PROTOCOLS]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "one-port", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": ports}]},
    }


def timed(command: Sequence[str], environment: Mapping[str, str], limit: float = PROBE_SECONDS) -> tuple[float, str]:
    """Run cyclonus; the seconds from when it said that it begins to probe until it ended, and what it printed.

    Raises CommandError where it fails or never begins, WaitTimeout where it lasts longer than ``limit`` seconds.
    """
    began = 0.0
    said = []
    with (
        tempfile.TemporaryFile("w+") as printed,
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        limiter = threading.Timer(limit, process.kill)
        limiter.start()
        try:
            for line in process.stderr or ():
                said.append(line)
                if BEGINS in line:
                    began = time.monotonic()
            status = process.wait()
            seconds = time.monotonic() - began
        finally:
            in_time = limiter.is_alive()
            limiter.cancel()
            process.kill()
        printed.seek(0)
        output = printed.read()
    if not in_time:
        raise WaitTimeout("cyclonus to end", limit, said[-1].strip() if said else "")
    if status or not began:
        raise CommandError(command, status, "".join(said[-20:]) + output[-2000:])
    return seconds, output


def require_right(output: str) -> None:
    """Raise ClusterError unless cyclonus says that it probed every pair of pods, and met what it expects at each.

    It counts a pair as correct if all of its verdicts are, and a pod with itself as ignored.
    """
    found = COUNTS.search(output)
    if found is None:
        raise ClusterError(f"cyclonus did not count its verdicts, but printed:\n{output[-2000:]}")
    wrong, ignored, right = map(int, found.groups())
    if wrong or ignored + right != PAIRS:
        raise ClusterError(
            f"of {PAIRS} pairs of pods cyclonus found {right} right, {wrong} wrong, and ignored {ignored}, so its rate "
            f"is not that of the matrix that was asked for:\n{output[found.start() :][:8000]}"
        )
