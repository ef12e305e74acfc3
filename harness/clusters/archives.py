"""Image archives as the node takes them: a layer that it has already is left out.

containerd writes and syncs every byte of an archive before it sees that it has the layer, and the images of one base
share most of theirs. What an image is made of (the OCI image specification's layout) names its layers by digest, so
those in the node's content store need not be sent again.
"""

import io
import json
import tarfile
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, cast

from harness.clusters.references import normalized
from harness.errors import ClusterError

COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")
"""How gzip, zstd, bzip2 and xz begin."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digests(archive: Path) -> dict[str, str]:
    """The images in a docker-archive by their whole names: the digest by which ``thin`` names each.

    It is empty where the layers are compressed or links. Raises ClusterError where it is no docker-archive, or where it
    names no image: nothing could ask for one.
    """
    found: dict[str, str] = {}
    with _opened(archive) as tar:
        try:
            for image in _images(tar, archive):
                plain = all(_is_plain(tar, name) for name in image["Layers"])
                digest = _digest(_documents(tar, image)[1]) if plain else ""
                found |= dict.fromkeys(_names(image), digest)
        except (KeyError, ValueError, tarfile.TarError) as error:
            raise _broken(archive, error) from error
    if not found:
        raise ClusterError(
            f"the image archive {archive} names no image (its RepoTags are empty), so that no pod could ask for it: "
            "save it by its name, as in `docker save my-service:1`"
        )
    return found


def thin(archive: Path, present: Collection[str], to: Path) -> bool:
    """Write the images of a docker-archive to ``to`` as an OCI layout, less the layers ``present`` (``sha256:…``).

    False, and nothing is written, where the archive's layers are compressed or links: their digests are not known.
    Raises ClusterError where it is no docker-archive.
    """
    try:
        return _thin(archive, present, to)
    except (KeyError, ValueError, tarfile.TarError) as error:
        raise _broken(archive, error) from error


def _broken(archive: Path, error: Exception) -> ClusterError:
    return ClusterError(f"the image archive {archive} does not hold together: {error}")


def _thin(archive: Path, present: Collection[str], to: Path) -> bool:
    with _opened(archive) as source:
        images = _images(source, archive)
        layers = {name for image in images for name in image["Layers"]}
        if not all(_is_plain(source, name) for name in layers):
            return False
        with tarfile.open(to, "w") as target:
            layout = _Layout(target, set(present))
            for image in images:
                layout.add_image(source, image)
            layout.finish()
    return True


class _Layout:
    """An OCI layout that is being written: every blob once, and none of those in ``there``."""

    def __init__(self, tar: tarfile.TarFile, there: set[str]) -> None:
        self._tar = tar
        self._there = there
        self._index: list[dict[str, Any]] = []

    def add_image(self, source: tarfile.TarFile, image: dict[str, Any]) -> None:
        """An entry of a docker-archive's manifest.json: its configuration and the layers below it."""
        config, manifest = _documents(source, image)
        for name, layer in zip(image["Layers"], json.loads(manifest)["layers"], strict=True):
            self._blob(cast("IO[bytes]", source.extractfile(name)), layer["size"], layer["digest"])
        for content in (config, manifest):
            self._blob(io.BytesIO(content), len(content), _digest(content))
        names = [{"io.containerd.image.name": name} for name in _names(image)]
        self._index += [{**_described(MANIFEST, manifest), "annotations": name} for name in names]

    def finish(self) -> None:
        """Write what says what is in it."""
        for name, value in (
            ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
            ("index.json", {"schemaVersion": 2, "manifests": self._index}),
        ):
            text = json.dumps(value).encode()
            self._add(name, io.BytesIO(text), len(text))

    def _blob(self, content: IO[bytes], size: int, digest: str) -> None:
        if digest not in self._there:
            self._there.add(digest)
            self._add(f"blobs/sha256/{digest.removeprefix('sha256:')}", content, size)

    def _add(self, name: str, content: IO[bytes], size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size = size
        self._tar.addfile(member, content)


def _documents(source: tarfile.TarFile, image: dict[str, Any]) -> tuple[bytes, bytes]:
    """The configuration of an image, and its manifest in an OCI layout."""
    config = _content(source, image["Config"])
    diff_ids = json.loads(config)["rootfs"]["diff_ids"]
    layers = [
        {"mediaType": LAYER, "digest": digest, "size": source.getmember(name).size}
        for name, digest in zip(image["Layers"], diff_ids, strict=True)
    ]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": _described(CONFIG, config), "layers": layers}
    return config, json.dumps(manifest).encode()


def _described(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _names(image: dict[str, Any]) -> list[str]:
    return [normalized(tag) for tag in image.get("RepoTags") or []]


def _opened(archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(archive)
    except (OSError, tarfile.TarError) as error:
        raise ClusterError(f"the image archive {archive} cannot be read: {error}") from error


def _images(tar: tarfile.TarFile, archive: Path) -> list[dict[str, Any]]:
    try:
        images: list[dict[str, Any]] = json.loads(_content(tar, "manifest.json"))
    except (KeyError, ValueError, tarfile.TarError) as error:
        raise ClusterError(f"{archive} is no docker-archive: it has no readable manifest.json") from error
    return images


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def _is_plain(tar: tarfile.TarFile, name: str) -> bool:
    file = tar.extractfile(name) if tar.getmember(name).isfile() else None
    return file is not None and not file.read(6).startswith(COMPRESSED)
