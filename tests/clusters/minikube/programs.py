"""A docker and a minikube that note what they are asked and keep clusters as files: no engine runs here."""

from pathlib import Path

import pytest

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://192.168.49.2:8443"}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
users: [{name: a, user: {token: none}}]
"""

MINIKUBE = """#!/bin/sh
echo "minikube $* HOME=$MINIKUBE_HOME DRIVER=$MINIKUBE_DRIVER HOST=$DOCKER_HOST" >> {calls}
step() {{ echo '{{"type": "io.k8s.sigs.minikube.step", "data": {{"name": "'"$1"'", "message": "'"$2"'"}}}}'; }}
for word; do
    case "$word" in
    --profile=*) name="${{word#--profile=}}" ;;
    --file=*) file="${{word#--file=}}" ;;
    esac
done
case "$1" in
start)
    step "Initial Minikube Setup" "minikube v1"
    step "Creating Container" "Creating docker container"
    if [ -e {gates}/slow ]; then
        sh -c 'touch {gates}/begun; until [ -e {gates}/go ]; do sleep 0.05; done; touch {nodes}/'"$name" >&2 &
        exec sleep 1000
    fi
    echo running > {nodes}/"$name"
    echo "a log line"
    [ -e {gates}/hang ] && exec sleep 1000
    if [ -e {gates}/fail ]; then
        echo '{{"type": "io.k8s.sigs.minikube.error", "data": {{"name": "GUEST_START", "message": "no luck"}}}}'
        echo '{{"type": "io.k8s.sigs.minikube.error", "data": {{"message": "╭─ let us know"}}}}'
        exit 80
    fi
    [ -e {gates}/mute ] && exit 1
    step Done "Done!"
    cp {template} "$KUBECONFIG" ;;
delete) rm -f {nodes}/"$name" ;;
logs) echo logs > "$file" ;;
esac
"""

DOCKER = """#!/bin/sh
echo "docker $*" >> {calls}
[ -e {gates}/down ] && {{ echo "Cannot connect to the Docker daemon" >&2; exit 1; }}
case "$1" in
container) [ -e {nodes}/"$3" ] ;;
volume) [ -e {gates}/volume ] ;;
network) exit 1 ;;
port) case "$3" in 8443/*) echo 127.0.0.1:32770 ;; *) echo 127.0.0.1:32771 ;; esac ;;
inspect) cat {nodes}/"$4" ;;
cp) mkdir "$3" ;;
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
        for name, text in (("minikube", MINIKUBE), ("docker", DOCKER)):
            program = folder / "bin" / name
            program.write_text(text.format(calls=self.log, nodes=self.nodes, gates=self.gates, template=template))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")

    @property
    def minikube(self) -> Path:
        return self.folder / "bin" / "minikube"

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def clusters(self) -> list[str]:
        return sorted(file.name for file in self.nodes.iterdir())

    def open(self, gate: str) -> None:
        """Let something happen.

        ``down`` (the engine), ``volume`` (there is one), ``fail``, ``mute`` (it fails without a word), ``hang``, or
        ``slow``, where a node comes only with ``go``.
        """
        (self.gates / gate).touch()
