"""Which context of a kubeconfig a run may use: refused before any cluster is asked."""

from pathlib import Path

import pytest

from harness.clusters.contexts import Context, read_context, refuse_production
from harness.errors import SettingsError, UsageError

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: ours
contexts:
- name: ours
  context: {cluster: test, user: me, namespace: shop}
- name: "7"
  context: {cluster: gone, user: me}
clusters:
- name: test
  cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}
users:
- name: me
  user: {token: abc}
"""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(KUBECONFIG)
    return file


def test_a_context_is_read_with_its_cluster_and_server(kubeconfig: Path) -> None:
    assert read_context(kubeconfig, "ours") == Context("ours", "test", "https://127.0.0.1:6443")


def test_a_context_that_is_not_there_is_named_with_those_that_are(kubeconfig: Path) -> None:
    with pytest.raises(SettingsError, match=r"has no context 'theirs': it has 7, ours"):
        read_context(kubeconfig, "theirs")


def test_a_context_without_a_server_is_told(kubeconfig: Path) -> None:
    with pytest.raises(SettingsError, match="the context 7 names the cluster 'gone', of which the file says no server"):
        read_context(kubeconfig, "7")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"- a\n- b\n",
        b"contexts: none\n",
        b"contexts:\n- ours\n- name: ours\n",
        b"just text",
        b"a: [\n",
        b"\xff\xfe",
    ],
)
def test_what_is_no_kubeconfig_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config"
    file.write_bytes(content)

    with pytest.raises(SettingsError, match=r"--kubeconfig: .*config (cannot be read|is no kubeconfig)"):
        read_context(file, "ours")


def test_a_folder_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_context(tmp_path, "ours")


@pytest.mark.parametrize(
    ("context", "what"),
    [
        (Context("prod", "c", "https://c"), "its name, prod, has 'prod'"),
        (Context("a", "EU-Production", "https://c"), "its cluster, EU-Production, has 'Prod'"),
        (Context("a", "c", "https://k8s.LIVE.example.com"), "its server, https://k8s.LIVE.example.com, has 'LIVE'"),
    ],
)
def test_what_looks_like_production_is_refused_unless_its_name_is_repeated(context: Context, what: str) -> None:
    with pytest.raises(UsageError) as raised:
        refuse_production(context, ["another"])

    assert what in str(raised.value)
    assert str(raised.value).endswith(f"--allow-context={context.name}")
    refuse_production(context, ["another", context.name])


def test_any_other_context_is_free(kubeconfig: Path) -> None:
    refuse_production(read_context(kubeconfig, "ours"), [])
