"""A docker and a kind that note what they are asked and keep clusters as files: no engine runs here."""

from pathlib import Path

import pytest

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: kind-a, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: kind-a, context: {cluster: kind-a, user: kind-a}}]
current-context: kind-a
users: [{name: kind-a, user: {token: none}}]
"""

KIND = """#!/bin/sh
echo "kind $*" >> {calls}
name=none kubeconfig=none
for word; do
    case "$word" in
    --name=*) name="${{word#--name=}}" ;;
    --kubeconfig=*) kubeconfig="${{word#--kubeconfig=}}" ;;
    esac
done
case "$1" in
get) ls {nodes} ;;
create)
    if [ -e {nodes}/"$name" ]; then
        echo 'ERROR: failed to create cluster: node(s) already exist for a cluster with the name "'"$name"'"' >&2
        exit 1
    fi
    echo "Creating cluster" >&2
    if [ -e {gates}/slow ]; then
        sh -c 'touch {gates}/begun; until [ -e {gates}/go ]; do sleep 0.05; done; echo running > {nodes}/'"$name" &
        exec sleep 1000
    fi
    echo running > {nodes}/"$name"
    [ -e {gates}/hang ] && exec sleep 1000
    if [ -e {gates}/fail ]; then
        echo "ERROR: failed to create cluster: $(cat {gates}/fail)" >&2
        for line in $(seq 40); do echo "line $line"; done
        echo "Stack Trace: "
        echo "sigs.k8s.io/kind/pkg/errors.Errorf"
        exit 1
    fi
    cp {template} "$kubeconfig" ;;
delete) rm -f {nodes}/"$name"; echo "Deleted nodes" >&2 ;;
export) mkdir -p "$3"; echo "$DOCKER_HOST" > "$3/kind-version.txt" ;;
esac
"""

DOCKER = """#!/bin/sh
echo "docker $*" >> {calls}
[ -e {gates}/down ] && {{ echo "Cannot connect to the Docker daemon" >&2; exit 1; }}
case "$1" in
image) [ ! -e {gates}/lacking ] ;;
port) echo 127.0.0.1:32769 ;;
inspect) cat {nodes}/"${{4%-control-plane}}" ;;
exec) echo "REF TYPE DIGEST" ;;
esac
"""


class Programs:
    """Where they are, and what was made with them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.nodes, self.gates, self.log = folder / "nodes", folder / "gates", folder / "calls"
        (folder / "bin").mkdir()
        self.nodes.mkdir()
        self.gates.mkdir()
        template = folder / "template"
        template.write_text(KUBECONFIG)
        for name, text in (("kind", KIND), ("docker", DOCKER)):
            program = folder / "bin" / name
            program.write_text(
                text.format(calls=self.log, nodes=self.nodes, gates=self.gates, template=template),
            )
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")

    @property
    def kind(self) -> Path:
        return self.folder / "bin" / "kind"

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def clusters(self) -> list[str]:
        return sorted(file.name for file in self.nodes.iterdir())

    def open(self, gate: str, text: str = "") -> None:
        """Let something happen.

        ``down``, ``lacking`` (an image), ``fail``, ``hang``, or ``slow``, where a node comes only with ``go``.
        """
        (self.gates / gate).write_text(text)
