"""What is run to get the figures. Each measurement yields ``(target, value, samples)`` and leaves nothing behind."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from harness.bench.access import access
from harness.bench.chaos import chaos, soak
from harness.bench.chaos_checking import checking
from harness.bench.figures import Measured, Target
from harness.bench.isolation import isolation, oracles
from harness.bench.processes import cluster_of, processes, resident_mb, run_program
from harness.case import SERVICES, Case, deployed_case
from harness.clusters import pool
from harness.clusters.provider import Node
from harness.errors import BuildError, ClusterError, CommandError
from harness.settings import Settings
from harness.timeline import Timeline
from harness.wiring import provider_of

Measurement: TypeAlias = Callable[[Settings, Timeline], Iterator[Measured]]

CYCLES = 10
PAYMENTS = 3
INVOICES = 1000
MEMORY_SAMPLES = 15
E2E_SECONDS = 900.0
COLD_BUILD_SECONDS = 3600.0

READY = Target("embedded.ready_s", "warm: create to ready, all phases, median", "s", "<= 10", "<= 5")
TEARDOWN = Target("embedded.teardown_s", "cluster gone, nothing left, median", "s", "<= 2", "<= 0.5")
MEMORY = Target("embedded.memory_mb", "resident, nothing deployed, highest", "MB", "<= 1200", "<= 800")
PAY_ALL = Target("pay_all.1000_s", "pay 1,000 invoices in one call, median", "s", "<= 10", "<= 2")
E2E = Target("e2e.total_s", "nox -s e2e, warm caches, cluster included", "s", "<= 90", "<= 45")
COLD_BUILD = Target("embedded.cold_build_s", "all components, empty build cache", "s", "<= 1200", "<= 600")


def cycles(settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """Create and delete clusters, one after another; memory is read from the last one."""
    provider = provider_of(settings)
    with pool.acquire(settings.with_cluster(f"{settings.name}-warm"), timeline, provider):
        timeline.say("caches are warm")
    ready, gone, memory = [], [], 0.0
    for cycle in range(CYCLES):
        began = time.monotonic()
        one = settings.with_cluster(f"{settings.name}-{cycle}")
        with pool.acquire(one, timeline, provider) as held:
            ready.append(time.monotonic() - began)
            if cycle == CYCLES - 1:
                if not isinstance(held.cluster, Node):
                    raise ClusterError(f"{held.cluster.provider} does not tell its processes")
                memory = _highest_memory(next(iter(held.cluster.components().values())))
            began = time.monotonic()
        gone.append(time.monotonic() - began)
        if one.paths.cluster(one.name).exists():
            raise ClusterError(f"{one.paths.cluster(one.name)} was left behind")
    yield READY, statistics.median(ready), len(ready)
    yield TEARDOWN, statistics.median(gone), len(gone)
    yield MEMORY, memory, MEMORY_SAMPLES


def _highest_memory(member: int) -> float:
    """The highest of a reading each second: a cluster that has just become ready is still busy."""
    highest = 0.0
    for _ in range(MEMORY_SAMPLES):
        highest = max(highest, resident_mb(cluster_of(member, processes())))
        time.sleep(1)  # the interval of the readings, not a wait
    return highest


def pay_all(settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """Pay 1,000 invoices in one call, some times over, and count the rows of both databases."""
    with (
        pool.acquire(settings, timeline, provider_of(settings)) as held,
        closing(deployed_case(held.cluster, settings, timeline)) as case,
    ):
        for service, namespace in SERVICES.items():
            case.rollout(service, namespace)
        seconds = [_pay(case, timeline) for _ in range(PAYMENTS)]
    yield PAY_ALL, statistics.median(seconds), len(seconds)


def _pay(case: Case, timeline: Timeline) -> float:
    case.sql("payments-db", "DELETE FROM payments")
    case.sql("invoice-db", "DELETE FROM invoices")
    case.sql(
        "invoice-db",
        "INSERT INTO invoices (invoice_id, value, currency) "  # noqa: S608 -- our own constant
        f"SELECT 'B' || n, 1 + n / 100.0, 'EUR' FROM generate_series(1, {INVOICES}) n",
    )
    with timeline.phase(f"pay {INVOICES} invoices"):
        began = time.monotonic()
        answer = case.http.post("/invoices/pay", timeout=120)
        seconds = time.monotonic() - began
    paid = [row for row in case.invoices() if row["is_paid"]]
    if not (answer.ok and len(answer.json()["paid"]) == len(paid) == len(case.payments()) == INVOICES):
        raise ClusterError(
            f"of {INVOICES} invoices {len(paid)} were paid: status {answer.status_code}: {answer.text[:500]}"
        )
    return seconds


def e2e(_settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """Run the session as a user does."""
    with timeline.phase("nox -s e2e"):
        began = time.monotonic()
        run_program([sys.executable, "-m", "nox", "-s", "e2e", "--", "--cluster=embedded"], E2E_SECONDS, {})
        seconds = time.monotonic() - began
    yield E2E, seconds, 1


def cold_build(_settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """Build all components into an empty cache; the modules were downloaded before."""
    program = (
        "from harness.clusters.embedded.build import build; from harness.timeline import Timeline; build(Timeline())"
    )
    with tempfile.TemporaryDirectory(prefix="harness-cold-") as folder, timeline.phase("cold build"):
        empty = {"XDG_CACHE_HOME": folder, "GOCACHE": str(Path(folder) / "go-build")}
        began = time.monotonic()
        try:
            run_program([sys.executable, "-c", program], COLD_BUILD_SECONDS, empty)
        except CommandError as error:
            raise BuildError(str(error)) from error
        seconds = time.monotonic() - began
    yield COLD_BUILD, seconds, 1


MEASUREMENTS: Mapping[str, Measurement] = {
    "cycles": cycles,
    "pay_all": pay_all,
    "oracles": oracles,
    "checking": checking,
    "isolation": isolation,
    "access": access,
    "chaos": chaos,
    "e2e": e2e,
}
"""What `bench` runs where nothing is named."""

BY_NAME: Mapping[str, Measurement] = {**MEASUREMENTS, "cold": cold_build, "soak": soak}
"""What can be named."""
