"""Choices, of a seed and of Hypothesis."""

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HypothesisDraw

from harness.isolation.draw import RandomDraw


def test_a_seed_gives_the_numbers_that_it_gave_when_this_was_written() -> None:
    draw = RandomDraw.seeded("7/3")
    assert [draw.integer(0, 99) for _ in range(8)] == [4, 41, 51, 71, 39, 50, 91, 66]


def test_both_ends_of_a_range_are_drawn_and_nothing_beyond() -> None:
    draw = RandomDraw.seeded("ends")
    assert {draw.integer(3, 5) for _ in range(200)} == {3, 4, 5}
    assert {draw.integer(4, 4) for _ in range(20)} == {4}


def test_a_chance_comes_true_about_as_often_as_it_says() -> None:
    draw = RandomDraw.seeded("chance")
    assert 200 < sum(draw.chance(1, 4) for _ in range(1000)) < 300
    assert not any(draw.chance(0, 4) for _ in range(50))
    assert all(draw.chance(4, 4) for _ in range(50))


def test_what_stands_twice_is_chosen_twice_as_often() -> None:
    draw = RandomDraw.seeded("choice")
    chosen = [draw.choice("aab") for _ in range(3000)]
    assert 1900 < chosen.count("a") < 2100
    assert set(chosen) == {"a", "b"}


def test_a_subset_has_as_many_as_it_may_and_none_of_them_twice() -> None:
    draw = RandomDraw.seeded("subset")
    subsets = [draw.subset("abcd", 1, 3) for _ in range(300)]
    assert {len(one) for one in subsets} == {1, 2, 3}
    assert all(len(set(one)) == len(one) and set(one) <= set("abcd") for one in subsets)
    assert {one[0] for one in subsets} == set("abcd")
    assert draw.subset("ab", 3, 5) in (["a", "b"], ["b", "a"])


@settings(max_examples=50, derandomize=True, database=None)
@given(st.data())
def test_hypothesis_draws_within_the_same_bounds(data: st.DataObject) -> None:
    draw = HypothesisDraw(data.draw)
    assert 3 <= draw.integer(3, 5) <= 5
    assert draw.integer(4, 4) == 4
    assert draw.choice("ab") in "ab"
    assert 1 <= len(draw.subset("abcd", 1, 3)) <= 3
