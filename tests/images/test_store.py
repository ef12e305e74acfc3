import os
import threading
from pathlib import Path

import pytest

from harness.images.store import KEPT_SECONDS, KEPT_VERSIONS, Image, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


@pytest.fixture
def kept(store: Store) -> Image:
    return store.keep(store.image("harness.dev/app", "aa"), write_app)


def write_app(archive: Path) -> None:
    archive.write_text("app")


def fail(_: Path) -> None:
    pytest.fail("it was made again")


def test_an_image_is_named_by_repository_and_tag_and_lies_under_its_short_name(store: Store, tmp_path: Path) -> None:
    image = store.image("harness.dev/app", "aa")
    assert (image.reference, image.name, image.tag) == ("harness.dev/app:aa", "harness.dev/app", "aa")
    assert image.archive == tmp_path / "images" / "app" / "aa.tar"


def test_what_is_kept_is_not_made_again(store: Store, kept: Image) -> None:
    assert store.has(kept)
    assert store.keep(kept, fail) == kept


@pytest.mark.parametrize("content", ["ap", "apq"])
def test_a_corrupt_archive_is_noticed_and_made_again(store: Store, kept: Image, content: str) -> None:
    kept.archive.write_text(content)
    assert not store.has(kept)
    store.keep(kept, write_app)
    assert kept.archive.read_text() == "app"


def test_an_archive_whose_time_alone_changed_is_read_and_found_whole(store: Store, kept: Image) -> None:
    os.utime(kept.archive, (1, 1))
    assert store.has(kept)
    assert store.keep(kept, fail) == kept


@pytest.mark.parametrize("suffix", [".tar", ".json"])
def test_an_archive_or_record_that_is_gone_is_made_again(store: Store, kept: Image, suffix: str) -> None:
    kept.archive.with_suffix(suffix).unlink()
    assert not store.has(kept)
    store.keep(kept, write_app)
    assert store.has(kept)


def test_a_failed_build_leaves_nothing_but_its_lock(store: Store) -> None:
    image = store.image("harness.dev/app", "aa")

    def write_half(archive: Path) -> None:
        archive.write_text("ha")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        store.keep(image, write_half)
    assert {path.name for path in image.archive.parent.iterdir()} <= {"aa.lock"}


def test_two_who_want_the_same_image_make_it_once(store: Store) -> None:
    image = store.image("harness.dev/app", "aa")
    began, may_end = threading.Event(), threading.Event()
    made: list[str] = []

    def write_slowly(archive: Path) -> None:
        began.set()
        assert may_end.wait(60)
        made.append("once")
        write_app(archive)

    threads = [threading.Thread(target=store.keep, args=(image, write_slowly)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert began.wait(60)
    may_end.set()
    for thread in threads:
        thread.join(60)
    assert made == ["once"]
    assert store.has(image)


def test_old_archives_make_room_and_those_of_the_last_day_stay(store: Store) -> None:
    images = [store.keep(store.image("harness.dev/app", f"a{number}"), write_app) for number in range(6)]
    assert all(map(store.has, images))
    for age, image in enumerate(reversed(images), start=1):
        then = image.archive.stat().st_mtime - KEPT_SECONDS - age * 60
        os.utime(image.archive, (then, then))
    newest = store.keep(store.image("harness.dev/app", "new"), write_app)
    there = [image for image in [*images, newest] if image.archive.exists()]
    assert there == [*images[-(KEPT_VERSIONS - 1) :], newest]


def test_a_files_digest_is_remembered_until_the_file_changes(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "binary"
    file.write_text("one")
    first = store.digest(file)
    assert store.digest(file) == first
    file.write_text("other")
    assert store.digest(file) != first
