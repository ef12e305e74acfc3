"""Wheels for the images' Python, fetched on this machine so that no build step needs the network."""

import hashlib
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.downloads import PIP
from harness.errors import BuildError
from harness.images.store import hold_lock
from harness.kube.kubectl import child_environment
from harness.kube.wait import patient

PYTHON_VERSION = "3.11"
# Debian 12 has glibc 2.36; pip does not take a platform to mean the older ones too.
GLIBC_MINORS = (36, 35, 34, 31, 28, 27, 24, 17, 5)
SECONDS = 600.0


def wheelhouse(requirements: Path, cache: Path) -> Path:
    """The folder with the wheels of ``requirements``, filled if it is not there yet.

    Raises BuildError with pip's last lines, for instance when a requirement has no wheel.
    """
    key = hashlib.sha256(f"{PYTHON_VERSION} {platform.machine()} {requirements.read_text()}".encode()).hexdigest()[:16]
    folder = cache / "wheelhouse" / key
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder.with_suffix(".lock"), f"another process to fetch the wheels of {requirements}"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as fresh:
                wheels = Path(fresh) / "wheels"
                _download(requirements, wheels)
                wheels.rename(folder)
    return folder


def _download(requirements: Path, folder: Path) -> None:
    machine = platform.machine()
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS] + [f"manylinux2014_{machine}"]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", *PIP),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON_VERSION),
        *(word for name in platforms for word in ("--platform", name)),
        *("--dest", str(folder), "--requirement", str(requirements)),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=patient(SECONDS),
        env=child_environment(),
    )
    if done.returncode:
        raise BuildError(f"the wheels of {requirements} could not be fetched:\n{done.stderr.strip()[-2000:]}")
