"""What goes into Minikube's base image, and when it is another one; that it runs, real clusters show."""

import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.images import kicbase
from harness.images.assembly import PROGRAMS
from harness.images.build import Builder
from harness.images.controlplane import ControlPlane
from harness.images.kicbase import GROUP, PLACED, USER, Ingredients
from harness.images.layer import layer
from harness.images.machine import PLACES

DEBIAN = {
    "./etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "./etc/group": "root:x:0:\n",
    "./etc/shadow": "root:*:19000:0:99999:7:::\n",
    "./usr/lib/os-release": 'NAME="Debian"\nVERSION_ID="12"\nID=debian\n',
    "./etc/systemd/system/multi-user.target.wants/cron.service": "",
}


@pytest.fixture
def made_of(tmp_path: Path) -> Ingredients:
    """Programs and files that hold their names."""
    programs, files, kinds = tmp_path / "programs", tmp_path / "files", tmp_path / "kinds"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(name)
    for folder, name in (
        *((files, name) for name in PLACED),
        (kinds, "etc/systemd/system/containerd.service"),
        (files, "containerd.toml"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (files / "containerd.toml").write_text("    restrict_oom_score_adj = false\n")
    plane = ControlPlane({name: programs / name for name in PROGRAMS}, "v1.2.3", "v1.15.0")
    return Ingredients(plane, files, kinds)


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    """The layer of a Debian, as mmdebstrap names what is in it."""
    file = tmp_path / "debian.tar"
    with layer(file) as writing:
        for name, text in DEBIAN.items():
            writing.text(name, text)
    return file


@pytest.fixture
def node(made_of: Ingredients, debian: Path, tmp_path: Path) -> dict[str, tuple[tarfile.TarInfo, str]]:
    """What is put onto it, with the content or the target of each."""
    with layer(tmp_path / "node.tar") as writing:
        kicbase._machine(writing, made_of, debian)
    found = {}
    with tarfile.open(tmp_path / "node.tar") as tar:
        for one in tar:
            file = tar.extractfile(one) if one.isfile() else None
            found[one.name] = (one, file.read().decode() if file else one.linkname)
    return found


def test_the_user_that_minikube_comes_as_is_there_and_may_do_everything(
    node: dict[str, tuple[tarfile.TarInfo, str]],
) -> None:
    assert node["etc/passwd"][1] == DEBIAN["./etc/passwd"] + f"docker:x:{USER}:{GROUP}::/home/docker:/bin/bash\n"
    shadow, text = node["etc/shadow"]
    assert (shadow.mode, text.splitlines()[-1]) == (0o640, "docker:*:19000:0:99999:7:::")
    assert node["etc/sudoers.d/docker"][0].mode == 0o440
    ssh = node["home/docker/.ssh"][0]
    assert (ssh.isdir(), ssh.uid, ssh.gid) == (True, USER, GROUP)


def test_minikube_finds_what_it_would_copy_and_install(node: dict[str, tuple[tarfile.TarInfo, str]]) -> None:
    programs = "var/lib/minikube/binaries/v1.2.3"
    assert node[f"{programs}/kubeadm"][1] == "/usr/bin/kubenode"
    assert "--fail-cgroupv1=false" in node[f"{programs}/kubelet"][1]
    assert "\nID=ubuntu\n" in node["usr/lib/os-release"][1]
    assert "restrict_oom_score_adj=true" in node["etc/containerd/config.toml"][1]
    assert {node[path][1] for path in PLACES.values()} == set(PLACES)
    assert node["usr/local/bin/entrypoint"][0].mode == 0o755


def test_what_a_machine_starts_gives_way_to_what_minikube_needs(
    node: dict[str, tuple[tarfile.TarInfo, str]],
) -> None:
    wanted = {
        name.rpartition("/")[2] for name in node if name.startswith("etc/systemd/system/multi-user.target.wants/")
    }
    assert wanted == {".wh.cron.service", "ssh.service", "minikube-automount.service"}


def test_what_it_says_in_shell_is_shell(node: dict[str, tuple[tarfile.TarInfo, str]]) -> None:
    for path in ("usr/local/bin/private-sysctls", "var/lib/minikube/binaries/v1.2.3/kubelet"):
        assert subprocess.run(["sh", "-n"], input=node[path][1], text=True, check=False).returncode == 0


def test_the_tag_is_of_all_that_goes_in(made_of: Ingredients, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "cache")
    tags = {kicbase.assembly(made_of).tag(builder), kicbase.assembly(made_of).tag(builder)}
    tags.add(
        kicbase.assembly(replace(made_of, control_plane=replace(made_of.control_plane, version="v1.2.4"))).tag(builder)
    )
    made_of.unit.write_text("another")
    tags.add(kicbase.assembly(made_of).tag(builder))
    (made_of.files / "entrypoint").write_text("another")
    tags.add(kicbase.assembly(made_of).tag(builder))
    assert len(tags) == 4
