"""Files that people write are read strictly: what is not understood is an error with its line."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.kube.sources import Source, read_text
from harness.kube.strict import did_you_mean, known_keys, mapping, read_one, tables, text, texts

FILE = Path("f.yaml")


def source(written: str) -> Source:
    [one] = read_text(written, FILE)
    return one


def test_a_key_that_is_not_known_is_told_with_those_that_are() -> None:
    one = source("a: 1\nb: 2\n")

    with pytest.raises(ManifestError, match=r"f\.yaml:2: b: is not known here: there are a, c"):
        known_keys(one, (), one.object, required=("a",), optional=("c",))


def test_a_required_key_that_is_not_there_is_told() -> None:
    one = source("a: 1\n")

    with pytest.raises(ManifestError, match=r"f\.yaml:1: b: is missing"):
        known_keys(one, (), one.object, required=("a", "b"))


@pytest.mark.parametrize(
    ("read", "written", "problem"),
    [
        (mapping, "a: [1]\n", "a: must be a mapping"),
        (text, "a: 1\n", "a: must be text, not 1: put it in quotes"),
        (text, "a: yes\n", "a: must be text, not True"),
        (text, "a: ''\n", "a: must be text, not ''"),
        (texts, "a: b\n", r"a: must be a list, not 'b': put it in \[ \]"),
        (texts, "a: [b, 1]\n", "a.1: must be text, not 1"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_path(read: object, written: str, problem: str) -> None:
    one = source(written)

    assert callable(read)
    with pytest.raises(ManifestError, match=problem):
        read(one, ("a",), one.object["a"])


def test_a_table_is_its_lines_in_words_each_with_its_place_and_without_comments() -> None:
    one = source("t: |\n  # of\n  from/to  a\n\n  b        yes # so\n")

    assert list(tables(one, "t", "from/to")) == [[("f.yaml:3", ["from/to", "a"]), ("f.yaml:5", ["b", "yes"])]]


def test_several_tables_come_one_after_the_other() -> None:
    one = source("t:\n  - |\n    x  a\n    b  c\n  - |\n    x  d\n    e  f\n")

    assert [lines[0] for lines in tables(one, "t", "x")] == [("f.yaml:3", ["x", "a"]), ("f.yaml:6", ["x", "d"])]


def test_what_is_no_table_is_told_with_what_one_begins_with() -> None:
    with pytest.raises(ManifestError, match=r"f\.yaml:1: t: must be a table, or a list of tables: a `\|`, below it x"):
        list(tables(source("t: {}\n"), "t", "x"))


def test_only_what_is_no_yaml_is_told_how_a_table_begins(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("t: |\n        a\n  x  b\n")

    with pytest.raises(ManifestError, match="its first line begins with x, just above the names of the rows"):
        read_one(file, "x", "t")
    with pytest.raises(ManifestError, match=r"cannot be read: No such file or directory$"):
        read_one(tmp_path / "none", "x", "t")


def test_what_is_no_mapping_or_no_file_is_told_with_what_it_must_hold(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("- a\n")

    must = "and must be a file that holds one mapping: actors, connections"
    with pytest.raises(ManifestError, match=rf"f\.yaml:1: is a list, {must}$"):
        read_one(file, "x", "actors, connections")
    file.write_text("a\n")
    with pytest.raises(ManifestError, match=rf"f\.yaml:1: is plain text, {must}$"):
        read_one(file, "x", "actors, connections")
    with pytest.raises(ManifestError, match=f"is a folder, {must}$"):
        read_one(tmp_path, "x", "actors, connections")


def test_a_name_that_is_not_known_is_told_with_the_nearest_that_are_or_with_all_if_they_are_few() -> None:
    assert did_you_mean("team-invioce", ["team-invoice", "team-payments"]) == "; did you mean team-invoice?"
    assert did_you_mean("x", ["abc", "def", "abc"]) == ": there are abc, def"
    assert did_you_mean("x", map(str, range(11))) == ""
    assert did_you_mean("x", []) == ""
