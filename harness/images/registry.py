"""A registry that the user may push to, for clusters whose nodes can only pull.

Pushing is left to ``crane``: it knows the credentials that `docker login` and the clouds' helpers have left, and sends
no layer that the registry has.
"""

import json
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import ClusterError, UsageError
from harness.images.catalogue import REPOSITORY
from harness.kube.wait import patient
from harness.timeline import Timeline

PUSH_SECONDS: Final = 1800.0
"""How long one image may take, by a slow line."""

_OURS: Final = f"{REPOSITORY}/"


@dataclass(frozen=True)
class Registry:
    """Where images go: ``prefix`` is a registry and a path in it, ``crane`` gives the program that pushes."""

    prefix: str
    crane: Callable[[Timeline], Path]

    def prepare(self, timeline: Timeline) -> None:
        """Build crane, or find it in the cache."""
        self.crane(timeline)

    def reference(self, image: str) -> str:
        """How an image is named there: its own registry gives way to the prefix."""
        host, slash, rest = image.partition("/")
        is_host = bool(slash) and (host == "localhost" or not {".", ":"}.isdisjoint(host))
        return f"{self.prefix}/{rest if is_host else image}"

    def push(self, archives: Sequence[Path], timeline: Timeline) -> None:
        """Put the images of docker-archive tars there. Raises UsageError for a tar that does not hold one image.

        The tags of the harness's own images are hashes of their content: one that is there is not pushed again. Raises
        ClusterError, in the registry's words, where it does not take an image.
        """
        named = [(archive, _only_name(archive)) for archive in archives]
        crane = self.crane(timeline)
        for archive, name in named:
            target = self.reference(name)
            if name.startswith(_OURS) and _run(crane, "digest", target).returncode == 0:
                continue
            with timeline.phase(f"push {target}"):
                done = _run(crane, "push", str(archive), target)
                if done.returncode:
                    raise ClusterError(
                        f"the image {name} could not be pushed to {target} (--image-prefix): {_words(done.stderr)};"
                        f" `docker login {target.partition('/')[0]}` leaves credentials where they are looked for"
                    )


def _only_name(archive: Path) -> str:
    """The name and tag of the one image in a docker-archive."""
    with tarfile.open(archive) as tar:
        listing = tar.extractfile("manifest.json")
        images = json.load(listing) if listing else []
    names = [name for one in images for name in one.get("RepoTags") or ()]
    if len(images) != 1 or len(names) != 1:
        held = f"{len(images)} images with the names {', '.join(names) or '(none)'}"
        raise UsageError(f"{archive} holds {held}: to be pushed it must hold one image with one name")
    return str(names[0])


def _run(crane: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(crane), *arguments]
    seconds = patient(PUSH_SECONDS)
    try:
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{' '.join(command)}` has not ended within {seconds:.0f} s") from error


def _words(said: str) -> str:
    """The last line of what crane says: what is before it tells of each try."""
    return said.strip().rpartition("\n")[2] or "it said nothing"
