"""Real builds by buildah on a real Debian base, in a cache of their own that borrows only the base's archive."""

import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import BuildError
from harness.images.build import Builder
from harness.images.catalogue import DEBIAN, PYTHON_BASE
from harness.images.engines import DockerEngine
from harness.images.recipe import Recipe
from harness.images.store import Image, cache_folder
from harness.timeline import Timeline

pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("buildah") or not shutil.which("mmdebstrap"),
        reason="needs root, buildah and mmdebstrap",
    ),
    pytest.mark.timeout(600),  # the first run ever makes the base
]


@pytest.fixture(scope="module")
def base() -> Image:
    """The Debian base in the user's cache."""
    return Builder(cache_folder())._base(DEBIAN, Timeline())


@pytest.fixture(scope="module")
def cache(base: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache in which nothing but the base is made."""
    folder = tmp_path_factory.mktemp("cache")
    made = Builder(folder)
    made.store.keep(made._own(DEBIAN), lambda archive: archive.hardlink_to(base.archive))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def builder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """A builder on a machine without an engine."""
    monkeypatch.setattr(DockerEngine, "found", lambda: None)
    return Builder(cache)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """An image of each test's own, in two stages."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "hello.py").write_text("print('hello')\n")
    (context / "Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE} AS build\nCOPY hello.py /opt/\nRUN python3 /opt/hello.py > /opt/said\n"
        "FROM ${BASE}\nCOPY --from=build /opt/said /opt/said\nUSER 10003:10003\n"
        f'ENTRYPOINT ["tini", "--", "{tmp_path.name}"]\n'
    )
    return Recipe("harness.dev/hello", context / "Dockerfile", context, PYTHON_BASE)


def layers(image: Image) -> list[str]:
    with tarfile.open(image.archive) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        entry = json.load(manifest)[0]
    assert entry["RepoTags"] == [image.reference]
    return [str(layer) for layer in entry["Layers"]]


def layer(image: Image, name: str) -> tarfile.TarFile:
    with tarfile.open(image.archive) as tar:
        content = tar.extractfile(name)
        assert content is not None
        return tarfile.open(fileobj=io.BytesIO(content.read()))


def mounts(folder: Path) -> list[str]:
    """What is mounted below the folder, or in the machine's own storage of containers."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith((f"{folder}/", "/var/lib/containers/"))]


def test_a_dockerfile_of_two_stages_is_built_on_our_debian_and_leaves_nothing_mounted(
    builder: Builder, recipe: Recipe, base: Image, cache: Path
) -> None:
    image = builder.build(recipe, Timeline())
    assert mounts(cache) == []
    below, *own = layers(image)
    assert [below] == layers(base)
    said = [tar.extractfile("opt/said") for tar in (layer(image, name) for name in own) if "opt/said" in tar.getnames()]
    assert [file.read() for file in said if file is not None] == [b"hello\n"]


def test_the_second_build_does_nothing_and_an_edit_builds_another_tag_on_the_same_base(
    builder: Builder, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeline = Timeline()
    first = builder.build(recipe, timeline)
    with monkeypatch.context() as without_programs:
        without_programs.setenv("PATH", "")
        assert builder.build(recipe, timeline) == first
    assert [phase.name for phase in timeline.phases] == ["image hello"]
    (recipe.context / "hello.py").write_text("print('edited')\n")
    second = builder.build(recipe, timeline)
    assert second.tag != first.tag
    assert layers(second)[0] == layers(first)[0]
    assert layers(second) != layers(first)


def test_steps_before_the_first_edited_file_are_not_run_again(builder: Builder, recipe: Recipe) -> None:
    recipe.dockerfile.write_text(
        "ARG BASE\nFROM ${BASE}\nRUN head -c 16 /dev/urandom > /opt/random\nCOPY hello.py /opt/\n"
    )
    first = layers(builder.build(recipe, Timeline()))
    (recipe.context / "hello.py").write_text("print('edited')\n")
    second = layers(builder.build(recipe, Timeline()))
    assert second[:-1] == first[:-1]
    assert second[-1] != first[-1]


def test_a_step_that_fails_is_shown_and_leaves_no_image(builder: Builder, recipe: Recipe, cache: Path) -> None:
    with recipe.dockerfile.open("a") as dockerfile:
        dockerfile.write("RUN echo the reason; exit 7\n")
    with pytest.raises(BuildError, match=r"(?s)harness.dev/hello:\w+ could not be built by buildah:.*the reason"):
        builder.build(recipe, Timeline())
    assert not builder.store.has(builder.on_own(recipe))
    assert mounts(cache) == []


def test_an_image_can_be_the_base_of_another(builder: Builder, recipe: Recipe, tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    (above / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nUSER 0\nRUN cp /opt/said /opt/again\n")
    upper = Recipe("harness.dev/above", above / "Dockerfile", above, type(PYTHON_BASE)("public", recipe))
    image = builder.build(upper, Timeline())
    lower = builder.store.image(recipe.repository, builder.on_own(recipe).tag)
    assert layers(image)[:-1] == layers(lower)


def test_the_base_runs_python_with_venv_and_tini_and_holds_nothing_of_this_machine(base: Image) -> None:
    (name,) = layers(base)
    with layer(base, name) as tar:
        names = {entry.name.removeprefix("./") for entry in tar}
        for program in ("usr/bin/python3.11", "usr/bin/tini"):
            assert tar.getmember(f"./{program}").mode & stat.S_IXUSR
    assert "usr/lib/python3.11/ensurepip/__init__.py" in names
    assert "etc/ssl/certs/ca-certificates.crt" in names
    assert not names & {"etc/hostname", "etc/resolv.conf"}
    assert base.archive.stat().st_size < 130_000_000


def test_a_killed_build_ends_with_its_mounts_and_processes_and_the_next_one_works(
    builder: Builder, recipe: Recipe, cache: Path, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUN sleep 87.65\n")
    program = (
        "import sys; from pathlib import Path; from harness.images.engines import Buildah; "
        "storage, context, base, archive = sys.argv[1:]; "
        "Buildah(Path(storage)).build(Path(context), base, 'harness.dev/slow:1', Path(archive))"
    )
    base = builder._own(DEBIAN).reference
    arguments = [str(cache / "buildah"), str(slow), base, str(tmp_path / "slow.tar")]
    builder.build(recipe, Timeline())  # so that the base is in the storage
    with subprocess.Popen([sys.executable, "-c", program, *arguments]) as building:
        wait_until(lambda: running("sleep 87.65"), "the build to run its step")
        building.kill()
    wait_until(lambda: not running("sleep 87.65") and not running(str(cache)), "all of the build to end")
    assert mounts(cache) == []
    (recipe.context / "hello.py").write_text("print('again')\n")
    assert builder.store.has(builder.build(recipe, Timeline()))


def running(words: str) -> bool:
    """Whether a process has the words in its command line."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if words in process.read_bytes().replace(b"\0", b" ").decode(errors="replace") and os.getpid() != int(
                process.parent.name
            ):
                return True
    return False


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"waited 60 s for {what}"
        time.sleep(0.05)
