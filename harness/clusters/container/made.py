"""The note of a cluster: what it was made with, written before anything is made, and all that is needed to end it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.clusters.container.contained import Contained, Parts
from harness.engine import Engine


@dataclass(frozen=True)
class Made:
    """The note. ``program`` is what makes it, kind or Minikube; ``ingress_url`` is empty while it is being made.

    ``contained`` is what an engine is made of that is the cluster's own; None where it is the user's.
    """

    engine: Engine
    program: str
    kubectl: str
    ingress_url: str = ""
    contained: Parts | None = None

    @classmethod
    def read(cls, file: Path) -> "Made | None":
        """The note in a file; None where there is none."""
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        parts = found.get("contained")
        return cls(**{**found, "engine": Engine(**found["engine"]), "contained": Parts(**parts) if parts else None})

    def write(self, file: Path) -> None:
        """Replace the note as a whole."""
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = file.with_suffix(".fresh")
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(file)

    def own_engine(self, folder: Path) -> Contained | None:
        """The engine that is this cluster's own."""
        return Contained(folder, self.contained) if self.contained else None
