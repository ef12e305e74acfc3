import os
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import BuildError
from harness.images.recipe import Base, DebianBase, Recipe, copied_sources, debian_tag

DEBIAN = DebianBase("base", "bookworm", ("python3",))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A context with two services that share a package, one of which the Dockerfile builds."""
    context = tmp_path / "services"
    for file in ("app/main.py", "app/sub/deep.py", "kit/kit.py", "other/main.py"):
        (context / file).parent.mkdir(parents=True, exist_ok=True)
        (context / file).write_text(file)
    requirements = context / "app" / "requirements.txt"
    requirements.write_text("sanic==1\n")
    dockerfile = context / "app" / "Dockerfile"
    dockerfile.write_text("ARG BASE\nFROM $BASE\nCOPY wheelhouse/ /w\nCOPY app/ /app/\nCOPY kit/ /kit/\n")
    return Recipe("harness.dev/app", dockerfile, context, Base("public", DEBIAN), requirements)


def test_only_what_the_dockerfile_copies_goes_in(recipe: Recipe, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "sanic.whl").touch()
    staged = tmp_path / "staged"
    staged.mkdir()
    recipe.stage(staged, wheels)
    files = {str(file.relative_to(staged)) for file in staged.rglob("*") if file.is_file()}
    expected = {"Dockerfile", "app/Dockerfile", "app/main.py", "app/requirements.txt", "app/sub/deep.py", "kit/kit.py"}
    assert files == expected | {"wheelhouse/sanic.whl"}


@pytest.mark.parametrize(
    "file", ["app/main.py", "app/sub/deep.py", "kit/kit.py", "app/requirements.txt", "app/Dockerfile"]
)
def test_an_edit_of_a_file_that_goes_in_changes_the_tag(recipe: Recipe, file: str) -> None:
    before = recipe.tag("base")
    with (recipe.context / file).open("a") as edited:
        edited.write("# edited\n")
    assert recipe.tag("base") != before


def test_an_edit_of_the_other_service_and_compiled_files_change_nothing(recipe: Recipe) -> None:
    before = recipe.tag("base")
    (recipe.context / "other" / "main.py").write_text("edited")
    (recipe.context / "app" / "__pycache__").mkdir()
    (recipe.context / "app" / "__pycache__" / "main.pyc").touch()
    (recipe.context / "app" / "main.py").touch()
    assert recipe.tag("base") == before


def test_a_renamed_file_another_mode_base_or_name_change_the_tag(recipe: Recipe) -> None:
    tags = {recipe.tag("base"), recipe.tag("other"), replace(recipe, repository="harness.dev/b").tag("base")}
    (recipe.context / "app" / "main.py").chmod(0o755)
    tags.add(recipe.tag("base"))
    (recipe.context / "app" / "main.py").rename(recipe.context / "app" / "renamed.py")
    tags.add(recipe.tag("base"))
    assert len(tags) == 5


def test_a_tag_begins_with_a_letter_so_that_no_reader_takes_it_for_a_number(recipe: Recipe) -> None:
    assert re.fullmatch("h[0-9a-f]{16}", recipe.tag("base"))
    assert re.fullmatch("h[0-9a-f]{16}", debian_tag(DEBIAN, "p"))


def test_a_checkout_that_only_its_user_may_read_gives_the_same_image_which_all_may_read(
    recipe: Recipe, tmp_path: Path
) -> None:
    program = recipe.context / "app" / "main.py"
    program.chmod(0o755)
    before = recipe.tag("base")
    for path in (*recipe.context.rglob("*"), recipe.dockerfile):
        path.chmod(path.stat().st_mode & 0o700)
    staged = tmp_path / "staged"
    staged.mkdir()

    recipe.stage(staged, wheels=None)

    assert recipe.tag("base") == before
    modes = {str(path.relative_to(staged)): path.stat().st_mode & 0o777 for path in staged.rglob("*")}
    assert (modes["app"], modes["app/main.py"], modes["kit/kit.py"]) == (0o755, 0o755, 0o644)


def test_another_list_of_packages_release_or_procedure_is_another_base() -> None:
    bases = [DEBIAN, replace(DEBIAN, release="trixie"), replace(DEBIAN, packages=("python3", "tini"))]
    assert len({*(debian_tag(base, "p") for base in bases), debian_tag(DEBIAN, "q")}) == 4


def test_a_missing_source_is_named_with_its_dockerfile(recipe: Recipe) -> None:
    (recipe.context / "kit" / "kit.py").unlink()
    (recipe.context / "kit").rmdir()
    with pytest.raises(BuildError, match=r"Dockerfile: COPY kit/: no such file in .*services"):
        recipe.files()


def test_copies_are_read_in_every_usual_form(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(
        "# COPY comment /\n"
        "COPY --chown=1:1 one.py two.py \\\n"
        "   # in between\n"
        "   three/ /app/\n"
        'copy ["with space.py", "/app/"]\n'
        "COPY --from=build /opt /opt\n"
        "RUN echo COPY not/this /there\n"
    )
    assert copied_sources(dockerfile) == ["one.py", "two.py", "three/", "with space.py"]


@pytest.mark.parametrize("line", ["ADD a /a", "COPY $X /a", "COPY <<END /a"])
def test_what_cannot_be_told_is_refused_with_the_line(tmp_path: Path, line: str) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM scratch\n{line}\n")
    with pytest.raises(BuildError) as raised:
        copied_sources(dockerfile)
    assert str(raised.value).startswith(f"{dockerfile}: {line}: ")


def test_a_dockerfile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="nowhere: No such file"):
        copied_sources(tmp_path / "nowhere")


EDITORS = [
    *(".#main.py", "#main.py#", "main.py~", ".main.py.swp", "main.py.swo", "4913", ".DS_Store", "._main.py"),
    *("main.py___jb_tmp___", ".main.py.kate-swp", ".goutputstream-AB12", ".~lock.a.odt#", "Thumbs.db", ".nfs0001"),
]


@pytest.mark.parametrize("name", EDITORS)
@pytest.mark.parametrize("copies", ["app/", "app/*", "."])
def test_what_an_editor_leaves_changes_nothing(recipe: Recipe, name: str, copies: str) -> None:
    recipe.dockerfile.write_text(f"ARG BASE\nFROM $BASE\nCOPY {copies} /app/\n")
    before = recipe.tag("base")
    left = recipe.context / "app" / name

    left.write_text("swap")
    assert recipe.tag("base") == before
    left.unlink()
    left.symlink_to("ann@host:1")

    assert recipe.tag("base") == before


def test_a_folder_of_an_editor_changes_nothing(recipe: Recipe) -> None:
    before = recipe.tag("base")
    (recipe.context / "app" / ".idea").mkdir()
    (recipe.context / "app" / ".idea" / "workspace.xml").write_text("<project/>")

    assert recipe.tag("base") == before


def test_a_file_that_a_copy_names_goes_in_whatever_it_is_called(recipe: Recipe) -> None:
    (recipe.context / "app" / "4913").write_text("a year")
    recipe.dockerfile.write_text("FROM scratch\nCOPY app/4913 /app/\n")

    assert list(recipe.files()) == ["app/4913"]


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)  # an address of a socket has 107 bytes at most
        listener.bind(path.name)
        os.chdir(here)


@pytest.mark.parametrize("make", [os.mkfifo, _socket, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_neither_file_nor_folder_is_left_out_and_not_waited_on(
    recipe: Recipe, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    before = recipe.tag("base")
    make(recipe.context / "app" / "main.sock")
    staged = tmp_path / "staged"
    staged.mkdir()

    recipe.stage(staged, wheels=None)

    assert recipe.tag("base") == before
    assert not (staged / "app" / "main.sock").exists()


def test_a_link_to_nothing_or_to_a_folder_above_is_named(recipe: Recipe) -> None:
    link = recipe.context / "app" / "settings.py"
    link.symlink_to("gone.py")
    with pytest.raises(BuildError, match=r"app/settings.py is a link to gone.py, which does not exist"):
        recipe.tag("base")
    link.unlink()
    link.symlink_to("..")
    with pytest.raises(
        BuildError, match=r"app is a link to a folder that it lies in|settings.py is a link to a folder"
    ):
        replace(recipe, dockerfile=_copies_all(recipe)).tag("base")


def _copies_all(recipe: Recipe) -> Path:
    recipe.dockerfile.write_text("FROM scratch\nCOPY . /\n")
    return recipe.dockerfile


def test_a_file_or_folder_that_cannot_be_read_is_named(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised here: root, as whom tests may run, reads everything."""

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BuildError, match=r"Dockerfile is part of an image and cannot be read: Permission denied"):
        recipe.tag("base")
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BuildError, match=r"app is part of an image and cannot be read: Permission denied"):
        recipe.files()


def test_a_dockerfile_that_is_a_pipe_or_no_text_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(BuildError, match="pipe: is no file"):
        copied_sources(tmp_path / "pipe")
    with pytest.raises(BuildError, match="binary: is not UTF-8"):
        copied_sources(tmp_path / "binary")
