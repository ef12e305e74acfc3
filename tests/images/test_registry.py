"""Pushing to a registry, by a crane that is a script here. A real one and a real registry are in tests/live."""

import io
import json
import tarfile
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest

from harness.errors import ClusterError, UsageError
from harness.images.registry import Registry
from harness.timeline import Timeline

CRANE = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
  digest) grep -qx "$2" "{there}" ;;
  push) if grep -q no "{refuses}"; then echo "$3" >> "{there}"; else cat "{refuses}" >&2; exit 1; fi ;;
esac
"""


def archive(file: Path, *images: tuple[str, ...]) -> Path:
    listing = json.dumps([{"Config": "c", "RepoTags": list(names), "Layers": []} for names in images]).encode()
    member = tarfile.TarInfo("manifest.json")
    member.size = len(listing)
    with tarfile.open(file, "w") as tar:
        tar.addfile(member, io.BytesIO(listing))
    return file


@dataclass
class Remote:
    """A registry, as its crane sees it: what it was asked, what is there, and the words in which it refuses."""

    folder: Path
    said: StringIO = field(default_factory=StringIO)

    def __post_init__(self) -> None:
        for name, text in (("log", ""), ("there", ""), ("refuses", "no\n")):
            (self.folder / name).write_text(text)
        crane = self.folder / "crane"
        crane.write_text(CRANE.format(**{name: self.folder / name for name in ("log", "there", "refuses")}))
        crane.chmod(0o755)

    def push(self, *archives: Path) -> list[str]:
        """Push, and give what crane was asked."""
        Registry("eu.example.com/team", lambda _: self.folder / "crane").push(archives, Timeline(self.said))
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


@pytest.mark.parametrize(
    ("image", "there"),
    [
        ("harness.dev/prober:4f2a", "eu.example.com/team/prober:4f2a"),
        ("localhost:5000/a/web:1", "eu.example.com/team/a/web:1"),
        ("localhost/web:1", "eu.example.com/team/web:1"),
        ("team/web:1", "eu.example.com/team/team/web:1"),
        ("web:1", "eu.example.com/team/web:1"),
    ],
)
def test_an_image_keeps_its_name_but_for_its_registry(image: str, there: str) -> None:
    assert Registry("eu.example.com/team", lambda _: Path("crane")).reference(image) == there


def test_an_image_is_pushed_under_the_prefix_and_said(remote: Remote) -> None:
    tar = archive(remote.folder / "web.tar", ("shop/web:1",))

    assert remote.push(tar) == [f"push {tar} eu.example.com/team/shop/web:1"]
    assert "push eu.example.com/team/shop/web:1" in remote.said.getvalue()


def test_one_of_ours_that_is_there_is_not_pushed_again_and_a_users_is(remote: Remote) -> None:
    ours = archive(remote.folder / "prober.tar", ("harness.dev/prober:4f2a",))
    his = archive(remote.folder / "web.tar", ("shop/web:1",))
    remote.push(ours, his)

    asked = remote.push(ours, his)[3:]

    assert asked == ["digest eu.example.com/team/prober:4f2a", f"push {his} eu.example.com/team/shop/web:1"]


def test_a_registry_that_refuses_is_told_in_its_words(remote: Remote) -> None:
    (remote.folder / "refuses").write_text("2026/12/01 retrying\nError: UNAUTHORIZED: who are you?\n")

    with pytest.raises(ClusterError) as raised:
        remote.push(archive(remote.folder / "web.tar", ("shop/web:1",)))

    assert str(raised.value) == (
        "the image shop/web:1 could not be pushed to eu.example.com/team/shop/web:1 (--image-prefix): "
        "Error: UNAUTHORIZED: who are you?; `docker login eu.example.com` leaves credentials where they are looked for"
    )


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ((), "holds 0 images with the names (none)"),
        (((),), "holds 1 images with the names (none)"),
        ((("a:1",), ("b:1",)), "holds 2 images with the names a:1, b:1"),
        ((("a:1", "a:2"),), "holds 1 images with the names a:1, a:2"),
    ],
)
def test_what_does_not_hold_one_image_is_refused_before_anything_is_pushed(
    remote: Remote, images: tuple[tuple[str, ...], ...], said: str
) -> None:
    good = archive(remote.folder / "good.tar", ("shop/web:1",))
    bad = archive(remote.folder / "bad.tar", *images)

    with pytest.raises(UsageError) as raised:
        remote.push(good, bad)

    assert said in str(raised.value)
    assert (remote.folder / "log").read_text() == ""
