"""How every cluster is spoken to: by what lies in its folder, and by one client that all share, in any thread."""

import threading
from pathlib import Path

from harness.kube.client import Api
from harness.kube.kubectl import Kubectl


class Connected:
    """What every ``Cluster`` does with its folder. ``kubectl`` is the program."""

    def __init__(self, folder: Path, kubectl: Path) -> None:
        self._folder = folder
        self._kubectl = kubectl
        self._api: Api | None = None
        self._making = threading.Lock()

    @property
    def name(self) -> str:
        """The name that it was created with, or is entered under."""
        return self._folder.name

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own, whose current context is used."""
        return self._folder / "kubeconfig"

    @property
    def kubectl(self) -> Kubectl:
        """The project's kubectl, bound to this cluster; what it keeps of the cluster goes with the cluster."""
        return Kubectl(self._kubectl, self.kubeconfig, cache=self._folder / "kubectl-cache")

    @property
    def api(self) -> Api:
        """The client that all share, made when it is first asked for."""
        with self._making:
            if self._api is None:
                self._api = Api(self.kubeconfig)
            return self._api

    def reference(self, image: str) -> str:
        """As it is: what is loaded keeps its name."""
        return image

    def close(self) -> None:
        """Close its connections."""
        with self._making:
            if self._api is not None:
                self._api.close()
