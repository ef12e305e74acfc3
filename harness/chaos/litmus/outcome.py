"""What the run of one experiment came to, whichever runner ran it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.kube.kubectl import JsonObject


@dataclass(frozen=True)
class ProbeStatus:
    """A probe, as a ChaosResult has it."""

    name: str
    type: str
    mode: str
    verdict: str
    description: str = ""


@dataclass(frozen=True)
class EngineOutcome:
    """What one experiment of an engine came to. ``runner`` is what ran it: ``native``, ``operator``, ``litmus-python``.

    ``vacuous`` says why nothing was broken, where that is known; empty where something was, or nobody can tell.
    ``seed`` is what all that was left to chance came from; None where the runner takes none. ``unused`` are tunables
    and images that were given and have no effect. ``hits`` says what was broken.
    """

    engine: str
    experiment: str
    runner: str
    verdict: str
    phase: str
    percentage: str = ""
    probes: tuple[ProbeStatus, ...] = ()
    error: str = ""
    vacuous: str = ""
    hits: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int | None = None
    at: str = ""
    file: Path | None = None
    result: JsonObject = field(default_factory=dict, repr=False)

    @property
    def passed(self) -> bool:
        """Whether the verdict is Pass, and something was broken for it."""
        return self.verdict == "Pass" and not self.vacuous

    def __str__(self) -> str:
        said = f"{self.engine}/{self.experiment}, run by {self.runner}: {self.verdict} ({self.phase})"
        failed = "; ".join(f"{one.name}: {one.description}" for one in self.probes if one.verdict == "Failed")
        parts = [self.error, failed, f"vacuous: {self.vacuous}" if self.vacuous else "", *self.notes]
        parts.append(f"without effect here: {', '.join(self.unused)}" if self.unused else "")
        return ": ".join([said, *filter(None, ["; ".join(filter(None, parts))])])

    def as_json(self) -> dict[str, Any]:
        """For a record."""
        return {**asdict(self), "file": str(self.file) if self.file else None, "passed": self.passed}


def of_result(body: JsonObject) -> dict[str, Any]:
    """What of an outcome a ChaosResult tells: keywords for one."""
    status: Mapping[str, Any] = body.get("status") or {}
    experiment: Mapping[str, Any] = status.get("experimentStatus") or {}
    output: Mapping[str, Any] = experiment.get("errorOutput") or {}
    error = ": ".join(str(output[key]) for key in ("errorCode", "reason") if output.get(key))
    probes = [
        ProbeStatus(
            one.get("name", ""),
            one.get("type", ""),
            one.get("mode", ""),
            (one.get("status") or {}).get("verdict", ""),
            (one.get("status") or {}).get("description", ""),
        )
        for one in status.get("probeStatuses") or ()
    ]
    return {
        "verdict": str(experiment.get("verdict", "Awaited")),
        "phase": str(experiment.get("phase", "Running")),
        "percentage": str(experiment.get("probeSuccessPercentage", "")),
        "probes": tuple(probes),
        "error": error or str(experiment.get("failStep", "")).removeprefix("N/A"),
        "result": body,
    }


def save(outcomes: Sequence[EngineOutcome], folder: Path) -> None:
    """Write all of them to ``outcomes.json`` in a folder."""
    text = json.dumps([one.as_json() for one in outcomes], indent=1, default=str) + "\n"
    (folder / "outcomes.json").write_text(text, encoding="utf-8")
