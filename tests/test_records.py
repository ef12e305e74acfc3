"""What a run's folder keeps of its proofs."""

from pathlib import Path

import pytest

from harness.records import Records, measured_in, said_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run" / "isolation"


def test_a_figure_is_a_line_with_its_name_and_values(folder: Path) -> None:
    Records(folder).measured("a policy holds", {"median": 0.1, "times": 20})

    assert measured_in(folder) == [{"name": "a policy holds", "median": 0.1, "times": 20}]


def test_a_text_is_a_file_of_its_own_and_told_where_it_lies(folder: Path) -> None:
    file = Records(folder).text("world.yaml", "kind: Namespace\n")

    assert (file, file.read_text()) == (folder / "world.yaml", "kind: Namespace\n")


def test_sentences_are_said_first_then_figures(folder: Path) -> None:
    Records(folder).measured("a policy holds", {"median": 0.1, "times": 20})
    Records(folder, "gw1").notes(["stand-ins: shop/web"])

    assert said_in(folder) == ["stand-ins: shop/web", "a policy holds: median 0.1, times 20"]


def test_what_several_processes_say_is_said_once(folder: Path) -> None:
    Records(folder, "gw0").notes(["protocols: TCP, UDP", "stand-ins: shop/web"])
    Records(folder, "gw1").notes(["protocols: TCP, UDP"])

    assert said_in(folder) == ["protocols: TCP, UDP", "stand-ins: shop/web"]


def test_rows_of_two_tables_that_are_alike_are_said_twice(folder: Path) -> None:
    for seed in (1, 2):
        Records(folder).notes([f"seed {seed}", "  operation  ok", "  pay         7"])

    assert said_in(folder) == [
        "seed 1",
        "  operation  ok",
        "  pay         7",
        "seed 2",
        "  operation  ok",
        "  pay         7",
    ]


def test_a_folder_in_which_nothing_was_written_says_nothing(folder: Path) -> None:
    assert said_in(folder) == []
