"""The environment of one experiment: put together from three places, and read as its tunables.

As Litmus' runner does it (``chaos-runner pkg/utils``): what follows from the engine's fields, over that the
ChaosExperiment's variables, over that the engine's own.
"""

from collections.abc import Callable, Sequence
from functools import partial

from pydantic import ValidationError as Invalid

from harness.chaos.litmus import tunables
from harness.chaos.litmus.contract import Variable
from harness.chaos.litmus.tunables import EXPERIMENTS, UNUSED, Tunables
from harness.errors import ManifestError
from harness.kube.strict import did_you_mean

Wrong = Callable[[str], ManifestError]


class Environment:
    """The variables so far. ``text`` has their values."""

    def __init__(self, experiment: str) -> None:
        self._experiment = experiment
        self.text: dict[str, str] = {}
        self._where: dict[str, Wrong] = {}

    def derive(self, name: str, value: str) -> None:
        """One that follows from the engine's fields."""
        self.text[name] = value

    def add(self, variables: Sequence[Variable], wrong_at: Callable[[int, str], ManifestError]) -> None:
        """Those of a list, which win over what is there; ``wrong_at`` makes the error of an item.

        Raises ManifestError for one that is no tunable of the experiment, or whose value only a pod could read.
        """
        known = tunables.known(self._experiment)
        for index, one in enumerate(variables):
            wrong: Wrong = partial(wrong_at, index)
            if one.name in tunables.DERIVED:
                raise wrong(f"{one.name} is set from the engine: write it in the engine's own fields")
            if one.name not in known:
                raise wrong(f"{one.name} is no tunable of {self._experiment}{did_you_mean(one.name, known)}")
            unused = one.name in UNUSED[self._experiment]
            if one.value_from is not None and not unused:
                raise wrong(f"{one.name} has valueFrom, which only a pod could read: write its value")
            self.text[one.name] = one.value or ("(valueFrom)" if one.value_from is not None else "")
            self._where[one.name] = wrong

    def tunables(self, elsewhere: Wrong) -> Tunables:
        """All of them as values; ``elsewhere`` makes the error of a derived one. Raises ManifestError."""
        given = {name: value for name, value in self.text.items() if value}
        try:
            return EXPERIMENTS[self._experiment].model_validate(given)
        except Invalid as invalid:
            found = []
            for one in invalid.errors():
                name = str(one["loc"][0])
                said = str(one["ctx"]["error"]) if one["type"] == "value_error" else str(one["msg"])
                problem = f"{name}: {given[name]!r} is not allowed: {said[:1].lower()}{said[1:]}"
                found.append(self._where.get(name, elsewhere)(problem))
            raise ManifestError.of(found) from None

    def unused(self) -> list[str]:
        """Those that were given and have no effect."""
        return [name for name, value in self.text.items() if value and name in UNUSED[self._experiment]]
