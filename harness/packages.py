"""Debian packages that a program of the harness needs: which are missing, and how they come onto the machine."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import CommandError, PrerequisiteError
from harness.timeline import Timeline

PACKAGES: dict[str, dict[str, str]] = {
    "cluster": {
        "iptables": "iptables",
        "ipset": "ipset",
        "conntrack": "conntrack",
        "iproute2": "ip",
        "util-linux": "unshare",
        "mount": "mount",
        "kmod": "modprobe",
    },
    "build": {
        "gcc": "gcc",
        "libc6-dev": "/usr/include/stdio.h",
        "libseccomp-dev": "/usr/include/seccomp.h",
        "pkg-config": "pkg-config",
        "buildah": "buildah",
        "mmdebstrap": "mmdebstrap",
        "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    },
    "tests": {"postgresql-15": "/usr/lib/postgresql/15/bin/initdb", "curl": "curl"},
}
"""By group: each package, and the program or file by which it is known to be there."""

APT_SECONDS = 900


def missing(groups: Sequence[str], there: Callable[[str], bool] | None = None) -> list[str]:
    """The packages of these groups whose program or file is not there (``there`` tells, by default this machine)."""
    known = there or is_there
    return [package for group in groups for package, sign in PACKAGES[group].items() if not known(sign)]


def is_there(sign: str) -> bool:
    """Whether a file exists, or a program can be found, also in the folders that only root has on PATH."""
    if sign.startswith("/"):
        return Path(sign).exists()
    return shutil.which(sign, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def ensure(timeline: Timeline, groups: Sequence[str] = ("cluster", "build")) -> None:
    """Install what is missing, where root and apt-get are there.

    Raises PrerequisiteError naming the packages and the command where they are not, or where the installation fails.
    """
    wanted = missing(groups)
    if not wanted:
        return
    by_hand = f"apt-get install {' '.join(wanted)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PrerequisiteError(f"Debian packages are missing: {', '.join(wanted)}. As root: {by_hand}")
    with timeline.phase("Debian packages") as say:
        say(" ".join(wanted))
        try:
            _apt_get("update", "--quiet")
            _apt_get("install", "--yes", "--quiet", "--no-install-recommends", *wanted)
        except (CommandError, subprocess.TimeoutExpired) as error:
            raise PrerequisiteError(f"`{by_hand}` did not work, do it by hand: {error}") from error


def _apt_get(*arguments: str) -> None:
    command = ["apt-get", "--option=DPkg::Lock::Timeout=600", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=APT_SECONDS,
    )
    if done.returncode:
        raise CommandError(command, done.returncode, done.stderr[-2000:])
