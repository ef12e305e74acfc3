"""``python -m harness.score``: the mutation score of everything that tables are about, policies and roles together.

Each is scored by its own program, of which this one is the sum. Of manifests of one's own that is scored of which a
table of expectations is given. Exit status 0: every mutant is killed, or argued to be equivalent; 1: one survived, or
an argument is stale; 2: an option, a manifest or a table is wrong.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from harness.access import score as access
from harness.errors import SettingsError
from harness.isolation import score as isolation
from harness.mutation import Score, total
from harness.scoring import run, say, settings_of
from harness.settings import Settings

PARTS: Final[Mapping[str, tuple[str, Callable[[Settings], Score]]]] = {
    "policies": ("isolation_expectations", isolation.score_of),
    "roles": ("access_expectations", access.score_of),
}
"""What is scored: the option that its table is given by, and how it is done."""


def main(arguments: Sequence[str]) -> int:
    """Score all expectations; the exit status."""
    settings = settings_of("python -m harness.score", arguments, isolation.USED | access.USED)
    scored = {part: one for part, one in PARTS.items() if not settings.manifests or getattr(settings, one[0])}
    if not scored:
        flags = " or ".join(f"--{option.replace('_', '-')}" for option, _ in PARTS.values())
        raise SettingsError(f"--manifests: these need a table of their own: give it with {flags}")
    said: list[Score] = []
    for part, (option, score_of) in PARTS.items():
        if part not in scored:
            say(f"{part}: not scored, since --{option.replace('_', '-')} is not given")
            continue
        said.append(score_of(settings))
        say(f"{part} {said[-1]}")
    everything = total(*said)
    say(f"mutation score {everything}")
    return 0 if everything.complete else 1


if __name__ == "__main__":
    sys.exit(run(main))
