"""Which means are chosen for a pod; that they work is seen in tests/live."""

from datetime import UTC, datetime
from typing import cast

import pytest

from harness.errors import ProbeError
from harness.kube.client import Api
from harness.kube.exec import ExecRefused
from harness.kube.kubectl import JsonObject
from harness.prober import opening
from harness.prober.bootstrap import NoPython
from harness.prober.opening import open_prober, running_containers

SINCE = {"startedAt": datetime.now(UTC).isoformat()}

OURS = "harness.dev/prober:1"


class FakeProber:
    """Opens in containers that are named after Python."""

    def __init__(self, _api: Api, _namespace: str, _pod: str, container: str, *, bootstrap: bool = False) -> None:
        self.chosen = (container, bootstrap)
        self.tries = 0

    def open(self) -> None:
        """It opens, or says why not."""
        container, bootstrap = self.chosen
        self.tries += 1
        if container == "broken":
            raise ProbeError(f"lost {self.tries} times")
        if container == "refused":
            raise ExecRefused("pod ns/app", 403, f"asked {self.tries} times")
        if container.endswith("lossy") and self.tries < opening.TRIES:
            raise ProbeError("lost, with the answer")
        if bootstrap and not container.startswith("python"):
            raise NoPython(container)


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "Prober", FakeProber)
    monkeypatch.setattr(opening, "attach_ephemeral", lambda _api, _namespace, _pod, _image: "new")


def pod(ephemeral: str = "", **containers: str) -> JsonObject:
    """A pod whose containers run, by name and image; one named ``down`` waits."""
    states: list[JsonObject] = [
        {"name": name, "state": {"waiting" if name == "down" else "running": {}}} for name in containers
    ]
    return {
        "metadata": {"namespace": "ns", "name": "app"},
        "spec": {
            "containers": [{"name": name, "image": image} for name, image in containers.items()],
            "ephemeralContainers": [{"name": ephemeral, "image": OURS}] if ephemeral else [],
        },
        "status": {
            "phase": "Pending",
            "containerStatuses": states,
            "ephemeralContainerStatuses": [{"name": ephemeral, "state": {"running": SINCE}}] if ephemeral else [],
        },
    }


def chosen(one: JsonObject, *, allow_ephemeral: bool = False) -> tuple[str, bool]:
    found = open_prober(cast("Api", None), one, OURS, allow_ephemeral=allow_ephemeral)
    return cast("FakeProber", found).chosen


def test_a_container_of_our_image_comes_first() -> None:
    assert chosen(pod(python="app:1", ours=OURS)) == ("ours", False)


def test_an_answer_that_was_lost_is_asked_for_again() -> None:
    assert chosen(pod(lossy="app:1", python="app:2")) == ("python", True)
    assert chosen(pod(python_lossy="app:1")) == ("python_lossy", True)


def test_what_is_refused_is_not_asked_again() -> None:
    with pytest.raises(ExecRefused, match="asked 1 times"):
        chosen(pod(refused="app:1"))


def test_then_one_that_was_attached_before() -> None:
    assert chosen(pod("harness-prober-1", python="app:1")) == ("harness-prober-1", False)


def test_then_the_first_container_with_python_is_sent_the_agent() -> None:
    assert chosen(pod(go="app:1", python="app:2", python2="app:3"), allow_ephemeral=True) == ("python", True)


def test_then_an_ephemeral_container_where_it_is_allowed() -> None:
    assert chosen(pod(go="app:1"), allow_ephemeral=True) == ("new", False)


def test_else_it_is_said_what_would_allow_it() -> None:
    with pytest.raises(ProbeError, match=r"none of its containers \(go\) has Python .* --allow-ephemeral"):
        chosen(pod(go="app:1"))


def test_a_container_that_cannot_be_asked_is_not_taken_for_one_without_python() -> None:
    with pytest.raises(ProbeError, match="lost 3 times"):
        chosen(pod(broken="app:1", python="app:2"), allow_ephemeral=True)


def test_a_pod_of_which_nothing_runs_is_told_with_its_phase() -> None:
    with pytest.raises(ProbeError, match=r"no running container .* phase is Pending"):
        chosen(pod(down=OURS))


def test_init_containers_that_stay_are_running_containers() -> None:
    one = pod(app="app:1", down="app:2")
    one["spec"]["initContainers"] = [{"name": "sidecar", "image": "s:1"}, {"name": "done", "image": "d:1"}]
    one["status"]["initContainerStatuses"] = [
        {"name": "sidecar", "state": {"running": {}}},
        {"name": "done", "state": {"terminated": {}}},
    ]
    assert running_containers(one) == {"app": "app:1", "sidecar": "s:1"}
