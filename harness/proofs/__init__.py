"""Proofs that the plugin collects by itself with ``--manifests``: of a user's own services, from a wheel alone."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SettingsError
from harness.settings import Settings
from harness.timeline import Timeline

if TYPE_CHECKING:
    from harness.kube.manifests import Manifest

HERE = Path(__file__).parent
ISOLATION = HERE / "isolation.py"
ACCESS = HERE / "access.py"
CHAOS = HERE / "chaos.py"
GROUP = "own"
"""The xdist group of all of them: one process has the namespaces of a user's manifests to itself."""
CASE_MARK = "invoice-app"
"""A folder with a kustomization of this name tells a version of the case from a user's own manifests."""


def own_manifests(settings: Settings) -> Path | None:
    """The user's own manifests; None where ``--manifests`` is absent or another version of the case."""
    folder = settings.manifests
    if folder is None:
        return None
    from harness.kube.kustomizations import kustomization_of  # noqa: PLC0415 -- a reader of YAML, for those who need it

    return folder if kustomization_of(folder / CASE_MARK) is None else None


@dataclass(frozen=True)
class Proof:
    """A file of tests, and ``of``: what of the user's it proves, as the ids of its tests begin."""

    file: Path
    of: str


def own_proofs(settings: Settings) -> dict[str, Proof]:
    """The proofs of a user's own services, by the folder of the case's scenarios whose place they take."""
    folder, rights = own_manifests(settings), settings.access_expectations
    found = {}
    if folder is not None:
        found["isolation"] = Proof(ISOLATION, f"isolation of --manifests={folder}")
    if folder is not None or rights is not None:
        option = f"--manifests={folder}" if folder is not None else f"--access-expectations={rights}"
        found["access"] = Proof(ACCESS, f"access of {option}")
    if folder is not None and settings.chaos_engine is not None:
        found["chaos"] = Proof(CHAOS, f"chaos of --chaos-engine={settings.chaos_engine}")
    return found


def check(settings: Settings) -> None:
    """Read what the user gave, before anything is changed.

    Raises ManifestError with file and line, UsageError for a plan of chaos that is none, SettingsError for a table that
    nothing would be held against, BuildError.
    """
    from harness.access import expectations as rights  # noqa: PLC0415 -- pytest loads this file in every run
    from harness.access import own as roles  # noqa: PLC0415
    from harness.chaos.litmus.parse import read_engines  # noqa: PLC0415
    from harness.isolation import expectations, own  # noqa: PLC0415
    from harness.isolation.table import refuse_nobodies  # noqa: PLC0415
    from harness.kube.manifests import load  # noqa: PLC0415

    folder, table = own_manifests(settings), settings.isolation_expectations
    if table is not None and folder is None:
        raise SettingsError(
            f"--isolation-expectations: {table} would not be looked at, since --manifests is a version of the case, "
            "which has a table of its own: give the manifests that it speaks of"
        )
    if folder is not None:
        manifests = load(folder, render)
        written = own.of_manifests(manifests)
        roles.of_manifests(manifests)
        if table is not None:
            refuse_nobodies(expectations.read(table), written.written, written.namespaces)
    if settings.access_expectations is not None:
        rights.read(settings.access_expectations)
    if settings.chaos_engine is not None:
        read_engines(settings.chaos_engine)
    if settings.chaos_plan is not None:
        _check_plan(settings.chaos_plan)


def _check_plan(file: Path) -> None:
    from harness.chaos.faults import FAULTS  # noqa: PLC0415 -- as above
    from harness.chaos.invoice_aims import AIMS  # noqa: PLC0415
    from harness.chaos.plan import read_plan  # noqa: PLC0415

    read_plan(file, FAULTS, AIMS)


def places(settings: Settings, manifests: "Sequence[Manifest]") -> frozenset[str]:
    """Every namespace in which the proofs of a user's own manifests may make something.

    They are those that the manifests speak of, and those of a table's stand-ins.
    """
    from harness.access import own as roles  # noqa: PLC0415 -- as above
    from harness.isolation import expectations, own  # noqa: PLC0415

    found = own.of_manifests(manifests).namespaces | roles.of_manifests(manifests).namespaces
    if settings.isolation_expectations is not None:
        actors = expectations.read(settings.isolation_expectations).actors.values()
        found |= {one.namespace for one in actors if one.kind is expectations.Kind.STAND_IN and one.namespace}
    return found


def render(folder: Path) -> str:
    """What a kustomization comes to, by the project's own kubectl, which is built if it is not in the cache."""
    from harness.clusters.embedded.build import build  # noqa: PLC0415 -- as above
    from harness.kube.kubectl import Kubectl  # noqa: PLC0415
    from harness.kube.manifests import kustomize  # noqa: PLC0415

    kubectl = build(Timeline(), ("kubenode",)).path("kubenode").with_name("kubectl")
    return kustomize(Kubectl(kubectl, Path(os.devnull)))(folder)
