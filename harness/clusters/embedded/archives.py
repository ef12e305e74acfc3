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
from typing import IO, Any

from harness.errors import ClusterError

COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")
"""How gzip, zstd, bzip2 and xz begin."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def references(archive: Path) -> list[str]:
    """The images in a docker-archive, as ``name:tag``. Raises ClusterError where it is none."""
    with _opened(archive) as tar:
        return [tag for image in _images(tar, archive) for tag in image.get("RepoTags") or []]


def thin(archive: Path, present: Collection[str], to: Path) -> bool:
    """Write the images of a docker-archive to ``to`` as an OCI layout, less the layers ``present`` (``sha256:…``).

    False, and nothing is written, where the archive's layers are compressed or links: their digests are not known.
    Raises ClusterError where it is no docker-archive.
    """
    with _opened(archive) as source:
        images = _images(source, archive)
        members = {member.name: member for member in source.getmembers()}
        layers = {name for image in images for name in image["Layers"]}
        if not all(name in members and _is_plain(source, members[name]) for name in layers):
            return False
        with tarfile.open(to, "w") as target:
            written = set(present)

            def blob(content: IO[bytes], size: int, digest: str) -> None:
                if digest not in written:
                    written.add(digest)
                    _add(target, f"blobs/sha256/{digest.removeprefix('sha256:')}", content, size)

            index = []
            for image in images:
                config = _content(source, image["Config"])
                descriptors = []
                for name, digest in zip(image["Layers"], json.loads(config)["rootfs"]["diff_ids"], strict=True):
                    content = source.extractfile(members[name])
                    assert content is not None  # noqa: S101 -- it is a plain file
                    blob(content, members[name].size, digest)
                    descriptors.append({"mediaType": LAYER, "digest": digest, "size": members[name].size})
                of_config = _described(CONFIG, config)
                manifest = json.dumps(
                    {"schemaVersion": 2, "mediaType": MANIFEST, "config": of_config, "layers": descriptors}
                ).encode()
                of_manifest = _described(MANIFEST, manifest)
                blob(io.BytesIO(config), len(config), of_config["digest"])
                blob(io.BytesIO(manifest), len(manifest), of_manifest["digest"])
                index += [
                    {**of_manifest, "annotations": {"io.containerd.image.name": tag}} for tag in image["RepoTags"] or []
                ]
            for name, value in (
                ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                ("index.json", {"schemaVersion": 2, "manifests": index}),
            ):
                text = json.dumps(value).encode()
                _add(target, name, io.BytesIO(text), len(text))
    return True


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


def _is_plain(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    if not member.isfile():
        return False
    file = tar.extractfile(member)
    return file is not None and not file.read(6).startswith(COMPRESSED)


def _described(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{sha256(content).hexdigest()}", "size": len(content)}


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, content)
