"""Broken builds of the case: the services with a patch on their sources, deployed in place of the sound ones."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.case import SERVICES, Case
from harness.errors import BuildError
from harness.images.catalogue import case_images
from harness.images.recipe import IGNORED
from harness.timeline import Timeline

BROKEN = Path(__file__).parent / "broken"
SOURCES = Path(__file__).parents[2] / "services"


def patches() -> list[str]:
    """The names of all patches."""
    return sorted(file.stem for file in BROKEN.glob("*.patch"))


def patched(name: str, folder: Path) -> Path:
    """The services' sources with a patch, in ``folder``. Raises BuildError where it does not apply."""
    sources = folder / "services"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns(*IGNORED))
    command = ["git", "apply", "--whitespace=nowarn", str(BROKEN / f"{name}.patch")]
    # Whatever repository the folder may lie in, the patch's paths are named from the folder.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False, env=environment
    )
    if done.returncode:
        raise BuildError(f"{BROKEN / name}.patch does not apply any more: {done.stderr.strip()}")
    return sources


@contextmanager
def deployed(case: Case, name: str) -> Iterator[Case]:
    """The case with a broken build, while the block runs; afterwards the sound one, on new databases."""
    with tempfile.TemporaryDirectory(prefix="harness-broken-") as folder:
        built = case_images(Timeline(), SERVICES, patched(name, Path(folder)))
    case.cluster.load_images([image.archive for image in built.values()])
    broken = replace(
        case, images={**case.images, **{one: case.cluster.reference(image.reference) for one, image in built.items()}}
    )
    try:
        broken.deploy()
        yield broken
    finally:
        broken.close()
        case.destroy()
        case.deploy()
