"""Builds the embedded node's programs from their Go modules, into a cache that is addressed by content.

What lies in the cache under a program's key (see ``programs``) is never built again. All programs of a module that are
missing are built by one ``go build``, so that what they share compiles once; Go's own build cache lets an interrupted
build go on where it stopped.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import packages
from harness.clusters.embedded import binaries, modules, programs
from harness.clusters.embedded.gocommand import Go
from harness.clusters.embedded.gotoolchain import COMPONENTS, toolchain
from harness.clusters.embedded.programs import Program
from harness.clusters.embedded.progress import PACKAGE, PackageProgress
from harness.downloads import again
from harness.errors import BuildError, CommandError
from harness.locking import exclusively
from harness.paths import Paths
from harness.timeline import Timeline

OUTPUT = "output-"
"""Begins the name of a folder that a build writes to."""


@dataclass(frozen=True)
class Components:
    """Built programs. A binary that is several programs lies beside a link for each name it is called by."""

    paths: Mapping[str, Path]

    def path(self, name: str) -> Path:
        """Where the program of that name lies. Raises KeyError for one that was not asked for."""
        return self.paths[name]


def build(timeline: Timeline, names: Collection[str] | None = None, cache: Path | None = None) -> Components:
    """Build those of ``names`` (default: every component) that the cache does not have, and return where they lie.

    Raises UsageError for an unknown name, PrerequisiteError where Go or a C compiler is missing and cannot be fetched,
    BuildError with the last lines of what Go said. Another process that builds is waited for.
    """
    chosen = programs.choose(names)
    cache = cache or default_cache()
    return Builder(toolchain(timeline, cache), cache).build(chosen, timeline)


def calico_crds(timeline: Timeline, cache: Path | None = None) -> Path:
    """The folder of Calico's CustomResourceDefinitions, from the Go module that its programs are built from."""
    return _excerpt(modules.CALICO_CRDS, timeline, cache)


def kind_files(timeline: Timeline, cache: Path | None = None) -> Path:
    """The folder of the files that kind puts into its node images, from the Go module that kind is built from."""
    return _excerpt(modules.KIND_FILES, timeline, cache)


def minikube_files(timeline: Timeline, cache: Path | None = None) -> Path:
    """The folder of the files of Minikube's base image, from the Go module that Minikube is built from."""
    return _excerpt(modules.MINIKUBE_FILES, timeline, cache)


def _excerpt(excerpt: modules.Excerpt, timeline: Timeline, cache: Path | None) -> Path:
    cache = cache or default_cache()
    folder = modules.excerpt_folder(excerpt, COMPONENTS, cache)
    if not folder.is_dir():
        builder = Builder(toolchain(timeline, cache), cache)
        with builder.alone(timeline):
            if not folder.is_dir():
                modules.copy_excerpt(builder.go, excerpt, COMPONENTS, folder)
    return folder


def cold_build(timeline: Timeline) -> float:
    """Build every component from an empty build cache, and return the seconds it took; modules are downloaded before.

    What was built is thrown away; the cache is not touched.
    """
    cache = default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    go = toolchain(timeline, cache)
    with tempfile.TemporaryDirectory(dir=cache, prefix="cold-") as folder:
        builder = Builder(go, Path(folder), environment={"GOCACHE": str(Path(folder) / "go-build")})
        chosen = programs.choose(None)
        builder.download(chosen, timeline)
        began = time.monotonic()
        builder.build(chosen, timeline)
        return time.monotonic() - began


def default_cache() -> Path:
    """The cache folder of this user."""
    return Paths.from_environment(os.environ).cache


@dataclass(frozen=True)
class Builder:
    """Builds with ``go`` into ``cache`` what ``sources``, a folder of Go modules, holds."""

    go: Go
    cache: Path
    sources: Path = COMPONENTS
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of ``go``."""

    def build(self, chosen: Mapping[str, Program], timeline: Timeline) -> Components:
        """Build what is missing of these programs, by name."""
        folders = {name: self._folder(name, program) for name, program in chosen.items()}
        if stale := self._stale(chosen, folders):
            if any(program.cgo for program in stale.values()):
                packages.ensure(timeline, ("compile",))
            with self.alone(timeline):
                # Another process may have built it while we waited.
                if stale := self._stale(chosen, folders):
                    self._build(stale, folders, timeline)
        paths = {name: folders[name] / name for name in chosen}
        calls = {call: folders[name] / call for name, program in chosen.items() for call in program.calls}
        return Components(paths | calls)

    def download(self, chosen: Mapping[str, Program], timeline: Timeline) -> None:
        """Download the modules that these programs need, without building anything."""
        with self.alone(timeline):
            self._resolve(chosen, timeline)

    @contextmanager
    def alone(self, timeline: Timeline) -> Iterator[None]:
        """Keep other builds of this cache waiting for the block."""
        with exclusively(self.cache / "build" / "lock", timeline, "another build of the components"):
            yield

    def _folder(self, name: str, program: Program) -> Path:
        return self.cache / "components" / name / programs.key(program, self.sources, self.go.version)

    @staticmethod
    def _stale(chosen: Mapping[str, Program], folders: Mapping[str, Path]) -> dict[str, Program]:
        return {name: program for name, program in chosen.items() if not binaries.is_whole(folders[name], name)}

    def _build(self, stale: Mapping[str, Program], folders: Mapping[str, Path], timeline: Timeline) -> None:
        for left_by_a_killed_build in (self.cache / "build").glob(f"{OUTPUT}*"):
            shutil.rmtree(left_by_a_killed_build)
        needed = self._resolve(stale, timeline)
        began = time.monotonic()
        try:
            with PackageProgress(timeline, sum(needed)) as progress:
                for batch, count in zip(programs.batches(stale), needed, strict=True):
                    self._compile(batch, folders, progress)
                    progress.finish(count)
        except BaseException:
            timeline.record("build components", time.monotonic() - began, ", ".join(stale), mark="✗")
            raise
        timeline.record("build components", time.monotonic() - began, f"{sum(needed)} packages for {', '.join(stale)}")

    def _resolve(self, chosen: Mapping[str, Program], timeline: Timeline) -> list[int]:
        """Stage the modules, download what they need, and return how many packages each batch has to compile."""
        with timeline.phase("Go modules") as say:
            downloaded = 0

            def heard(line: str) -> None:
                nonlocal downloaded
                if line.startswith("go: downloading"):
                    downloaded += 1
                    say(f"{downloaded} downloaded")

            for module in sorted({program.module for program in chosen.values()}):
                modules.stage(self.go, self.sources / module, self._staged(module))
            return [self._stale_packages(batch, heard, say) for batch in programs.batches(chosen)]

    def _stale_packages(
        self, batch: Mapping[str, Program], heard: Callable[[str], None], say: Callable[[str], None]
    ) -> int:
        first = next(iter(batch.values()))
        listing = ["list", "-deps", *first.flags(), "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"]
        names = [program.package for program in batch.values()]
        try:
            variables, staged = self._variables(first), self._staged(first.module)
            stale = again(lambda: self.go.run([*listing, *names], staged, variables, heard), say)
        except CommandError as error:
            raise BuildError(
                f"the modules of {', '.join(batch)} could not be downloaded:\n{error.output.strip()}"
            ) from error
        return len(stale.split())

    def _compile(self, batch: Mapping[str, Program], folders: Mapping[str, Path], progress: PackageProgress) -> None:
        first = next(iter(batch.values()))
        staged = self._staged(first.module)
        go_mod = (staged / "go.mod").read_text()
        with tempfile.TemporaryDirectory(dir=staged.parent, prefix=OUTPUT) as output:
            # Go's and the compilers' own temporary files, too: what is killed cannot remove them.
            temporary = {"GOTMPDIR": output, "TMPDIR": output}
            built = Path(output) / "built"
            options = [*first.flags(), *(program.link_option(go_mod) for program in batch.values())]
            names = [program.package for program in batch.values()]
            arguments = ["build", "-v", *options, "-o", f"{built}{os.sep}", *names]
            try:
                self.go.run(arguments, staged, self._variables(first) | temporary, progress.heard)
            except CommandError as error:
                said = [line for line in error.output.splitlines() if not PACKAGE.fullmatch(line)]
                raise BuildError(
                    f"`go build` of {', '.join(batch)} ended with status {error.status}:\n" + "\n".join(said)
                ) from error
            for name, program in batch.items():
                binaries.keep(built / program.built_as, folders[name], name, program.calls)

    def _staged(self, module: str) -> Path:
        return self.cache / "build" / module

    def _variables(self, program: Program) -> dict[str, str]:
        return {**self.environment, "CGO_ENABLED": str(int(program.cgo))}


def main() -> None:
    """Stage the modules, and print the folder they are in: for `go mod tidy` (see components/README.md)."""
    cache = default_cache()
    timeline = Timeline()
    builder = Builder(toolchain(timeline, cache), cache)
    builder.download(programs.choose(None), timeline)
    print(cache / "build")  # noqa: T201 -- what a command is asked for


if __name__ == "__main__":
    main()
