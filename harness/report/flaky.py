"""Which failures of a run count: what passes when it is run again, alone, was flaky; a broken promise never is.

Causes are counted, not tests: one fixture that fails takes all the tests with it that use it. Pure: reports in, verdict
out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.report.results import TestResult

MOST_FLAKY = 2
"""More causes than this in one run are no accident, whatever a second run says."""

BROKEN = ("failed", "error", "xpassed")


@dataclass(frozen=True)
class Cause:
    """What made one or more tests fail: ``why`` in one line, the first test's words."""

    why: str
    tests: Sequence[TestResult]

    @property
    def name(self) -> str:
        """The first of its tests, and how many more there are."""
        more = f" and {len(self.tests) - 1} more" if len(self.tests) > 1 else ""
        return self.tests[0].id + more

    @property
    def is_broken_promise(self) -> bool:
        """Whether what failed is what the tests are there to prove."""
        return any(test.promise_broken for test in self.tests)


@dataclass(frozen=True)
class Verdict:
    """What a run comes to: it is green where nothing is ``red``, in words; ``flaky`` ones passed the second time."""

    flaky: Sequence[Cause] = ()
    red: Sequence[str] = field(default=())

    @property
    def lines(self) -> list[str]:
        """What to say of it, a line each."""
        return [*(f"FLAKY {cause.name}: {cause.why}" for cause in self.flaky), *self.red]


def causes(tests: Iterable[TestResult]) -> list[Cause]:
    """The causes of what failed. Errors outside of the tests' own calls are one cause where they say the same."""
    found: dict[tuple[str, str], list[TestResult]] = {}
    for test in tests:
        if test.outcome in BROKEN:
            alone = "" if test.outcome == "error" else test.id
            found.setdefault((alone, _first_line(test)), []).append(test)
    return [Cause(why, several) for (_, why), several in found.items()]


def to_repeat(found: Collection[Cause]) -> list[str]:
    """The tests to be run again; none where a second run could not make the first one green."""
    if len(found) > MOST_FLAKY or any(cause.is_broken_promise for cause in found):
        return []
    return [test.id for cause in found for test in cause.tests]


def judge(found: Collection[Cause], again: Mapping[str, TestResult]) -> Verdict:
    """The verdict on the causes of the first run; ``again`` are the tests that were run again, by their ids."""
    if not found:
        return Verdict()
    if len(found) > MOST_FLAKY:
        too_many = f"{len(found)} causes of failure, where a second run may excuse {MOST_FLAKY}"
        return Verdict(red=[*(_said("FAILED", cause) for cause in found), too_many])
    flaky, red = [], []
    for cause in found:
        if cause.is_broken_promise:
            red.append(_said("BROKEN PROMISE", cause))
        elif all(test.id in again and again[test.id].outcome == "passed" for test in cause.tests):
            flaky.append(cause)
        else:
            failed_again = [
                again[one.id] for one in cause.tests if one.id in again and again[one.id].outcome != "passed"
            ]
            second = f"; again: {_first_line(failed_again[0])}" if failed_again else ""
            red.append(_said("FAILED", cause) + second)
    return Verdict(flaky, red)


def _said(what: str, cause: Cause) -> str:
    return f"{what} {cause.name}: {cause.why}"


def _first_line(test: TestResult) -> str:
    return next(iter(test.reason.strip().splitlines()), test.outcome)
