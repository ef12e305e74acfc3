"""What Minikube says in JSON while it starts a cluster."""

import json

import pytest

from harness.clusters.minikube.events import Event, read


def line(kind: str, **data: str) -> str:
    return json.dumps({"specversion": "1.0", "type": f"io.k8s.sigs.minikube.{kind}", "data": data})


def test_a_step_has_a_name_and_a_message_in_one_line() -> None:
    event = read(line("step", name="Creating Container", message="Creating docker\n  container ...\n", currentstep="8"))
    assert event is not None
    assert (event.step, event.message, event.failure) == ("Creating Container", "Creating docker container ...", "")


def test_the_end_is_no_step() -> None:
    event = read(line("step", name="Done", message="Done! kubectl is now configured"))
    assert event is not None
    assert event.step == ""


def test_a_failure_says_what_minikube_advises() -> None:
    event = read(line("error", name="GUEST_START", message="failed to start node", advice="Try\nthis", exitcode="80"))
    assert event is not None
    assert event.failure == "GUEST_START: failed to start node Minikube says: Try this"
    plain = read(line("error", message="no luck"))
    assert plain is not None
    assert plain.failure == "no luck"


def test_the_request_to_file_an_issue_is_no_failure() -> None:
    event = read(line("error", message="╭────╮\n│ let us know │"))
    assert event is not None
    assert event.failure == ""


def test_a_warning_is_neither_a_step_nor_a_failure() -> None:
    assert read(line("warning", name="x", message="m")) == Event("warning", {"name": "x", "message": "m"})
    event = read(line("warning", name="x", message="m"))
    assert event is not None
    assert (event.step, event.failure) == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I1201 12:00:00 a log line",
        "[]",
        '"text"',
        '{"type": "io.k8s.sigs.minikube.step"}',
        '{"type": 1, "data": {}}',
    ],
)
def test_what_is_no_event_is_none(text: str) -> None:
    assert read(text) is None
