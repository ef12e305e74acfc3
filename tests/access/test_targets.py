"""What is made to be connected to, and that nothing of it stays."""

import pytest

from harness.access.asking import PORT, Target
from harness.access.targets import LABEL, objects, targets_in, ways
from harness.errors import WaitTimeout
from harness.kube.client import ApiError

from .fakes import FakeApi, refusal

NAME = "harness-access-r1"
LABELS = {"harness.dev/run": "r1"}


def cluster(*namespaces: str) -> FakeApi:
    """One on which every target answers."""
    answers: dict[tuple[str, str], object] = {}
    for namespace in namespaces:
        answers |= {("GET", path): f"harness-prober {NAME}\n" for path in ways(namespace, NAME)}
        for kind in ("pods", "services"):
            answers["POST", f"/api/v1/namespaces/{namespace}/{kind}"] = {}
            answers["DELETE", f"/api/v1/namespaces/{namespace}/{kind}/{NAME}"] = {}
    return FakeApi(answers)


def removed(api: FakeApi) -> list[str]:
    return [path for method, path, _ in api.asked if method == "DELETE"]


def test_each_namespace_gets_a_pod_and_a_service_that_answer_and_are_removed() -> None:
    api = cluster("invoice", "payments")

    with targets_in(api.real, ("invoice", "payments"), "image", LABELS, NAME) as found:
        assert found == {"invoice": Target(NAME, NAME), "payments": Target(NAME, NAME)}
        assert {("GET", path) for path in ways("payments", NAME)} <= {(one, path) for one, path, _ in api.asked}
        assert removed(api) == []

    assert removed(api) == [
        f"/api/v1/namespaces/{namespace}/{kind}/{NAME}"
        for namespace in ("invoice", "payments")
        for kind in ("pods", "services")
    ]


def test_where_one_cannot_be_made_the_others_are_removed_too() -> None:
    api = cluster("invoice")
    api.answers["POST", "/api/v1/namespaces/payments/pods"] = refusal(403, "exceeded quota")

    with (
        pytest.raises(ApiError, match="exceeded quota"),
        targets_in(api.real, ("invoice", "payments"), "image", LABELS, NAME),
    ):
        pass

    assert f"/api/v1/namespaces/invoice/pods/{NAME}" in removed(api)


def test_one_that_does_not_answer_is_told_by_its_path_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.access.targets.START_SECONDS", 0.0)
    api = cluster("invoice")
    pod, _ = ways("invoice", NAME)
    api.answers["GET", pod] = refusal(503, "connection refused")

    with (
        pytest.raises(WaitTimeout, match=r"(?s)pods/harness-access-r1:8000/proxy/.*connection refused"),
        targets_in(api.real, ("invoice",), "image", LABELS, NAME),
    ):
        pass

    assert f"/api/v1/namespaces/invoice/pods/{NAME}" in removed(api)


def test_the_service_selects_that_pod_alone_and_nothing_of_the_pod_is_privileged() -> None:
    made = objects("invoice", NAME, "image", LABELS)
    pod, service = made["pods"], made["services"]

    assert service["spec"]["selector"] == {LABEL: NAME}
    assert pod["metadata"]["labels"] == {**LABELS, LABEL: NAME}
    assert pod["spec"]["automountServiceAccountToken"] is False
    [container] = pod["spec"]["containers"]
    assert container["args"] == ["serve", "--http", str(PORT)]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
