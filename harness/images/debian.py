"""Debian root file systems from packages, by mmdebstrap: the bases where no registry answers."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from harness.downloads import APT
from harness.errors import BuildError, PrerequisiteError
from harness.images.archive import ARCHIVE_VERSION, write_archive
from harness.images.recipe import DebianBase
from harness.kube.wait import patient

SECONDS = 900.0
EXCLUDED = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/i18n/*"),
    *("/usr/share/lintian/*", "/usr/lib/*/gconv/*"),
)
LEFT = ("var/lib/apt/lists/*", "var/cache/*", "var/log/*", "tmp/*", "etc/hostname", "etc/resolv.conf")
CLEAN_UP = f'cd "$1" && rm -rf {" ".join(LEFT)} etc/apt/apt.conf.d/99mmdebstrap'
HOOKS = Path("/usr/share/mmdebstrap/hooks/merged-usr")
# A merged /usr from the start: the package that merges it later would bring 48 MB of Perl.
ARGUMENTS = (
    *("--variant=minbase", "--quiet", f"--hook-dir={HOOKS}"),
    *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
    *(f"--aptopt={option.replace('=', ' ')};" for option in APT),
    f"--customize-hook={CLEAN_UP}",
)
PROCEDURE = "\0".join((*ARGUMENTS, str(ARCHIVE_VERSION)))


def make_debian(base: DebianBase, archive: Path, reference: str) -> None:
    """Write the base as a docker-archive with one layer.

    Raises PrerequisiteError without root or mmdebstrap, BuildError with its last lines.
    """
    if not shutil.which("mmdebstrap"):
        raise PrerequisiteError("mmdebstrap is not installed: apt-get install mmdebstrap")
    if os.geteuid():
        raise PrerequisiteError("base images can be made by root only: run as root, or start Docker or Podman")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".debian-") as folder:
        layer = Path(folder) / "layer.tar"
        include = ",".join(("usr-is-merged", *base.packages))
        command = ["mmdebstrap", *ARGUMENTS, f"--include={include}", base.release, str(layer)]
        command += [str(file) for file in sources_of(base.release, Path("/etc/apt"))]
        # mmdebstrap's chroot needs room that /tmp, often a small tmpfs, may lack; it opens it to the user _apt itself.
        environment = {**os.environ, "TMPDIR": "/var/tmp", "LC_ALL": "C.UTF-8"}  # noqa: S108 -- named with a random part
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=patient(SECONDS),
            env=environment,
            umask=0o022,  # as for every build
        )
        if done.returncode:
            raise BuildError(f"mmdebstrap could not make {base.name}:\n{done.stderr.strip()[-2000:]}")
        write_archive(archive, reference, [layer])


def sources_of(release: str, apt: Path) -> list[Path]:
    """The apt sources here that serve the release; none on another distribution: then Debian's own are used."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    return [file for file in files if file.is_file() and serves(release, file.read_text().splitlines())]


def serves(release: str, lines: Iterable[str]) -> bool:
    """Whether a sources file, of either format, has Debian's own archive of the release."""
    suites = rf"(.*\s)?{re.escape(release)}(\s.*)?$"
    one_line = re.compile(rf"deb\s+(\[[^]]*\]\s+)?\S*/debian/?\s+{re.escape(release)}\s")
    text = list(lines)
    of_debian = any(re.match(r"URIs:.*/debian/?(\s|$)", line) for line in text)
    return any(one_line.match(line) or (of_debian and re.match(rf"Suites:\s*{suites}", line)) for line in text)
