"""What the programs that print a mutation score have in common: their options, their files, and what they say."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import HarnessError, SettingsError
from harness.inifile import ini_values
from harness.mutation import Score, details, record
from harness.report.results import require_writable, write_whole
from harness.settings import OPTIONS, Settings, add_options, gather

CHECKOUT = Path(__file__).parents[1]


def settings_of(program: str, arguments: Sequence[str], used: frozenset[str]) -> Settings:
    """The settings of a program that knows only the options ``used``, from its command line. Raises SettingsError."""
    parser = argparse.ArgumentParser(prog=program, allow_abbrev=False)
    add_options(parser.add_argument, without=frozenset(option.field for option in OPTIONS) - used)
    settings = gather(vars(parser.parse_args(list(arguments))), ini=ini_values())
    require_writable(settings.artifacts.absolute(), ())
    return settings


def inputs(settings: Settings, proof: str, what: str) -> tuple[Path, Path]:
    """The manifests and the expectations of a proof (``isolation``), whose table says ``what``; by default the case's.

    Raises SettingsError where manifests are given without expectations, or one of them is missing.
    """
    flag, given = f"--{proof}-expectations", getattr(settings, f"{proof}_expectations")
    if settings.manifests and not given:
        raise SettingsError(f"--manifests: these need their own table of {what}: give it with {flag}")
    folder = settings.manifests or CHECKOUT / "manifests"
    file = given or CHECKOUT / "scenarios" / proof / "expected.yaml"
    for path, name in ((folder, "--manifests"), (file, flag)):
        if not path.exists():
            raise SettingsError(f"{name}: {path} does not exist: give it, or run in a checkout")
    return _nearby(folder), _nearby(file)


def _nearby(path: Path) -> Path:
    """The path from where the user is, if it lies below: what is printed with every line should be short."""
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path


def tell(score: Score, folder: Path) -> None:
    """Print what was not killed, and write every mutant into ``mutants.jsonl`` of the folder."""
    for line in details(score):
        say(line)
    written = folder / "mutants.jsonl"
    write_whole(written, "".join(f"{record(one)}\n" for one in score.judged))
    say(f"each mutant: {written}")


def say(line: str) -> None:
    """Print a line to the user."""
    print(line)  # noqa: T201 -- a command speaks to its user


def run(main: Callable[[Sequence[str]], int]) -> int:
    """Run a program on its command line: its exit status; 2 with a message where an error ends it."""
    try:
        return main(sys.argv[1:])
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 -- the same
        return 2
