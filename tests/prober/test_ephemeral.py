"""Attaching an ephemeral container, to an API that is made up; real ones are in tests/live."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from harness.errors import ProbeError
from harness.kube.client import STRATEGIC_MERGE, Api, ApiError
from harness.prober import ephemeral
from harness.prober.ephemeral import attach_ephemeral, running_ephemeral

IMAGE = "harness.dev/prober:1"
WAITING = {"waiting": {"reason": "ContainerCreating"}}
RUNNING = {"running": {"startedAt": datetime.now(UTC).isoformat()}}


class MadeUp:
    """A pod whose ephemeral container goes through ``states``; the last one stays."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self._states: Iterator[dict[str, Any]] = itertools.chain(states, itertools.repeat(states[-1] if states else {}))
        self.patches: list[tuple[str, Any, str]] = []
        self.listed: list[dict[str, Any]] = []

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/api/v1/namespaces/ns/pods/app"
        states = [{"name": one["name"], "state": next(self._states)} for one in self.listed]
        return {"spec": {"ephemeralContainers": self.listed}, "status": {"ephemeralContainerStatuses": states}}

    def patch(self, path: str, body: Any, content_type: str) -> None:  # noqa: ANN401 -- JSON
        self.patches.append((path, body, content_type))
        self.listed += body["spec"]["ephemeralContainers"]

    def attach(self) -> str:
        return attach_ephemeral(cast("Api", self), "ns", "app", IMAGE)


def test_it_waits_until_the_container_runs() -> None:
    api = MadeUp({}, WAITING, RUNNING)
    name = api.attach()
    [(path, body, content_type)] = api.patches
    assert (path, content_type) == ("/api/v1/namespaces/ns/pods/app/ephemeralcontainers", STRATEGIC_MERGE)
    [container] = body["spec"]["ephemeralContainers"]
    assert (container["name"], container["image"]) == (name, IMAGE)


def test_one_that_runs_is_used_again() -> None:
    api = MadeUp(RUNNING)
    assert api.attach() == api.attach()
    assert len(api.patches) == 1


@pytest.mark.parametrize(
    ("name", "image", "state"),
    [
        ("harness-prober-1", IMAGE, {"terminated": {"exitCode": 0}}),
        ("harness-prober-1", "harness.dev/prober:older", RUNNING),
        ("debugger-1", IMAGE, RUNNING),
    ],
)
def test_one_that_has_ended_or_is_another_is_not(name: str, image: str, state: dict[str, Any]) -> None:
    api = MadeUp(state)
    api.listed = [{"name": name, "image": image}]
    assert running_ephemeral(api.get("/api/v1/namespaces/ns/pods/app"), IMAGE) is None


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"waiting": {"reason": "ErrImageNeverPull", "message": "not on the node"}},
            "of pod ns/app does not start: ErrImageNeverPull: not on the node",
        ),
        (
            {"terminated": {"exitCode": 128, "reason": "StartError", "message": "no sleep"}},
            "of pod ns/app ended with status 128: StartError: no sleep",
        ),
    ],
)
def test_what_will_not_start_is_told_at_once(state: dict[str, Any], message: str) -> None:
    with pytest.raises(ProbeError, match=message):
        MadeUp(WAITING, state).attach()


def test_what_takes_too_long_is_told_with_what_was_seen_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ephemeral, "START_SECONDS", 0.1)
    with pytest.raises(ProbeError, match=r"waited 0 s for .* to run; last seen: .*ContainerCreating"):
        MadeUp(WAITING).attach()


def test_a_refusal_is_told_in_the_servers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ApiError("PATCH", "/x", 403, 'violates PodSecurity "restricted:latest"', "Forbidden")

    api = MadeUp()
    monkeypatch.setattr(api, "patch", refuse)
    with pytest.raises(ProbeError, match="pod ns/app cannot be given an ephemeral container: violates PodSecurity"):
        api.attach()
