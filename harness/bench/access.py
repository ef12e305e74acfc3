"""The figures of access: how fast the complete matrix is settled, beside one ``kubectl auth can-i`` for each cell."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final

from harness.access.expectations import read
from harness.access.export import asked
from harness.access.lab import Lab
from harness.access.matrix import Cell, wrong
from harness.access.request import AUTHENTICATED
from harness.bench.figures import Measured, Target
from harness.case import CHECKOUT, deployed_case
from harness.clusters import pool
from harness.errors import ClusterError, CommandError
from harness.images.catalogue import prober_image
from harness.kube.kubectl import Kubectl
from harness.settings import Settings
from harness.timeline import Timeline
from harness.wiring import provider_of

MATRIX = Target("access.matrix_s", "complete matrix, 6 subjects, 2 namespaces, with credentials", "s", "<= 20", "<= 5")
CELLS = Target("access.cells_per_s", "cells settled by model, review and request", "1/s", ">= 300", ">= 2000")
RATIO = Target("access.vs_can_i", "our rate by that of kubectl auth can-i", "ratio", ">= 20", "")
CAN_I = Target("access.can_i_per_s", "cells of one kubectl auth can-i each, same cluster", "1/s", "", "")

SUBJECTS: Final = ("team-invoice", "team-payments", "invoice-app", "invoice-db", "payment-provider", "payments-db")
NAMESPACES: Final = ("invoice", "payments")
ROUNDS: Final = 3
ASKED: Final = 60
"""Cells that kubectl is asked for, evenly spread over the matrix."""


def access(settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """All figures of access, on one cluster with the case on it."""
    image = prober_image(timeline)
    subjects = read(CHECKOUT / "scenarios" / "access" / "expected.yaml").subjects
    everybody = [subjects[name] for name in SUBJECTS]
    with pool.acquire(settings, timeline, provider_of(settings)) as held:
        held.cluster.load_images([image.archive])
        with closing(deployed_case(held.cluster, settings, timeline)):
            name = f"bench-access-{settings.run_id}"
            with Lab(
                held.cluster, held.cluster.reference(image.reference), settings.labels("bench"), name, live=True
            ) as lab:
                cells = asked(everybody, lab.resources, NAMESPACES)
                with timeline.phase("complete matrix") as say:
                    yield MATRIX, _settled(lab, cells), 1
                    say(f"{len(cells)} cells")
                with timeline.phase("cells"):
                    rate = ROUNDS * len(cells) / sum(_settled(lab, cells) for _ in range(ROUNDS))
                yield CELLS, rate, ROUNDS * len(cells)
                some = [cell for cell in cells if not cell.source][:: len(cells) // ASKED][:ASKED]
                with timeline.phase("kubectl auth can-i"):
                    theirs = _can_i_per_second(held.cluster.kubectl, some)
                yield CAN_I, theirs, len(some)
                yield RATIO, rate / theirs, 1


def _settled(lab: Lab, cells: Sequence[Cell]) -> float:
    """Seconds until all cells are settled. Raises ClusterError where the ways part."""
    realm = lab.realm()
    began = time.monotonic()
    compared = lab.compare(realm, cells)
    seconds = time.monotonic() - began
    if parted := wrong(compared):
        raise ClusterError(f"{len(parted)} of {len(cells)} cells that are measured are wrong: {parted[0]}")
    return seconds


def _can_i_per_second(kubectl: Kubectl, cells: Sequence[Cell]) -> float:
    began = time.monotonic()
    for cell in cells:
        request, identity = cell.request, cell.who.identity
        what = f"{request.resource}.{request.group}" if request.group else request.resource
        groups = [f"--as-group={group}" for group in sorted(identity.groups - {AUTHENTICATED})]
        sub = [f"--subresource={request.subresource}"] if request.subresource else []
        scope = ["--namespace", request.namespace] if request.namespace else []
        try:
            kubectl.run("auth", "can-i", request.verb, what, *sub, *scope, f"--as={identity.name}", *groups)
        except CommandError as error:
            if error.output.strip().splitlines()[-1:] != ["no"]:  # status 1 is `no`, and every failure
                raise
    return len(cells) / (time.monotonic() - began)
