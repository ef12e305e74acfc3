"""Images that are loaded while a cluster is made."""

import threading

import pytest

from harness.clusters.container.early import meanwhile
from harness.errors import CommandError


def test_images_are_loaded_once_the_node_answers_and_waited_for() -> None:
    done: list[str] = []
    answering = threading.Event()
    with meanwhile(answering.is_set, lambda: done.append("loaded")):
        done.append("making")
        answering.set()
    assert sorted(done) == ["loaded", "making"]


def test_what_is_being_loaded_when_the_cluster_is_made_is_waited_for() -> None:
    loading, made = threading.Event(), threading.Event()
    done: list[str] = []

    def load() -> None:
        loading.set()
        assert made.wait(60)
        done.append("loaded")

    with meanwhile(lambda: True, load):
        assert loading.wait(60)
        made.set()
    assert done == ["loaded"]


def test_where_the_cluster_cannot_be_made_nothing_is_loaded_any_more() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), meanwhile(lambda: False, lambda: done.append("loaded")):
        raise KeyboardInterrupt
    assert done == []


def test_what_cannot_be_loaded_yet_is_no_error() -> None:
    def load() -> None:
        raise CommandError(["ctr"], 1, "the node is not quite there")

    with meanwhile(lambda: True, load):
        pass
