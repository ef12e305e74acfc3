"""What builds a staged context: Docker or Podman where they and a registry answer, else buildah."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from harness import engine
from harness.errors import BuildError, PrerequisiteError
from harness.images.store import Image, hold_lock
from harness.kube.kubectl import child_environment
from harness.kube.wait import patient

BUILD_SECONDS = 900.0
PULL_SECONDS = 300.0
# Steps of earlier builds, reused where nothing changed. Pruning takes them all, so it is done seldom.
MOST_STORED = 200
# Namespaces of its own: however buildah or we end, its mounts and children end too, and the lock is not left too soon.
APART = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


class Engine(Protocol):
    """Builds images."""

    def build(self, context: Path, base: str, reference: str, archive: Path) -> None:
        """Build ``context`` (its Dockerfile at the root) on ``base`` and write it as docker-archive ``archive``.

        Raises BuildError with the last lines of what the engine said.
        """


class DockerEngine:
    """Docker or Podman: the same words do for both."""

    def __init__(self, there: engine.Engine) -> None:
        self._engine = there

    @classmethod
    def found(cls) -> "DockerEngine | None":
        """The engine that answers; None without one."""
        there = engine.found()
        return cls(there) if there else None

    def can_have(self, public: str) -> bool:
        """Whether the base is there or can be pulled."""
        return self._engine.can_have(public, PULL_SECONDS)

    def build(self, context: Path, base: str, reference: str, archive: Path) -> None:
        """See Engine."""
        arguments = ["--quiet", "--build-arg", f"BASE={base}", "--tag", reference]
        _run([self._engine.program, "build", *arguments, str(context)], reference)
        kind = ["--format", "docker-archive"] if self._engine.program == "podman" else []
        _run([self._engine.program, "save", *kind, "--output", str(archive), reference], reference)


class Buildah:
    """buildah as root, with a storage of its own under ``folder``: the machine's is never touched.

    Builds go one after another: they share a layer cache.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def build(self, context: Path, base: str, reference: str, archive: Path) -> None:
        """See Engine; ``base`` was provided before."""
        options = ["--isolation", "chroot", "--layers", "--force-rm", "--pull-never", "--quiet", "--format", "docker"]
        built = archive.with_suffix(".id")
        with self._alone() as buildah:
            _run([*buildah, "rm", "--all"], reference)  # what a build that was killed left
            given = ["--build-arg", f"BASE={base}", "--iidfile", str(built)]
            _run([*buildah, "bud", *options, *given, str(context)], reference)
            # By its id: a name in the storage would go into the archive as a second one.
            _run(
                [*buildah, "push", "--quiet", built.read_text().strip(), f"docker-archive:{archive}:{reference}"],
                reference,
            )
            stored = _run([*buildah, "images", "--quiet", "--all"], reference).split()
            if len(stored) > MOST_STORED:
                _run([*buildah, "rmi", "--prune"], reference)

    def provide(self, image: Image) -> str:
        """Put an image into the storage unless it is there, as a base for others. Returns its name there."""
        with self._alone() as buildah:
            if not _succeeds([*buildah, "inspect", "--type", "image", image.reference], seconds=60):
                _run([*buildah, "pull", "--quiet", f"docker-archive:{image.archive}"], image.reference)
        return image.reference

    @contextmanager
    def _alone(self) -> Iterator[list[str]]:
        """The command up to its storage, with that storage to ourselves."""
        if not shutil.which("buildah"):
            raise PrerequisiteError(
                "neither Docker nor Podman answers, and buildah is not installed: apt-get install buildah"
            )
        if os.geteuid():
            raise PrerequisiteError("buildah needs root here: run as root, or start Docker or Podman")
        self._folder.mkdir(parents=True, exist_ok=True)
        with hold_lock(self._folder / "lock", "another process to end its builds"):
            roots = ["--root", str(self._folder / "root"), "--runroot", str(self._folder / "run")]
            yield [*APART, "buildah", *roots, "--storage-driver", self._driver(roots)]

    def _driver(self, roots: Sequence[str]) -> str:
        """``overlay`` where the cache's file system carries it, else ``vfs``. Decided once for a storage."""
        chosen = self._folder / "driver"
        if not chosen.exists():
            works = _succeeds([*APART, "buildah", *roots, "--storage-driver", "overlay", "images"], seconds=60)
            chosen.write_text("overlay" if works else "vfs")
        return chosen.read_text()


def _succeeds(command: Sequence[str], seconds: float) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=seconds, env=child_environment())
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _run(command: Sequence[str], reference: str) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=patient(BUILD_SECONDS),
            env=child_environment(),
            umask=0o022,  # what a build makes is for a container's user to read, whatever the user's own umask
        )
    except subprocess.TimeoutExpired as expired:
        said = expired.stdout.decode(errors="replace") if isinstance(expired.stdout, bytes) else ""
        raise BuildError(
            f"{reference}: `{_name(command)}` did not end in {BUILD_SECONDS:.0f} s:\n{said[-2000:]}"
        ) from None
    if done.returncode:
        raise BuildError(f"{reference} could not be built by {_name(command)}:\n{done.stdout.strip()[-3000:]}")
    return done.stdout


def _name(command: Sequence[str]) -> str:
    """The program that a command is about."""
    return command[len(APART)] if command[: len(APART)] == list(APART) else command[0]
