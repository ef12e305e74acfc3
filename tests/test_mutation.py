"""Mutants are judged by what breaks first, and scores of several kinds of mutants add up to one figure."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import score
from harness.errors import SettingsError
from harness.mutation import Argument, Judged, Score, details, judge, record, total
from harness.settings import Settings


@dataclass(frozen=True)
class Slip:
    what: str
    at: str = "f:1"


def judged(what: str, outcome: str) -> Judged:
    match outcome:
        case "killed":
            return Judged(Slip(what), breach="a cell is broken")
        case "argued":
            return Judged(Slip(what), argument=Argument(what, "it cannot be noticed"))
        case _:
            return Judged(Slip(what), hint="no cell notices it")


def test_a_mutant_is_killed_by_its_breach_or_argued_or_survives_with_a_hint() -> None:
    argument = Argument("b", "it cannot be noticed")

    said = judge(
        [Slip("a"), Slip("b"), Slip("c")],
        breach=lambda mutant: "a cell is broken" if mutant.what == "a" else "",
        hint=lambda mutant: f"no cell notices {mutant.what}",
        arguments=[argument, Argument("a", "wrong", "f:9")],
    )

    assert [one.outcome for one in said.judged] == ["killed", "argued", "survived"]
    assert said.judged[2].hint == "no cell notices c"
    assert [one.at for one in said.stale] == ["f:9"]
    assert list(details(said)) == [
        "argued    f:1: b: it cannot be noticed",
        "survived  f:1: c\n          no cell notices c",
        "stale     f:9: argues for 'a', which does not survive: delete it",
    ]


def test_scores_add_up() -> None:
    one = Score((judged("a", "killed"), judged("b", "survived")), (Argument("x", "y"),))
    other = Score((judged("c", "killed"), judged("d", "argued")))

    assert str(total(one, other)) == "66.7%: 2 killed, 1 survived, 1 argued to be equivalent"
    assert not total(one, other).complete
    assert total(other, other).complete
    assert total().share == 1


def test_a_record_says_what_became_of_a_mutant_and_why() -> None:
    assert json.loads(record(judged("a", "killed"))) == {
        "mutant": "a",
        "at": "f:1",
        "outcome": "killed",
        "because": "a cell is broken",
    }
    assert json.loads(record(judged("a", "argued")))["because"] == "it cannot be noticed"
    assert json.loads(record(judged("a", "survived")))["because"] == "no cell notices it"


# ------------------------------------------------------------------------------------------------- the program of both


def parts(monkeypatch: pytest.MonkeyPatch, policies: Score, roles: Score) -> None:
    """Let the parts be scored so."""

    def of(said: Score) -> object:
        return lambda settings: said if isinstance(settings, Settings) else None

    monkeypatch.setattr(
        score,
        "PARTS",
        {"policies": ("isolation_expectations", of(policies)), "roles": ("access_expectations", of(roles))},
    )


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]


def test_both_are_one_figure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    parts(monkeypatch, Score((judged("a", "killed"), judged("b", "argued"))), Score((judged("c", "killed"),)))

    assert score.main([]) == 0
    assert last_line(capsys) == "mutation score 100.0%: 2 killed, 0 survived, 1 argued to be equivalent"


@pytest.mark.parametrize("flawed", [Score((judged("a", "survived"),)), Score((), (Argument("x", "y"),))])
def test_a_flaw_of_either_ends_it_with_1(
    flawed: Score, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = Score((judged("c", "killed"),))

    parts(monkeypatch, flawed, fine)
    assert score.main([]) == 1
    parts(monkeypatch, fine, flawed)
    assert score.main([]) == 1
    assert last_line(capsys) == f"mutation score {total(fine, flawed)}"


def test_of_manifests_of_one_s_own_only_that_is_scored_of_which_there_is_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    parts(monkeypatch, Score((judged("a", "survived"),)), Score((judged("c", "killed"),)))
    own = [f"--manifests={tmp_path}", f"--access-expectations={tmp_path}"]

    assert score.main(own) == 0
    assert "policies: not scored, since --isolation-expectations is not given" in capsys.readouterr().out


def test_manifests_of_one_s_own_without_any_table_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="with --isolation-expectations or --access-expectations"):
        score.main([f"--manifests={tmp_path}"])


def test_the_parts_are_policies_and_roles() -> None:
    assert {part: option for part, (option, _) in score.PARTS.items()} == {
        "policies": "isolation_expectations",
        "roles": "access_expectations",
    }
