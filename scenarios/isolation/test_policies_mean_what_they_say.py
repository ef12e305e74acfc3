"""Does the network plugin do what Kubernetes says that policies mean? The model says it; the cluster is asked.

Cases of a fixed catalogue, each by its name, and worlds that nobody has thought of. What was seen is told point by
point in the run's conformance report.
"""

import secrets

import pytest

from harness.isolation.catalogue import CASES, Case
from harness.isolation.lab import Lab
from harness.isolation.proving import Catalogued, Disagreement, Generated
from harness.isolation.recording import Records
from harness.isolation.render import to_yaml, world_objects
from harness.settings import Settings

pytestmark = [pytest.mark.conformance, pytest.mark.xdist_group("stage")]

WORLDS = 64
"""How many worlds are generated where ``--isolation-worlds`` does not say."""


@pytest.fixture(scope="module")
def catalogued(lab: Lab, records: Records) -> Catalogued:
    """The stage on which the catalogue's cases are played."""
    records.notes(lab.notes)
    return Catalogued(lab)


@pytest.mark.parametrize(
    "case",
    [pytest.param(one, id=one.name, marks=() if one.named else pytest.mark.full) for one in CASES],
)
def test_the_cluster_does_as_the_model_says(case: Case, catalogued: Catalogued, records: Records) -> None:
    if not catalogued.bare.externals:
        pytest.skip("the catalogue needs an address outside the cluster, and this one has no external peer")
    wrong: list[str] = []
    for trial, settled in catalogued.prove(case):
        records.add(trial)
        wrong += [f"{trial.name}: {one}" for one in settled.wrong]

    assert not wrong, "\n".join(wrong)


def test_generated_worlds_are_as_the_model_says(lab: Lab, records: Records, settings: Settings) -> None:
    seed = secrets.randbelow(2**32) if settings.isolation_seed is None else settings.isolation_seed
    count = settings.isolation_worlds or WORLDS

    records.notes(lab.notes)
    told: list[str] = []
    generated = Generated(lab, seed)
    for trial, disagreement in generated.prove(range(count)):
        records.add(trial)
        if disagreement:
            told.append(how_to_replay(disagreement, seed, records))

    if generated.looked_at < count:
        told.append(f"That is enough: only the first {generated.looked_at} of {count} worlds were looked at.")
    assert not told, "\n\n".join(told) + f"\n\nAll of them: --isolation-seed={seed} --isolation-worlds={count}"


def how_to_replay(disagreement: Disagreement, seed: int, records: Records) -> str:
    """What disagrees, the smallest world that shows it as YAML, and the command that shows it again."""
    how = "" if disagreement.shrunk else " (as it was drawn: it was not made smaller)"
    text = to_yaml(world_objects(disagreement.world))
    file = records.text(f"world-{seed}-{disagreement.index}.yaml", text)
    cells = "\n".join(str(one) for one in disagreement.wrong)
    again = f"Again: pytest -m isolation --manifests={file}"
    return f"World {disagreement.index} of seed {seed}{how}:\n{cells}\n{text}\n{again}"
