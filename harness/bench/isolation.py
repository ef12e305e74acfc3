"""The figures of isolation: how fast cells are seen, agreed on and judged, on a real cluster.

cyclonus runs on the same cluster, in the same run.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Final

from harness.bench import cyclonus
from harness.bench.figures import Measured, Target
from harness.case import CHECKOUT, deployed_case
from harness.clusters import pool
from harness.clusters.provider import Cluster
from harness.errors import ClusterError
from harness.images.catalogue import prober_image
from harness.isolation.agreement import first_disagreement, smallest
from harness.isolation.lab import Lab
from harness.isolation.matrix import Cell, Seen, Standing, State, cells_of, compare
from harness.isolation.oracle import Oracle
from harness.isolation.policy import Direction, Policy, Port, Rule
from harness.isolation.proving import Generated
from harness.isolation.stage import PORTS, bare_stage
from harness.isolation.world import World
from harness.kube.kubectl import child_environment
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector
from harness.settings import Settings
from harness.timeline import Timeline
from harness.wiring import provider_of

VERDICTS = Target(
    "isolation.verdicts_per_s", "9 pods x 9 x TCP, UDP x 2 ports, half denied", "1/s", ">= 2000", ">= 5000"
)
RATIO = Target("isolation.vs_cyclonus", "our rate by that of cyclonus 0.5.6", "ratio", ">= 150", ">= 400")
CYCLONUS = Target("isolation.cyclonus_per_s", "verdicts of cyclonus 0.5.6, same cluster", "1/s", "", "")
AGREED = Target("isolation.agreed_s", "policy change to the full matrix agreed, median", "s", "<= 1.0", "<= 0.3")
WORLDS = Target("isolation.worlds_per_min", "generated worlds proved live", "1/min", ">= 100", ">= 1000")
ORACLE = Target(
    "isolation.oracle_per_s",
    "cells looked up with reasons in a judged world, one core",
    "1/s",
    ">= 100000",
    ">= 1000000",
)
COLD = Target("isolation.oracle_cold_per_s", "the same cells, in a world that is judged for them", "1/s", "", "")
AGREEING = Target(
    "isolation.evaluators_agree", "generated worlds on which both evaluators agree", "worlds", ">= 100000", ""
)
CASE = Target("isolation.case_s", "the case's isolation scenarios, cluster up", "s", "<= 20", "<= 5")

ROUNDS: Final = 30
CHANGES: Final = 15
WORLDS_PROVED: Final = 240
WORLDS_AGREED: Final = 100_000
SEED: Final = 20
JUDGED: Final = 1_000_000
JUDGED_COLD: Final = 50_000
SHORTEST_TIMEOUT: Final = 1
"""Of cyclonus, in seconds: with its default of 10 it is five times slower, and its timeout would be measured."""
CASE_SECONDS: Final = 300.0
WITHOUT: Final = ("-p", "no:schemathesis", "-p", "no:hypothesispytest")
"""As `nox -s isolation` runs them: plugins that they do not use are imported for a second or two."""
ASKED: Final = (Protocol.TCP, Protocol.UDP)
CASE_SCENARIOS: Final = ("test_who_reaches_whom.py", "test_edges_through_the_api.py")


def isolation(settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """All figures that need a cluster, on one."""
    image = prober_image(timeline)
    with pool.acquire(settings, timeline, provider_of(settings)) as held:
        held.cluster.load_images([image.archive])
        with Lab(
            held.cluster, held.cluster.reference(image.reference), settings.labels("bench"), f"bench-{settings.run_id}"
        ) as lab:
            rate = yield from _matrix(lab, timeline)
            with timeline.phase("generated worlds"):
                generated = Generated(lab, SEED)
                began = time.monotonic()
                for trial, disagreement in generated.prove(range(WORLDS_PROVED)):
                    if disagreement or trial.wrong:
                        wrong = disagreement.wrong if disagreement else trial.wrong
                        raise ClusterError(f"a generated world disagrees: {trial.name}: {wrong[0]}")
                yield WORLDS, WORLDS_PROVED / (time.monotonic() - began) * 60, WORLDS_PROVED
        theirs, count = cyclonus.verdicts_per_second(held.cluster, timeline, SHORTEST_TIMEOUT)
        yield CYCLONUS, theirs, count
        yield RATIO, rate / theirs, 1
        yield CASE, _case(held.cluster, settings, timeline), 1


def _matrix(lab: Lab, timeline: Timeline) -> Generator[Measured, None, float]:
    """The rate of verdicts on a standing matrix, and how soon a changed one is agreed on; returns the rate."""
    made = lab.build(bare_stage(f"{lab.name}-nine", ("x", "y", "z"), ("a", "b", "c")))
    bare = replace(made, nodes=lab.bare.nodes, externals=lab.bare.externals)
    half = half_denied(bare)
    now = lab.bring(bare, half)
    cells = list(cells_of(now.pods, now.pods, PORTS, ASKED))
    if not lab.prove(now, cells).agreed:
        raise ClusterError("the matrix that is to be measured does not agree with the oracle")
    observer = lab.observer(now)
    with timeline.phase("verdicts") as say:
        began = time.monotonic()
        rounds = [observer.look(cells) for _ in range(ROUNDS)]
        rate = ROUNDS * len(cells) / (time.monotonic() - began)
        say(f"{require_right(observer.oracle, rounds)} of {len(cells)} denied")
    yield VERDICTS, rate, ROUNDS * len(cells)
    seconds = []
    with timeline.phase("changes agreed"):
        for number in range(CHANGES):
            began = time.monotonic()
            now = lab.stage.bring(now, (bare, half)[number % 2])
            settled = lab.prove(now, cells)
            seconds.append(time.monotonic() - began)
            if not settled.agreed:
                raise ClusterError(f"a change was not agreed on: {settled.wrong[0]}")
    yield AGREED, statistics.median(seconds), len(seconds)
    return rate


def require_right(oracle: Oracle, rounds: Sequence[Mapping[Cell, Seen]]) -> int:
    """How many cells of the last round were denied.

    Raises ClusterError where a cell of any round is not as the oracle says, or less than half of them are denied: then
    the rate would stand for something else.
    """
    denied = 0
    for seen in rounds:
        compared = compare(oracle, seen)
        wrong = [one for one in compared if one.standing is not Standing.CONFORMS]
        if wrong:
            raise ClusterError(f"{len(wrong)} cells of a round that was measured are wrong, such as {wrong[0]}")
        denied = sum(one.seen.state is State.DENIED for one in compared)
        if 2 * denied < len(compared):
            raise ClusterError(f"only {denied} of the {len(compared)} cells that were measured are denied, not half")
    return denied


def half_denied(bare: World) -> World:
    """A world in which every pod is reached on one of its two ports, by both protocols, on the other by nobody.

    Two pods are reached by nobody at all, since every pod reaches itself: so at least half of all cells are denied.
    """
    rules = (Rule(ports=tuple(Port(protocol, PORTS[0]) for protocol in ASKED)),)
    shut, *others = bare.namespaces
    one_of_three = Selector((("pod", "a"),))
    return replace(
        bare,
        policies=(
            Policy(shut.name, "shut", Selector(), types=(Direction.INGRESS,)),
            Policy(shut.name, "half", one_of_three, rules, (), (Direction.INGRESS,)),
            *(Policy(one.name, "half", Selector(), rules, (), (Direction.INGRESS,)) for one in others),
        ),
    )


def _case(cluster: Cluster, settings: Settings, timeline: Timeline) -> float:
    """Seconds of a pytest run of the case's scenarios, on a cluster that runs with the case deployed."""
    with closing(deployed_case(cluster, settings, timeline)):
        files = [str(CHECKOUT / "scenarios" / "isolation" / name) for name in CASE_SCENARIOS]
        command = [sys.executable, "-m", "pytest", "-q", *WITHOUT, f"--cluster-name={settings.name}", *files]
        with timeline.phase("isolation of the case"):
            began = time.monotonic()
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=CASE_SECONDS,
                check=False,
                env=child_environment(),
                cwd=CHECKOUT,
            )
            seconds = time.monotonic() - began
    if done.returncode:
        raise ClusterError(f"the case's isolation scenarios failed:\n{done.stdout[-4000:]}")
    return seconds


def oracles(_settings: Settings, timeline: Timeline) -> Iterator[Measured]:
    """The figures that need no cluster: how fast the oracle judges, and whether the second evaluator agrees."""
    world, cells = _judged_world()
    oracle = Oracle(world)
    asked = [(one.source, one.destination, one.port, one.protocol) for one in cells]
    for one in asked:
        oracle.verdict(*one)
    rounds = JUDGED // len(asked) + 1
    with timeline.phase("oracle"):
        began = time.perf_counter()
        for _ in range(rounds):
            for one in asked:
                oracle.verdict(*one)
        seconds = time.perf_counter() - began
    yield ORACLE, rounds * len(asked) / seconds, rounds * len(asked)
    rounds = JUDGED_COLD // len(asked) + 1
    with timeline.phase("oracle, each world anew"):
        began = time.perf_counter()
        for _ in range(rounds):
            cold = Oracle(world)
            for one in asked:
                cold.verdict(*one)
        seconds = time.perf_counter() - began
    yield COLD, rounds * len(asked) / seconds, rounds * len(asked)
    with timeline.phase("both evaluators"), ProcessPoolExecutor() as pool_:
        step = WORLDS_AGREED // 20
        parts = [range(first, first + step) for first in range(0, WORLDS_AGREED, step)]
        for found in pool_.map(_disagreement, parts):
            if found:
                raise ClusterError(f"the two evaluators disagree: {found}")
    yield AGREEING, WORLDS_AGREED, WORLDS_AGREED


def _disagreement(indexes: Sequence[int]) -> str:
    found = first_disagreement(SEED, indexes)
    return str(smallest(found)) if found else ""


def _judged_world() -> tuple[World, list[Cell]]:
    bare = bare_stage("nine", ("x", "y", "z"), ("a", "b", "c"))
    pods = tuple(replace(pod, address=f"10.1.0.{number}") for number, pod in enumerate(bare.pods, 1))
    world = half_denied(replace(bare, pods=pods, services=()))
    return world, list(cells_of(world.pods, world.pods, PORTS, tuple(Protocol)))
