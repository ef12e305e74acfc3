"""Pods for tests, on the shared cluster."""

from typing import Any

from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

SECONDS = 60.0


class Pods:
    """Makes pods in one namespace, and waits for them."""

    def __init__(self, api: Api, namespace: str, image: str) -> None:
        self.api = api
        self.namespace = namespace
        self.image = image

    def start(self, name: str, python: str, **specification: Any) -> JsonObject:  # noqa: ANN401 -- JSON
        """Create a pod that runs a Python program as a user that is not root; its fields are added to the pod's."""
        container = {
            "name": "main",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-uc", python],
            **specification.pop("container", {}),
        }
        security = {"runAsNonRoot": True, "runAsUser": 10003, **specification.pop("securityContext", {})}
        body = {
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "restartPolicy": "Never",
                "securityContext": security,
                "containers": [container],
                **specification,
            },
        }
        return self.api.post(f"/api/v1/namespaces/{self.namespace}/pods", body)

    def get(self, name: str) -> JsonObject:
        """The pod as it is."""
        return self.api.get(f"/api/v1/namespaces/{self.namespace}/pods/{name}")

    def until(self, name: str, phase: str) -> JsonObject:
        """Wait until the pod is in this phase. Fails at once where it failed instead, with its log."""

        def reached() -> JsonObject | None:
            pod = self.get(name)
            now = pod["status"].get("phase")
            assert now != "Failed" or phase == "Failed", f"pod {name} failed: {self.log(name)}"
            return pod if now == phase else None

        return wait_until(
            f"pod {self.namespace}/{name} to be {phase}",
            reached,
            seconds=SECONDS,
            describe=lambda: str(self.get(name)["status"]),
        )

    def run(self, name: str, python: str, **specification: Any) -> str:  # noqa: ANN401 -- JSON
        """Run a Python program in a pod to its end; what it printed."""
        self.start(name, python, **specification)
        self.until(name, "Succeeded")
        return self.log(name)

    def log(self, name: str) -> str:
        """What the pod printed."""
        return self.api.text(f"/api/v1/namespaces/{self.namespace}/pods/{name}/log")

    def serve(self, name: str) -> str:
        """Start a pod that answers HTTP on port 8080 with the client's address; the pod's address."""
        self.start(name, SERVER)
        address = self.until(name, "Running")["status"]["podIP"]
        wait_until(
            f"pod {name} to listen",
            lambda: "listening" in self.log(name),
            seconds=SECONDS,
            describe=lambda: self.log(name),
        )
        return str(address)

    def delete(self, name: str) -> None:
        """Delete the pod, and wait until it is gone."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        self.api.delete(path, gracePeriodSeconds=0)
        wait_until(f"pod {name} to be gone", lambda: self.api.find(path) is None, seconds=SECONDS)


SERVER = """\
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("", 8080), Handler)
print("listening")
server.serve_forever()
"""
