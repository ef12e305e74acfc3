"""Programs of Debian packages that are not installed: they are downloaded, and unpacked in the cache.

What a package's scripts would do when it is installed, start a service for one, is not done.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.downloads import APT
from harness.errors import CommandError, PrerequisiteError
from harness.kube.wait import patient
from harness.locking import exclusively
from harness.timeline import Timeline

SECONDS: Final = 900.0
DIGITS: Final = 16


def unpacked(packages: Sequence[str], cache: Path, timeline: Timeline) -> Path:
    """The folder that holds the files of these packages, whole, as they would lie below ``/``.

    Raises PrerequisiteError where apt-get is missing, or a package cannot be downloaded.
    """
    folder = cache / "debs" / _key(packages)
    if folder.is_dir():
        return folder
    with exclusively(cache / "debs.lock", timeline, "another process that unpacks packages"):
        if not folder.is_dir():
            with timeline.phase("Debian packages") as say:
                say(f"{' '.join(packages)}, unpacked and not installed")
                _unpack(packages, folder)
    return folder


def _key(packages: Sequence[str]) -> str:
    release = platform.freedesktop_os_release()
    parts = [*sorted(packages), release.get("ID", ""), release.get("VERSION_ID", ""), platform.machine()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:DIGITS]


def _unpack(packages: Sequence[str], folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise PrerequisiteError(f"{', '.join(packages)} come from Debian's packages, and there is no apt-get here")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fresh-") as name:
        fresh = Path(name)
        # Lists of its own: those of the machine may be missing, and are its user's to renew.
        lists, root = fresh / "lists", fresh / "root"
        (lists / "partial").mkdir(parents=True)
        options = [f"--option={one}" for one in (*APT, f"Dir::State::lists={lists}", "APT::Sandbox::User=root")]
        try:
            _run("apt-get", *options, "--quiet", "update", folder=fresh)
            _run("apt-get", *options, "--quiet", "download", *packages, folder=fresh)
            for package in sorted(fresh.glob("*.deb")):
                _run("dpkg", "--extract", str(package), str(root), folder=fresh)
        except CommandError as error:
            raise PrerequisiteError(
                f"what is in Debian's packages could not be downloaded and unpacked: {error}"
            ) from error
        root.chmod(0o755)
        root.rename(folder)


def _run(*command: str, folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=patient(SECONDS),
        )
    except subprocess.TimeoutExpired as expired:
        raise CommandError(command, -9, f"it did not end in {patient(SECONDS):.0f} s") from expired
    if done.returncode:
        raise CommandError(command, done.returncode, (done.stdout + done.stderr)[-2000:])
