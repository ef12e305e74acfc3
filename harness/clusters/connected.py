"""The one client of a cluster's API server that all who use the cluster share, in any thread."""

import threading
from pathlib import Path

from harness.kube.client import Api


class Connected:
    """What every ``Cluster`` does with its kubeconfig."""

    def __init__(self) -> None:
        self._api: Api | None = None
        self._making = threading.Lock()

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own, whose current context is used."""
        raise NotImplementedError

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
