"""What counts of a run's failures, once what failed has been run again."""

from harness.report.flaky import MOST_FLAKY, causes, judge, to_repeat
from harness.report.results import Outcome, TestResult


def failed(
    name: str, reason: str = "assert 1 == 2\nmore", outcome: Outcome = "failed", *, promise: bool = False
) -> TestResult:
    return TestResult(name, outcome, reason=reason, promise_broken=promise)


def passed(*names: str) -> dict[str, TestResult]:
    return {name: TestResult(name) for name in names}


def test_a_run_in_which_all_passed_is_green() -> None:
    found = causes(passed("a", "b").values())

    assert to_repeat(found) == []
    assert judge(found, {}).lines == []
    assert not judge(found, {}).red


def test_what_passes_the_second_time_is_flaky_and_told_with_its_first_failure() -> None:
    found = causes([failed("a"), TestResult("b")])

    assert to_repeat(found) == ["a"]
    verdict = judge(found, passed("a"))
    assert verdict.lines == ["FLAKY a: assert 1 == 2"]
    assert not verdict.red


def test_what_fails_again_is_red_and_both_failures_are_told() -> None:
    verdict = judge(causes([failed("a")]), {"a": failed("a", "another reason")})

    assert verdict.red == ["FAILED a: assert 1 == 2; again: another reason"]
    assert not verdict.flaky


def test_what_is_skipped_the_second_time_is_not_excused() -> None:
    verdict = judge(causes([failed("a")]), {"a": failed("a", "no cluster here", "skipped")})

    assert verdict.red == ["FAILED a: assert 1 == 2; again: no cluster here"]


def test_what_was_not_run_again_is_red() -> None:
    assert judge(causes([failed("a")]), {}).red == ["FAILED a: assert 1 == 2"]


def test_an_error_of_a_fixture_is_one_cause_of_many_failures() -> None:
    several = [failed(name, "ClusterError: no\nx", "error") for name in "abcd"]
    found = causes(several)

    assert to_repeat(found) == ["a", "b", "c", "d"]
    assert judge(found, passed("a", "b", "c", "d")).lines == ["FLAKY a and 3 more: ClusterError: no"]
    assert judge(found, passed("a", "b", "c")).red


def test_tests_that_fail_in_the_same_words_are_causes_of_their_own() -> None:
    assert len(causes([failed("a"), failed("b")])) == 2


def test_more_flaky_causes_than_may_be_excused_are_red_and_not_run_again() -> None:
    found = causes([failed(str(number)) for number in range(MOST_FLAKY + 1)])

    assert to_repeat(found) == []
    assert judge(found, passed("0", "1", "2")).red[-1].startswith("3 causes of failure")


def test_a_broken_promise_is_red_at_once_and_nothing_is_run_again() -> None:
    found = causes([failed("paid twice", promise=True), failed("b")])

    assert to_repeat(found) == []
    assert judge(found, passed("paid twice", "b")).red == ["BROKEN PROMISE paid twice: assert 1 == 2"]


def test_a_test_that_passes_though_it_should_fail_is_red_as_any_other() -> None:
    assert causes([failed("a", "", "xpassed")])[0].why == "xpassed"
