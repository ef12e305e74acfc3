from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clusters.embedded import programs
from harness.clusters.embedded.gotoolchain import COMPONENTS
from harness.clusters.embedded.programs import PROGRAMS, TOOLS, Program
from harness.errors import BuildError, UsageError

ALL = {**PROGRAMS, **TOOLS}
GO = "go version go1.26.8 linux/amd64"
ONE = Program("tiny", "./one", released_as="example.com/released", stamps={"main.version": "{number}"})


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    module = tmp_path / "tiny"
    for folder in ("one", "two", "lego-dns"):
        (module / folder).mkdir(parents=True)
    (module / "go.mod").write_text("module example.com/tiny\n\ngo 1.26.0\n\nrequire example.com/released v1.2.3\n")
    for file in ("go.sum", "tools.go", "one/main.go", "two/main.go", "lego-dns/dns.go.txt"):
        (module / file).write_text(file)
    return tmp_path


def append(file: str) -> Callable[[Path], None]:
    def change(sources: Path) -> None:
        with (sources / "tiny" / file).open("a") as content:
            content.write("\n// changed")

    return change


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "tools.go", "one/main.go", "one/new.go", "lego-dns/dns.go.txt"])
def test_a_changed_file_that_goes_into_a_program_changes_its_key(sources: Path, file: str) -> None:
    before = programs.key(ONE, sources, GO)
    append(file)(sources)
    assert programs.key(ONE, sources, GO) != before


@pytest.mark.parametrize("file", ["two/main.go", "README.md", "one/notes.txt"])
def test_a_changed_file_that_goes_into_no_part_of_a_program_leaves_its_key(sources: Path, file: str) -> None:
    before = programs.key(ONE, sources, GO)
    append(file)(sources)
    assert programs.key(ONE, sources, GO) == before


def test_the_same_text_in_another_file_is_another_key(sources: Path) -> None:
    before = programs.key(ONE, sources, GO)
    (sources / "tiny" / "one" / "main.go").rename(sources / "tiny" / "one" / "other.go")
    assert programs.key(ONE, sources, GO) != before


@pytest.mark.parametrize(
    "changed",
    [
        replace(ONE, tags="seccomp"),
        replace(ONE, cgo=True),
        replace(ONE, stamps={"main.version": "{version}"}),
        replace(ONE, stamps={}),
        replace(ONE, package="./two"),
        replace(ONE, package="example.com/released/one"),
    ],
)
def test_changed_flags_change_the_key(sources: Path, changed: Program) -> None:
    assert programs.key(changed, sources, GO) != programs.key(ONE, sources, GO)


def test_another_go_changes_the_key(sources: Path) -> None:
    assert programs.key(ONE, sources, GO.replace("26.8", "26.9")) != programs.key(ONE, sources, GO)


def test_a_copy_of_the_sources_elsewhere_has_the_same_key(sources: Path, tmp_path: Path) -> None:
    before = programs.key(ONE, sources, GO)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (sources / "tiny").rename(elsewhere / "tiny")
    assert programs.key(ONE, elsewhere, GO) == before


def test_the_version_of_a_program_is_the_one_that_go_mod_requires() -> None:
    go_mod = "require (\n\texample.com/released v1.2.3 // indirect\n)\n"
    assert ONE.link_option(go_mod) == "-ldflags=./one=-s -w -X=main.version=1.2.3"


def test_a_program_whose_module_go_mod_does_not_require_cannot_be_linked() -> None:
    with pytest.raises(BuildError, match=r"go\.mod does not require example\.com/released"):
        ONE.link_option("module example.com/tiny\n")


@pytest.mark.parametrize("name", ALL)
def test_every_program_is_linked_with_versions_of_its_go_mod(name: str) -> None:
    program = ALL[name]
    option = program.link_option((COMPONENTS / program.module / "go.mod").read_text())
    assert option.startswith(f"-ldflags={program.package}=-s -w")
    assert option.count("-X=") == len(program.stamps)
    assert "{" not in option


@pytest.mark.parametrize("name", ALL)
def test_the_sources_of_every_program_of_ours_are_there(name: str) -> None:
    program = ALL[name]
    if program.own_sources is not None:
        assert (COMPONENTS / program.module / program.own_sources / "main.go").is_file()
    assert (COMPONENTS / program.module / "go.sum").is_file()


def test_a_program_is_chosen_by_any_name_it_is_called_by() -> None:
    assert list(programs.choose(["kubectl", "felix", "kubelet"])) == ["kubenode", "policynode"]


def test_every_program_of_a_node_is_chosen_where_none_is_named_and_a_tool_by_its_name() -> None:
    assert programs.choose(None) == PROGRAMS
    assert programs.choose(["crane"]) == {"crane": TOOLS["crane"]}


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no component is named kubctl; there are .*kubectl"):
        programs.choose(["kubctl", "runc"])


def test_one_go_build_makes_all_programs_but_those_with_other_flags() -> None:
    made_together = [set(batch) for batch in programs.batches(PROGRAMS)]
    assert {"runc"} in made_together
    assert {"policynode"} in made_together
    assert set(PROGRAMS) - {"runc", "policynode"} in made_together


def test_go_names_a_binary_for_its_package_and_the_root_of_a_module_for_the_module() -> None:
    assert PROGRAMS["traefik"].built_as == "traefik"
    assert PROGRAMS["kubenode"].built_as == "kubenode"
    assert PROGRAMS["policynode"].built_as == "policy"
