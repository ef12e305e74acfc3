"""The case on a shared cluster: who deploys it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import case
from harness.errors import HarnessError, UsageError
from harness.proofs import own_manifests
from harness.settings import Settings, gather
from harness.timeline import Timeline


class Deployments:
    """A case that counts how often it is deployed."""

    def __init__(self) -> None:
        self.count = 0
        self.fails = False

    def deploy(self, **_: object) -> Sequence[str]:
        if self.fails:
            raise HarnessError("it does not roll out")
        self.count += 1
        return []


@pytest.fixture
def deployments(monkeypatch: pytest.MonkeyPatch) -> Deployments:
    found = Deployments()
    monkeypatch.setattr(case, "open_case", lambda *_: found)
    return found


def of_run(tmp_path: Path, run_id: str) -> Settings:
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    settings = gather({"cluster_name": "one"}, environment, run_id=run_id)
    settings.paths.cluster("one").mkdir(parents=True, exist_ok=True)
    return settings


def deploy(settings: Settings) -> None:
    cluster: Any = SimpleNamespace(name="one", api=None)
    case.deployed_case(cluster, settings, Timeline(StringIO()))


def test_one_process_of_a_run_deploys_and_the_others_leave_what_its_tests_may_be_changing(
    deployments: Deployments, tmp_path: Path
) -> None:
    for _ in range(2):
        deploy(of_run(tmp_path, "1a2b3c4d"))

    assert deployments.count == 1


def test_another_run_on_a_kept_cluster_deploys_again(deployments: Deployments, tmp_path: Path) -> None:
    deploy(of_run(tmp_path, "1a2b3c4d"))
    deploy(of_run(tmp_path, "5e6f7a8b"))

    assert deployments.count == 2


def test_a_deployment_that_failed_is_tried_again(deployments: Deployments, tmp_path: Path) -> None:
    deployments.fails = True
    with pytest.raises(HarnessError):
        deploy(of_run(tmp_path, "1a2b3c4d"))

    deployments.fails = False
    deploy(of_run(tmp_path, "1a2b3c4d"))
    assert deployments.count == 1


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_version_of_the_case_may_have_any_name_that_kustomize_looks_for(tmp_path: Path, name: str) -> None:
    for service in case.SERVICES:
        (tmp_path / service).mkdir()
        (tmp_path / service / name).touch()
    settings = gather({"manifests": str(tmp_path)}, {"HOME": str(tmp_path)})

    assert case.manifests_folder(settings) == tmp_path
    assert own_manifests(settings) is None


def test_a_folder_that_is_no_version_of_the_case_is_refused(tmp_path: Path) -> None:
    settings = gather({"manifests": str(tmp_path)}, {"HOME": str(tmp_path)})

    with pytest.raises(UsageError, match=r"payment-provider holds no kustomization\.yaml or .* with --manifests"):
        case.manifests_folder(settings)
    assert own_manifests(settings) == tmp_path


class Elsewhere:
    """A cluster that others use, without an Ingress that is known."""

    ingress_url = ""

    def __init__(self) -> None:
        self.claimed: list[str] = []
        self.api: Any = self

    def visited(self, run: str, place: str, labels: Mapping[str, str]) -> AbstractContextManager[Any]:
        raise NotImplementedError

    def claim(self, namespaces: Iterable[str]) -> None:
        self.claimed += namespaces
        raise UsageError("in use")


def test_where_others_use_the_cluster_the_namespaces_are_claimed_before_anything_is_changed(tmp_path: Path) -> None:
    elsewhere = Elsewhere()
    cluster: Any = elsewhere
    one = case.Case(cluster, {}, tmp_path, {})

    with pytest.raises(UsageError, match="in use"):
        one.deploy()
    with pytest.raises(UsageError, match="in use"):
        one.destroy("invoice-app")
    assert sorted(elsewhere.claimed) == ["invoice", "invoice", "payments", "payments"]


def test_without_an_ingress_the_app_is_reached_by_a_forward_that_keeps_no_connection(tmp_path: Path) -> None:
    cluster: Any = Elsewhere()
    one = case.Case(cluster, {}, tmp_path, {})

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", one.url)
    assert one.url == one.url
    assert one.headers == {"Host": "invoices.local", "Connection": "close"}
    one.close()
    one.close()


def test_through_an_ingress_connections_are_kept(tmp_path: Path) -> None:
    cluster: Any = Elsewhere()
    cluster.ingress_url = "http://127.0.0.1:1"
    one = case.Case(cluster, {}, tmp_path, {})

    assert (one.url, one.headers) == ("http://127.0.0.1:1", {"Host": "invoices.local"})
    one.close()
