"""Writes docker-archive tars without an engine: images of one layer, the same bytes for the same content.

The format is that of ``docker save``: ``manifest.json`` names a configuration (image-spec's) and the layers.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from pathlib import Path

from harness.images.store import sha256

ARCHIVE_VERSION = 2  # part of the tags: to be raised when what is written changes
# The same for the same content. Without one, buildah finds none of the steps that it built on the image before.
CREATED = "1970-01-01T00:00:00Z"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """The architecture here, by the name that images have for it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def write_archive(archive: Path, reference: str, layer: Path, entrypoint: Sequence[str] = (), user: str = "") -> None:
    """Write an image whose only layer is the uncompressed tar ``layer``."""
    diff = sha256(layer)
    config = json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "created": CREATED,
            "config": {
                "Entrypoint": list(entrypoint) or None,
                "Cmd": None if entrypoint else ["/bin/sh"],
                "User": user,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
            "history": [{"created": CREATED, "created_by": "harness"}],
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": [f"{diff}.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, config_name, config)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        entry = tarfile.TarInfo(f"{diff}.tar")
        entry.size = layer.stat().st_size
        with layer.open("rb") as content:
            tar.addfile(entry, content)


def write_binary_archive(archive: Path, reference: str, binary: Path, user: str) -> None:
    """Write an image that holds one static binary as ``/<its name>``, its entrypoint, and an empty ``/tmp``."""
    layer = archive.with_suffix(".layer")
    with tarfile.open(layer, "w") as tar:
        tmp = tarfile.TarInfo("tmp")
        tmp.type = tarfile.DIRTYPE
        tmp.mode = 0o1777
        tar.addfile(tmp)
        entry = tarfile.TarInfo(binary.name)
        entry.mode = 0o755
        entry.size = binary.stat().st_size
        with binary.open("rb") as content:
            tar.addfile(entry, content)
    write_archive(archive, reference, layer, entrypoint=[f"/{binary.name}"], user=user)
    layer.unlink()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
