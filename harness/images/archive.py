"""Writes docker-archive tars without an engine: images of given layers, the same bytes for the same content.

The format is that of ``docker save``: ``manifest.json`` names a configuration (image-spec's) and the layers.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.images.store import sha256

ARCHIVE_VERSION = 2  # part of the tags: to be raised when what is written changes
# The same for the same content. Without one, buildah finds none of the steps that it built on the image before.
CREATED = "1970-01-01T00:00:00Z"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """The architecture here, by the name that images have for it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def write_archive(
    archive: Path,
    reference: str,
    layers: Sequence[Path],
    *,
    entrypoint: Sequence[str] = (),
    user: str = "",
    environment: Mapping[str, str] | None = None,
) -> None:
    """Write an image of uncompressed tars, the lowest layer first."""
    variables = {"PATH": PATH, **(environment or {})}
    digests = [sha256(layer) for layer in layers]
    config = json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "created": CREATED,
            "config": {
                "Entrypoint": list(entrypoint) or None,
                "Cmd": None if entrypoint else ["/bin/sh"],
                "User": user,
                "Env": [f"{name}={value}" for name, value in variables.items()],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            "history": [{"created": CREATED, "created_by": "harness"} for _ in layers],
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": [f"{digest}.tar" for digest in digests]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, config_name, config)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        for digest, layer in zip(digests, layers, strict=True):
            entry = tarfile.TarInfo(f"{digest}.tar")
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
    write_archive(archive, reference, [layer], entrypoint=[f"/{binary.name}"], user=user)
    layer.unlink()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def extract_layers(archive: Path, folder: Path) -> list[Path]:
    """The layers of the one image in an archive that was written here, as tars in a folder."""
    with tarfile.open(archive) as tar:
        listing = tar.extractfile("manifest.json")
        assert listing is not None  # noqa: S101 -- it was written here
        (image,) = json.load(listing)
        for name in image["Layers"]:
            tar.extract(name, folder, filter="data")
    return [folder / name for name in image["Layers"]]
