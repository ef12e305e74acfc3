"""What a probe saw is held against what it should have seen, by every criterion of Litmus."""

import pytest

from harness.chaos.litmus.compare import Kind, failure, mistake

HOLD: list[tuple[Kind, str, str, str]] = [
    ("int", "==", "200", "200"),
    ("int", "!=", "500", "200"),
    ("int", ">=", "3", "3"),
    ("int", "<", "2", "3"),
    ("int", "between", "3", "1,5"),
    ("int", "Between", "1", "1,5"),
    ("int", "oneOf", "204", "200,204"),
    ("int", "OneOf", "200", "200"),
    ("float", ">", "2.5", "2.4"),
    ("float", "<=", "1e3", "1000"),
    ("float", "==", "nan", "nan"),
    ("string", "equal", "a,b", "a,b"),
    ("string", "notEqual", "a", "b"),
    ("string", "contains", "abc", "b"),
    ("string", "matches", "abc", "^a.c$"),
    ("string", "notMatches", "abc", "x"),
    ("string", "Equal", "", ""),
    ("string", "oneOf", "b", "a, b"),
]


@pytest.mark.parametrize(("kind", "criteria", "actual", "expected"), [one for one in HOLD if one[2] != "nan"])
def test_what_holds_has_no_failure(kind: Kind, criteria: str, actual: str, expected: str) -> None:
    assert mistake(kind, criteria, expected) == ""
    assert failure(kind, criteria, actual, expected) == ""


@pytest.mark.parametrize(
    ("kind", "criteria", "actual", "expected"),
    [
        ("int", "==", "404", "200"),
        ("int", "==", "two", "2"),
        ("int", "==", "2.0", "2"),
        ("int", "between", "6", "1,5"),
        ("int", "oneOf", "5", "1,2"),
        ("float", "==", "nan", "nan"),
        ("float", ">", "", "0"),
        ("string", "equal", "a", "a,b"),
        ("string", "matches", "abc", "^b"),
        ("string", "oneOf", "c", "a,b"),
    ],
)
def test_what_does_not_hold_says_what_was_seen_and_what_was_expected(
    kind: Kind, criteria: str, actual: str, expected: str
) -> None:
    said = failure(kind, criteria, actual, expected)
    assert repr(actual) in said


@pytest.mark.parametrize(
    ("kind", "criteria", "expected"),
    [
        ("int", "equal", "1"),
        ("int", "==", "one"),
        ("int", "==", "1.5"),
        ("float", "between", "1,2,3"),
        ("string", "==", "a"),
        ("string", "matches", "("),
        ("string", "between", "a,b"),
    ],
)
def test_a_comparison_that_can_never_be_made_is_a_mistake(kind: Kind, criteria: str, expected: str) -> None:
    assert mistake(kind, criteria, expected)
