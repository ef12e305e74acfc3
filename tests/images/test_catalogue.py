import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import BuildError, UsageError
from harness.images import store
from harness.images.catalogue import ADDON_USERS, CASE, addon_images, case_recipe, policy_recipe, prober_recipe
from harness.images.store import cache_folder
from harness.images.wheelhouse import wheelhouse
from harness.timeline import Timeline

SERVICES = Path(__file__).parents[2] / "services"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


def test_an_add_on_is_made_once_and_named_by_its_binary(tmp_path: Path, cache: Path) -> None:
    binary = tmp_path / "pause"
    binary.write_text("one")
    timeline = Timeline()
    first = addon_images(timeline, {"pause": binary})["pause"]
    assert addon_images(timeline, {"pause": binary})["pause"] == first
    assert [phase.name for phase in timeline.phases] == ["image pause"]
    assert first.archive.is_relative_to(cache / "images")
    binary.write_text("another")
    assert addon_images(timeline, {"pause": binary})["pause"].tag != first.tag


def test_finding_all_add_ons_again_reads_no_binary_and_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = {name: tmp_path / name for name in ADDON_USERS}
    for name, binary in binaries.items():
        binary.write_text(name)
    images = addon_images(Timeline(), binaries)
    monkeypatch.setattr(store, "sha256", lambda file: pytest.fail(f"{file} was read again"))
    assert addon_images(Timeline(), binaries) == images


def test_only_the_provisioner_runs_as_root() -> None:
    assert [name for name, user in ADDON_USERS.items() if user == "0:0"] == ["storage"]


def test_a_binary_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"the binary of coredns is missing: .*/coredns"):
        addon_images(Timeline(), {"coredns": tmp_path / "coredns"})


def test_a_name_that_is_no_add_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'nginx' is no add-on: coredns, "):
        addon_images(Timeline(), {"nginx": tmp_path})


def test_a_name_that_is_no_image_of_the_case_is_refused() -> None:
    with pytest.raises(UsageError, match="the case has no image 'nginx': it has invoice-app, "):
        case_recipe("nginx", SERVICES)


def test_without_a_checkout_the_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="invoice_app/Dockerfile is missing"):
        case_recipe("invoice-app", tmp_path)


@pytest.mark.parametrize("name", CASE)
def test_the_cases_recipes_find_all_their_files(name: str) -> None:
    files = case_recipe(name, SERVICES).files()
    folder = CASE[name][0]
    assert any(file.startswith(f"{folder}/") for file in files)
    others = {folder for folder, _ in CASE.values()} - {folder}
    assert not {file for file in files if file.split("/")[0] in others}


def test_the_prober_image_holds_the_agent_alone() -> None:
    assert list(prober_recipe().files()) == ["agent.py"]


def test_wheels_are_those_of_the_images_python_and_are_fetched_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("filelock==3.20.0\n")
    calls: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir()
        (folder / "filelock.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    folder = wheelhouse(requirements, cache)
    assert wheelhouse(requirements, cache) == folder
    assert [path.name for path in folder.iterdir()] == ["filelock.whl"]
    (command,) = calls
    assert command[:3] == [sys.executable, "-m", "pip"]
    assert command[command.index("--python-version") + 1] == "3.11"
    assert "--only-binary=:all:" in command


def test_a_requirement_without_a_wheel_is_shown_with_pips_words_and_nothing_stays(tmp_path: Path, cache: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("./no-such-folder\n")
    with pytest.raises(BuildError, match=r"(?s)wheels of .*requirements.txt could not be fetched:.*no-such-folder"):
        wheelhouse(requirements, cache)
    assert [path.suffix for path in (cache / "wheelhouse").iterdir()] in ([], [".lock"])


def test_calicos_image_is_its_program_and_what_that_calls(tmp_path: Path) -> None:
    program = tmp_path / "policynode"
    program.write_text("one")
    recipe = policy_recipe(program)
    assert list(recipe.files()) == ["policynode"]
    before = recipe.tag("base")
    program.write_text("two")
    assert recipe.tag("base") != before
