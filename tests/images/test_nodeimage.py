"""What goes into kind's node image, and when it is another one; that it runs, live tests show."""

import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import BuildError
from harness.images import nodeimage
from harness.images.assembly import PROGRAMS
from harness.images.build import Builder
from harness.images.controlplane import CALLS, ETCD, ControlPlane
from harness.images.layer import layer
from harness.images.machine import PLACES, UNWANTED
from harness.images.nodeimage import Ingredients
from harness.kube import sysctls

CONTAINERD = """\
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  restrict_oom_score_adj = false
"""
ASKED = ("kube-apiserver:v1.2.3", "kube-proxy:v1.2.3", "coredns/coredns:v1.1.1", "pause:3.10.2", "etcd:3.6.8-0")
KUBEADM = f"""#!/bin/sh
[ "$*" = "config images list --kubernetes-version=v1.2.3" ] || {{ echo "unknown version" >&2; exit 1; }}
for name in {" ".join(ASKED)}; do echo registry.k8s.io/$name; done
"""
CTR = """#!/bin/sh
echo '{"ociVersion": "1.2", "process": {"user": {}, "rlimits": [{"type": "RLIMIT_NOFILE"}]}}'
"""


@pytest.fixture
def made_of(tmp_path: Path) -> Ingredients:
    """Programs that hold their names, and three of kind's files."""
    programs = {}
    for name in PROGRAMS:
        programs[name] = tmp_path / "programs" / name
        programs[name].parent.mkdir(exist_ok=True)
        programs[name].write_text({"kubeadm": KUBEADM, "ctr": CTR}.get(name, name))
        programs[name].chmod(0o755)
    for name, text in (
        ("etc/containerd/config.toml", CONTAINERD),
        ("etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n"),
        ("usr/local/bin/entrypoint", "#!/bin/bash\n"),
    ):
        file = tmp_path / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o444)
    return Ingredients(ControlPlane(programs, "v1.2.3", "v1.15.0"), tmp_path / "files")


def node(made_of: Ingredients, folder: Path, *base: str) -> dict[str, tuple[int, str]]:
    """Mode and content, or target, of what is put onto a base with these paths."""
    with layer(folder / "node.tar") as writing:
        nodeimage._node(writing, made_of, list(base))
    found = {}
    with tarfile.open(folder / "node.tar") as tar:
        for one in tar:
            file = tar.extractfile(one) if one.isfile() else None
            found[one.name] = (one.mode, file.read().decode() if file else one.linkname)
    return found


def test_kubeadm_says_which_images_it_asks_for(made_of: Ingredients) -> None:
    names = ("kube-apiserver:v1.2.3", "kube-proxy:v1.2.3", "etcd:3.6.8-0")
    plane = made_of.control_plane
    assert plane.names() == [f"registry.k8s.io/{name}" for name in names]
    assert plane.sandbox() == "registry.k8s.io/pause:3.10.2"
    assert made_of.sandbox() == "registry.k8s.io/pause:3.10"
    with pytest.raises(BuildError, match="unknown version"):
        replace(plane, version="v9").names()


def test_a_node_has_kinds_files_and_our_programs(made_of: Ingredients, tmp_path: Path) -> None:
    found = node(made_of, tmp_path)
    assert found["usr/local/bin/entrypoint"] == (0o755, "#!/bin/bash\n")
    assert "restrict_oom_score_adj = true" in found["etc/containerd/config.toml"][1]
    assert "--fail-cgroupv1=false" in found["etc/default/kubelet"][1]
    assert found["usr/bin/kubelet"][1] == "kubenode"
    assert found["kind/version"][1] == "v1.2.3"
    assert {found[path] for path in PLACES.values()} >= {(0o755, "runc"), (0o755, "kubenode")}
    assert not [name for name in found if name.split("/")[0] in {"bin", "sbin", "lib"}]
    assert json.loads(found["etc/containerd/cri-base.json"][1])["process"] == {"user": {}}


def test_what_belongs_to_a_machine_is_taken_away(made_of: Ingredients, tmp_path: Path) -> None:
    gone = (
        "usr/lib/systemd/system/multi-user.target.wants/getty.target",
        "usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
        "etc/systemd/system/timers.target.wants/apt-daily.timer",
        "usr/lib/sysctl.d/50-pid-max.conf",
    )
    kept = (
        "usr/lib/systemd/system/multi-user.target.wants",
        "usr/lib/systemd/system/sysinit.target.wants/systemd-journald.service",
        "usr/lib/systemd/system/kubelet.service",
        "usr/bin/bash",
    )
    found = node(made_of, tmp_path, *kept, *gone)
    hidden = {name for name in found if "/.wh." in name}
    assert hidden == {f"{path.rpartition('/')[0]}/.wh.{path.rpartition('/')[2]}" for path in gone}
    assert not any(UNWANTED.match(path) for path in kept)


def test_the_kubelet_gets_settings_of_the_kernel_of_its_own(made_of: Ingredients, tmp_path: Path) -> None:
    found = node(made_of, tmp_path)
    mode, script = found["usr/local/bin/private-sysctls"]
    assert mode == 0o755
    assert all(f"{key}={value}" in script for key, value in sysctls.KUBELET.items())
    assert found["etc/systemd/system/kubelet.service.d/20-private-sysctls.conf"][1] == (
        "[Service]\nExecStartPre=/usr/local/bin/private-sysctls\n"
    )


def test_another_kind_changes_what_is_replaced_only_where_it_is_still_there(
    made_of: Ingredients, tmp_path: Path
) -> None:
    file = made_of.files / "etc/containerd/config.toml"
    file.unlink()
    file.write_text("version = 3\n")
    with pytest.raises(BuildError, match="has no 'restrict_oom_score_adj = false'"):
        node(made_of, tmp_path)
    with pytest.raises(BuildError, match="names no sandbox_image"):
        made_of.sandbox()


def test_the_tag_is_of_all_that_goes_in(made_of: Ingredients, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "cache")

    plane = made_of.control_plane

    def tag(of: ControlPlane = plane) -> str:
        return nodeimage.assembly(replace(made_of, control_plane=of)).tag(builder)

    before = tag()
    assert tag() == before
    others = [tag(replace(plane, version="v1.2.4")), tag(replace(plane, dns="v1.16.0"))]
    plane.programs["runc"].write_text("another")
    others.append(tag())
    entrypoint = made_of.files / "usr/local/bin/entrypoint"
    entrypoint.chmod(0o644)
    entrypoint.write_text("another")
    others.append(tag())
    assert len({before, *others}) == 5


def test_the_control_planes_image_can_be_called_by_all_names_that_it_gets(made_of: Ingredients) -> None:
    programs = {name.rpartition("/")[2].partition(":")[0] for name in made_of.control_plane.names()}
    assert programs <= {*CALLS, "etcd"}


def test_etcd_is_started_without_the_option_that_it_has_no_more(tmp_path: Path) -> None:
    etcd, kubenode = tmp_path / "etcd", tmp_path / "kubenode"
    kubenode.write_text('#!/bin/sh\nfor one; do echo "[$one]"; done\n')
    kubenode.chmod(0o755)
    etcd.write_text(ETCD.replace("/usr/local/bin/", f"{tmp_path}/"))
    given = ["--name=a b", "--proxy-refresh-interval=70000", "--data-dir=/x"]
    done = subprocess.run(["sh", etcd, *given], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[etcd]", "[--name=a b]", "[--data-dir=/x]"]
