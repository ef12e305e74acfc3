import hashlib
import io
import json
import tarfile
from pathlib import Path

from harness.images.archive import extract_layers, write_archive, write_binary_archive


def read(archive: Path) -> tuple[dict[str, object], dict[str, object], bytes]:
    """Manifest, configuration and the only layer."""
    with tarfile.open(archive) as tar:

        def content(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

        manifest = json.loads(content("manifest.json"))
        assert len(manifest) == 1
        config = json.loads(content(manifest[0]["Config"]))
        return manifest[0], config, content(manifest[0]["Layers"][0])


def write(folder: Path, content: bytes) -> Path:
    binary = folder / "pause"
    binary.write_bytes(content)
    binary.chmod(0o600)
    write_binary_archive(folder / "a.tar", "harness.dev/pause:1", binary, "65535:65535")
    return folder / "a.tar"


def test_the_image_runs_its_binary_as_the_user(tmp_path: Path) -> None:
    manifest, config, layer = read(write(tmp_path, b"ELF"))
    assert manifest["RepoTags"] == ["harness.dev/pause:1"]
    running = config["config"]
    assert isinstance(running, dict)
    assert (running["Entrypoint"], running["User"]) == (["/pause"], "65535:65535")
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        modes = {entry.name: (entry.mode, entry.uid, entry.size) for entry in tar}
    assert modes == {"tmp": (0o1777, 0, 0), "pause": (0o755, 0, 3)}


def test_names_and_digests_are_those_of_the_contents(tmp_path: Path) -> None:
    manifest, config, layer = read(write(tmp_path, b"ELF"))
    digest = hashlib.sha256(layer).hexdigest()
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    assert manifest["Layers"] == [f"{digest}.tar"]


def test_the_same_binary_gives_the_same_bytes_and_no_other_file(tmp_path: Path) -> None:
    first = write(tmp_path, b"ELF").read_bytes()
    assert write(tmp_path, b"ELF").read_bytes() == first
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar", "pause"}


def test_layers_are_in_their_order_and_come_out_as_they_went_in(tmp_path: Path) -> None:
    layers = []
    for name in ("lower", "upper"):
        layer = tmp_path / f"{name}.tar"
        layer.write_text(name)
        layers.append(layer)
    archive = tmp_path / "a.tar"
    write_archive(archive, "harness.dev/two:1", layers, environment={"container": "docker"})
    manifest, config, first = read(archive)
    assert first == b"lower"
    rootfs, running = config["rootfs"], config["config"]
    assert isinstance(rootfs, dict)
    assert isinstance(running, dict)
    assert rootfs["diff_ids"] == [f"sha256:{hashlib.sha256(one.read_bytes()).hexdigest()}" for one in layers]
    assert running["Env"][1:] == ["container=docker"]
    assert manifest["RepoTags"] == ["harness.dev/two:1"]
    (tmp_path / "out").mkdir()
    assert [one.read_text() for one in extract_layers(archive, tmp_path / "out")] == ["lower", "upper"]
