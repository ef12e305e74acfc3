"""Image archives lose the layers that the node has, and nothing else."""

import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from harness.clusters.archives import digests, thin
from harness.errors import ClusterError

BASE, TOP = b"the base's files", b"the app's files"
NAME = "harness.dev/shop:1"


def digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def archive_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def docker_archive(
    path: Path, *layers: bytes, diff_ids: list[str] | None = None, tags: Sequence[str] | None = (NAME,)
) -> Path:
    """As `docker save` writes it; without tags where it was given an id."""
    config = json.dumps({"rootfs": {"diff_ids": diff_ids or [digest(layer) for layer in layers]}}).encode()
    names = [f"{number}.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": tags, "Layers": names}]).encode()
    return archive_of(path, {"config.json": config, "manifest.json": manifest, **dict(zip(names, layers, strict=True))})


def content_of(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {name: (tar.extractfile(name) or io.BytesIO()).read() for name in tar.getnames()}


def blob(files: dict[str, bytes], described: dict[str, Any]) -> bytes:
    """The blob of a descriptor, which must describe it truly."""
    content = files[f"blobs/sha256/{described['digest'].removeprefix('sha256:')}"]
    assert (digest(content), len(content)) == (described["digest"], described["size"])
    return content


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return docker_archive(tmp_path / "image.tar", BASE, TOP)


def test_an_archive_names_its_images_with_the_digests_that_the_node_will_have(image: Path, tmp_path: Path) -> None:
    thin(image, [], tmp_path / "thin.tar")

    [described] = json.loads(content_of(tmp_path / "thin.tar")["index.json"])["manifests"]
    assert digests(image) == {NAME: described["digest"]}


def test_the_same_name_with_other_content_is_another_image(image: Path, tmp_path: Path) -> None:
    other = docker_archive(tmp_path / "other.tar", BASE, b"the app's new files")

    assert digests(image).keys() == digests(other).keys()
    assert digests(image) != digests(other)


def test_a_short_name_is_stored_whole(tmp_path: Path) -> None:
    image = docker_archive(tmp_path / "image.tar", BASE, tags=["my-service:1", "team/my-service"])

    thin(image, [], tmp_path / "thin.tar")

    wanted = ["docker.io/library/my-service:1", "docker.io/team/my-service:latest"]
    manifests = json.loads(content_of(tmp_path / "thin.tar")["index.json"])["manifests"]
    assert [one["annotations"]["io.containerd.image.name"] for one in manifests] == wanted
    assert list(digests(image)) == wanted


@pytest.mark.parametrize("tags", [None, []])
def test_an_archive_that_names_no_image_is_refused_with_what_to_do(tmp_path: Path, tags: Sequence[str] | None) -> None:
    image = docker_archive(tmp_path / "image.tar", BASE, tags=tags)

    with pytest.raises(ClusterError, match=r"names no image .*docker save my-service:1"):
        digests(image)


def test_nothing_is_lost_where_the_node_has_nothing(image: Path, tmp_path: Path) -> None:
    assert thin(image, [], tmp_path / "thin.tar")

    files = content_of(tmp_path / "thin.tar")
    [described] = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blob(files, described))
    assert described["annotations"] == {"io.containerd.image.name": NAME}
    assert [blob(files, layer) for layer in manifest["layers"]] == [BASE, TOP]
    assert json.loads(blob(files, manifest["config"]))["rootfs"]["diff_ids"] == [digest(BASE), digest(TOP)]


def test_a_layer_that_the_node_has_is_named_and_left_out(image: Path, tmp_path: Path) -> None:
    assert thin(image, [digest(BASE)], tmp_path / "thin.tar")

    files = content_of(tmp_path / "thin.tar")
    [described] = json.loads(files["index.json"])["manifests"]
    layers = json.loads(blob(files, described))["layers"]
    assert [layer["digest"] for layer in layers] == [digest(BASE), digest(TOP)]
    assert BASE not in files.values()
    assert TOP in files.values()


def test_an_archive_with_compressed_layers_is_left_as_it_is(tmp_path: Path) -> None:
    image = docker_archive(tmp_path / "image.tar", gzip.compress(BASE), diff_ids=[digest(BASE)])

    assert not thin(image, [], tmp_path / "thin.tar")
    assert not (tmp_path / "thin.tar").exists()
    assert digests(image) == {NAME: ""}


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({}, "no readable manifest.json"),
        ({"manifest.json": b"{"}, "no readable manifest.json"),
        ({"manifest.json": b'[{"Config": "c", "Layers": ["gone.tar"]}]'}, "gone.tar"),
        ({"manifest.json": b'[{"Config": "c", "Layers": []}]', "c": b"{}"}, "rootfs"),
    ],
)
def test_an_archive_that_does_not_hold_together_is_refused(tmp_path: Path, files: dict[str, bytes], word: str) -> None:
    image = archive_of(tmp_path / "image.tar", files)

    with pytest.raises(ClusterError, match=word):
        thin(image, [], tmp_path / "thin.tar")
    with pytest.raises(ClusterError, match=word):
        digests(image)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_text("no archive")

    with pytest.raises(ClusterError, match="cannot be read"):
        digests(tmp_path / "image.tar")
