"""A user's own ChaosEngine on his own services: the experiments have the verdict Pass, and something was broken.

Collected by the plugin with ``--chaos-engine`` and a user's own ``--manifests``. There are no clients of ours: what a
service owes its own is said by the engine's probes.
"""

from collections.abc import Callable, Iterable

import pytest

from harness.chaos.litmus.failures import RunnerAbsent
from harness.chaos.scene import Scene
from harness.chaoscase import engine_of
from harness.proofs import GROUP
from harness.records import Records
from harness.settings import Settings

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group(GROUP), pytest.mark.timeout(0)]


def test_every_experiment_of_the_engine_passes(
    settings: Settings,
    chaos_scene: Callable[[Iterable[str]], Scene],
    alone_in: Callable[[Iterable[str]], None],
) -> None:
    """What runs on the cluster is broken as the file says; its results lie in the run's folder."""
    wanted = engine_of(settings)
    alone_in(wanted.namespaces)
    scene = chaos_scene(wanted.namespaces)
    records = Records(settings.run_folder / "chaos")
    try:
        wanted.check(scene, settings.paths.cache)
        outcomes = wanted.run(scene, records.folder / "engine", settings.paths.cache)
    except RunnerAbsent as absent:
        records.notes([str(absent)])
        pytest.skip(str(absent))
    records.notes(map(str, outcomes))
    if failed := [str(one) for one in outcomes if not one.passed]:
        pytest.fail("\n".join(failed), pytrace=False)
