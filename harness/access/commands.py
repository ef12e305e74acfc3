"""The commands ``access export`` and ``access diff``: what they ask a cluster, and what comes of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.access.callers import Caller
from harness.access.diff import Difference, differences
from harness.access.discovery import discovered
from harness.access.expectations import read
from harness.access.export import asked, exported
from harness.access.matrix import Cell, State
from harness.access.resources import beyond, served
from harness.access.review import review
from harness.access.snapshot import realm_on
from harness.access.whom import default_subjects, given, named_objects, places_of
from harness.errors import ProbeError, UsageError
from harness.kube.client import Api

CALLERS: Final = 2
"""So many ask at once."""
SHOWN: Final = 5
"""So many cells without an answer are told."""
HEAD: Final = """\
Who may do what through the API today, by the server's own reviews, as `python -m harness access export` found it.
It says what is, not what is meant: take away what should not be, and give it to pytest by --access-expectations.
"""


def export(api: Api, subjects: Sequence[str], namespaces: Sequence[str]) -> str:
    """Today's matrix of a cluster as a file of expectations. The cluster is only asked, and nothing on it changes.

    ``subjects`` as the command line has them; none: everybody whom a RoleBinding of the namespaces names, and their
    ServiceAccounts. No ``namespaces``: all that are not the cluster's own. Raises UsageError, ApiError, and ProbeError
    where a review does not answer.
    """
    realm = realm_on(api)
    places = places_of(realm, namespaces)
    whom = given(realm, subjects) if subjects else default_subjects(realm, places)
    if not whom:
        where = ", ".join(places) or "a namespace of its own"
        raise UsageError(f"the cluster has nobody who is bound in {where}: name whom to ask for, by --subject")
    resources = (*discovered(api), *beyond())
    named = named_objects(realm, resources, places, whom)
    found = review([Caller(api) for _ in range(CALLERS)], asked(whom, resources, places, named))
    if lost := [cell for cell, seen in found.items() if seen.state is State.UNKNOWN]:
        told = "\n".join(f"{cell}: {found[cell]}" for cell in lost[:SHOWN])
        raise ProbeError(f"{len(lost)} of {len(found)} reviews have no answer:\n{told}")

    def allowed(cell: Cell) -> bool:
        return found[cell].state is State.ALLOWED

    return exported(whom, resources, places, allowed, named=named, head=HEAD)


def diff(before: Path, after: Path) -> list[Difference]:
    """In what two files of expectations differ. Raises ManifestError."""
    return differences(read(before), read(after), (*served(), *beyond()))
