"""How kubectl is called."""

from pathlib import Path

import pytest

from harness.errors import CommandError
from harness.kube.kubectl import Kubectl


def test_every_call_names_its_kubeconfig_and_keeps_what_it_finds_where_it_is_told() -> None:
    binary, kubeconfig = Path("/bin/kubectl"), Path("/state/kubeconfig")

    assert Kubectl(binary, kubeconfig, cache=Path("/state/cache")).command("get", "pods") == [
        *("/bin/kubectl", "--kubeconfig", "/state/kubeconfig"),
        *("--cache-dir", "/state/cache"),
        *("get", "pods"),
    ]
    assert "--cache-dir" not in Kubectl(binary, kubeconfig).command("get", "pods")


@pytest.mark.parametrize("verb", ["logs", "exec"])
def test_what_a_pod_writes_is_text_whatever_its_bytes_are(kubectl: Kubectl, verb: str) -> None:
    assert kubectl.run(verb, "fine") == "word\ufffd \ufffd\0\ufffd\n"
    with pytest.raises(CommandError, match="word\ufffd"):
        kubectl.run(verb, "failing")
