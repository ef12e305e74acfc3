"""Images come onto a node by its containerd's ``ctr``: those that it has are skipped, and so are layers that it has."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from harness.clusters.archives import digests, thin


class Ctr(Protocol):
    """Runs ``ctr -n k8s.io`` on the node."""

    def __call__(self, *arguments: str, stdin: Path | None = None) -> str:
        """What it prints; ``stdin`` is a file of this machine. Raises CommandError."""


def load_images(ctr: Ctr, archives: Sequence[Path], scratch: Path) -> None:
    """Import docker-archive tars, skipping those that the node has under the same names.

    ``scratch`` is a folder for what is made of an archive whose layers the node has in part.
    """
    if not archives:
        return
    there = dict(_named_digests(ctr("images", "ls")))
    present = ctr("content", "ls", "-q").split()
    for archive in archives:
        if all(digest and there.get(name) == digest for name, digest in digests(archive).items()):
            continue
        with tempfile.NamedTemporaryFile(dir=scratch, prefix="image-") as file:
            less = Path(file.name)
            ctr("images", "import", "-", stdin=less if thin(archive, present, less) else archive)


def _named_digests(listed: str) -> Iterator[tuple[str, str]]:
    """The images that ``ctr images ls`` lists: REF, TYPE, DIGEST and more, below a line of titles."""
    for line in listed.splitlines()[1:]:
        name, _, digest, *_ = line.split()
        yield name, digest
