"""Debian packages that bring the programs the harness runs: which are missing, and how they come onto the machine."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.downloads import APT
from harness.errors import CommandError, PrerequisiteError
from harness.kube.wait import patient
from harness.locking import exclusively
from harness.paths import Paths
from harness.timeline import Timeline

PACKAGES: Mapping[str, Mapping[str, str]] = {
    "cluster": {
        "iptables": "iptables",
        "ipset": "ipset",
        "conntrack": "conntrack",
        "iproute2": "ip",
        "util-linux": "unshare",
        "mount": "mount",
        "kmod": "modprobe",
        "procps": "sysctl",
    },
    "build": {
        "buildah": "buildah",
        "mmdebstrap": "mmdebstrap",
        "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    },
    "compile": {
        "gcc": "gcc",
        "libc6-dev": "/usr/include/stdio.h",
        "libseccomp-dev": "/usr/include/seccomp.h",
        "pkg-config": "pkg-config",
    },
    "tests": {"postgresql-15": "/usr/lib/postgresql/15/bin/initdb", "curl": "curl"},
}
"""By group, each package with the program or file by which it is known to be there.

``cluster`` runs an embedded node, ``build`` builds images where there is no engine, ``compile`` compiles runc (needed
only while a node's programs are not yet built), ``tests`` is for the project's own tests.
"""

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
    """Install what is missing, where root and apt-get are there; two processes at once do it one after the other.

    Raises PrerequisiteError naming the packages and the command where it cannot be done, or did not help.
    """
    wanted = missing(groups)
    if not wanted:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PrerequisiteError(f"Debian packages are missing: {', '.join(wanted)}. As root: {by_hand(wanted)}")
    with exclusively(
        Paths.from_environment(os.environ).cache / "apt.lock", timeline, "another installation of packages"
    ):
        if wanted := missing(groups):
            with timeline.phase("Debian packages") as say:
                say(" ".join(wanted))
                _install(wanted)
            if left := missing(groups):
                raise PrerequisiteError(
                    f"installed {', '.join(left)}, and yet what they bring cannot be found; is PATH complete?"
                )


def by_hand(wanted: Sequence[str]) -> str:
    """The command with which a user installs these packages."""
    return f"apt-get update && apt-get install --yes --no-install-recommends {' '.join(wanted)}"


def _install(wanted: Sequence[str]) -> None:
    refused = ""
    try:
        _apt_get("update", "--quiet")
    except CommandError as error:
        # One broken source of many fails the update: whether it matters, the installation tells.
        refused = f"\nand before it: {error}"
    try:
        _apt_get("install", "--yes", "--quiet", "--no-install-recommends", *wanted)
    except CommandError as error:
        raise PrerequisiteError(f"do it by hand: `{by_hand(wanted)}`; {error}{refused}") from error


def _apt_get(*arguments: str) -> None:
    options = ("DPkg::Lock::Timeout=600", *APT)
    command = ["apt-get", *(f"--option={option}" for option in options), *arguments]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=patient(APT_SECONDS),
        )
    except subprocess.TimeoutExpired as expired:
        raise CommandError(command, -9, f"it did not end in {patient(APT_SECONDS):.0f} s") from expired
    if done.returncode:
        raise CommandError(command, done.returncode, (done.stdout + done.stderr)[-2000:])
