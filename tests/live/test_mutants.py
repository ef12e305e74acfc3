"""What the mutation score finds out offline, on the cluster: mutants of the case's policies break its table there."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.case import Case
from harness.isolation.expectations import Expectations, read
from harness.isolation.lab import Lab
from harness.isolation.mutate import Mutant, mutants
from harness.isolation.parse import policies_of
from harness.isolation.real import Proof, prove_table
from harness.isolation.render import policy_object
from harness.isolation.score import breaches, questions
from harness.isolation.verdict import Verdict
from harness.isolation.workloads import world_of
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import kustomize, load
from harness.kube.wait import wait_until

from .pods import SECONDS

TABLE = Path(__file__).parents[2] / "scenarios" / "isolation" / "expected.yaml"
SAMPLE = 8
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"

Key = tuple[str, str]


class Policies:
    """The case's policies on the cluster: changed to those of a mutant, and put back."""

    def __init__(self, case: Case) -> None:
        self._api: Api = case.cluster.api
        self._original = {
            (namespace, one["metadata"]["name"]): one
            for namespace in case.namespaces
            for one in self._api.items(POLICIES.format(namespace))
        }

    def become(self, mutant: Mutant) -> None:
        """Change what the mutant changes."""
        wanted = {(one.namespace, one.name): policy_object(one)["spec"] for one in mutant.policies}
        self._make(wanted)

    def restore(self) -> None:
        """Undo it."""
        self._make({key: one["spec"] for key, one in self._original.items()})

    def _make(self, wanted: Mapping[Key, JsonObject]) -> None:
        there = {
            (namespace, one["metadata"]["name"])
            for namespace in {namespace for namespace, _ in (*wanted, *self._original)}
            for one in self._api.items(POLICIES.format(namespace))
        }
        for namespace, name in there - wanted.keys():
            self._api.delete(f"{POLICIES.format(namespace)}/{name}")
        for (namespace, name), spec in wanted.items():
            kept = self._original.get((namespace, name), {}).get("metadata", {})
            metadata = {"name": name, "labels": kept.get("labels", {}), "annotations": kept.get("annotations", {})}
            body = {"metadata": metadata, "spec": deepcopy(spec)}
            if (namespace, name) in there:
                self._api.put(f"{POLICIES.format(namespace)}/{name}", body)
            else:
                self._api.post(POLICIES.format(namespace), body)


@pytest.fixture(scope="module")
def expectations() -> Expectations:
    """The case's table."""
    return read(TABLE)


@dataclass(frozen=True)
class Killed:
    """A mutant, and the cells of the table that notice it offline, of those that are judged offline.

    A cell is what ``str`` of it says. Those of the cluster's own Services, such as its DNS, are not judged.
    """

    mutant: Mutant
    cells: frozenset[str]
    spoken_of: frozenset[str]


@pytest.fixture(scope="module")
def sample(case: Case, expectations: Expectations) -> list[Killed]:
    """Some mutants from one end of the list to the other, each of which lets through, or stops, what a cell speaks of.

    Not those that take away one of two denials (``twice``): the other one still stands.
    """
    render = kustomize(case.cluster.kubectl)
    manifests = [one for folder in case.folders for one in load(folder, render)]
    world, asked, _ = questions(world_of(manifests), expectations)
    spoken_of = frozenset(str(expected) for expected, _ in asked)
    everyone = [
        Killed(
            mutant,
            frozenset(
                str(one.cell)
                for one in breaches(replace(world, policies=mutant.policies), asked)
                if one.side is None and one.decision.verdict in (Verdict.ALLOW, Verdict.DENY)
            ),
            spoken_of,
        )
        for mutant in mutants(policies_of(manifests))
    ]
    seen = [one for one in everyone if one.cells]
    assert len(seen) >= SAMPLE
    return seen[:: len(seen) // SAMPLE]


@pytest.fixture
def policies(case: Case, lab: Lab) -> Iterator[Policies]:
    """The case's policies, which are put back."""
    there = Policies(case)
    yield there
    there.restore()
    lab.marker.wait()


def proven(case: Case, lab: Lab, expectations: Expectations) -> Proof:
    """The case's table, held against the cluster as it is."""
    render = kustomize(case.cluster.kubectl)
    written = [policy for folder in case.folders for policy in policies_of(load(folder, render))]
    return prove_table(lab, expectations, written, case.namespaces, allow_ephemeral=True)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant never agrees with the policies as they are written: that is given up after a second."""
    monkeypatch.setattr("harness.isolation.real.AGREE_SECONDS", 1.0)


@pytest.mark.usefixtures("hurried")
def test_a_sample_of_the_mutants_that_the_table_kills_offline_is_killed_on_the_cluster(
    case: Case,
    lab: Lab,
    expectations: Expectations,
    sample: list[Killed],
    policies: Policies,
) -> None:
    wrong = []
    for one in sample:
        policies.become(one.mutant)
        lab.marker.wait()
        cells = (str(judged.expected) for judged in proven(case, lab, expectations).judged if not judged.holds)
        broken = one.spoken_of & set(cells)
        if broken != one.cells:
            wrong.append(f"{one.mutant.what}: only live {broken - one.cells}, only offline {one.cells - broken}")

    policies.restore()
    lab.marker.wait()
    assert not wrong, "\n".join(wrong)
    wait_until(
        "the table to hold again",
        lambda: not proven(case, lab, expectations).broken,
        seconds=SECONDS,
    )
