"""The failure bundle: what is in it, what never is, and that it never fails itself."""

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.kube import bundle
from harness.kube.client import Api
from harness.kube.diagnosis import Diagnosis
from harness.kube.kubectl import Kubectl
from harness.kube.wait import be_patient

from .conftest import FakeApi, Reached
from .objects import event, pod, waiting

PASSWORD = "very-much-hidden"  # noqa: S105 -- a test's own
ENCODED = base64.b64encode(PASSWORD.encode()).decode()
CORE = "/api/v1/namespaces/invoice"


@dataclass
class Subject:
    """A cluster with one component."""

    kubectl: Kubectl
    connect: Callable[[], Api]
    gate: threading.Event = field(default_factory=threading.Event)
    late: bool = False
    """Whether its logs come only once the gate is open."""

    @property
    def api(self) -> Api:
        return self.connect()

    def export_logs(self, folder: Path) -> None:
        if self.late:
            self.gate.wait(60)
        (folder / "node").mkdir()
        (folder / "node" / "etcd.log").write_text(f"etcd says {PASSWORD}\n")


@pytest.fixture
def failed(fake: FakeApi, reached: Reached) -> Subject:
    """A namespace of the harness with a pod in a crash loop, and a stranger's namespace."""
    fake.holds(
        "/api/v1/namespaces",
        "Namespace",
        {"metadata": {"name": "invoice", "labels": {"harness.dev/owner": "me"}}},
        {"metadata": {"name": "stranger"}},
    )
    last = {"terminated": {"exitCode": 2, "reason": "Error"}}
    fake.holds(f"{CORE}/pods", "Pod", pod(status=waiting("CrashLoopBackOff", restartCount=3, lastState=last)))
    later = event("BackOff", "Back-off\nrestarting", count=4)
    sooner = event("Scheduled", "Assigned", lastTimestamp=None, eventTime="2026-11-23T23:59:59.000001Z")
    fake.holds(f"{CORE}/events", "Event", later, sooner)
    meta = {"name": "login", "namespace": "invoice"}
    fake.holds(f"{CORE}/secrets", "Secret", {"metadata": meta, "data": {"password": ENCODED}})
    fake.answers[f"{CORE}/pods/shop-7d9c-abcde/log"] = f"cannot log in with {PASSWORD} ({ENCODED})\n"
    return Subject(reached.kubectl, lambda: reached.api)


def text_of(folder: Path) -> str:
    return "\n".join(file.read_text() for file in sorted(folder.rglob("*")) if file.is_file())


def test_a_bundle_says_what_is_wrong_and_keeps_what_may_tell_why(failed: Subject, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    bundle.collect(failed, folder)

    assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == {
        "summary.txt",
        "secrets.txt",
        "events.txt",
        "cluster.yaml",
        "rights.yaml",
        "nodes.txt",
        "invoice/objects.yaml",
        "invoice/describe.txt",
        "invoice/logs/shop-7d9c-abcde.app.log",
        "invoice/logs/shop-7d9c-abcde.app.previous.log",
        "components/node/etcd.log",
    }
    assert "invoice: deployment/shop, pod shop-7d9c-abcde, container app: it ended 4 times" in text_of(folder)
    assert "What is not in here" not in (folder / "summary.txt").read_text()


def test_no_value_of_a_secret_is_in_a_bundle(failed: Subject, tmp_path: Path) -> None:
    bundle.collect(failed, tmp_path / "bundle")
    kept = text_of(tmp_path / "bundle")

    assert PASSWORD not in kept
    assert ENCODED not in kept
    assert "etcd says <secret invoice/login:password>" in kept
    assert "invoice/login (Opaque): password" in kept


def test_events_are_in_order_and_on_one_line_each(failed: Subject, tmp_path: Path) -> None:
    bundle.collect(failed, tmp_path / "bundle")

    first, second = (tmp_path / "bundle" / "events.txt").read_text().splitlines()
    assert first.startswith("2026-11-23T23:59:59.000001Z")
    assert second.endswith("BackOff: Back-off restarting (x4)")


def test_namespaces_of_others_are_not_read(failed: Subject, fake: FakeApi, tmp_path: Path) -> None:
    bundle.collect(failed, tmp_path / "bundle")

    assert not [path for path in fake.asked("GET") if "stranger" in path]


def test_without_the_secrets_no_log_of_a_pod_is_kept(failed: Subject, fake: FakeApi, tmp_path: Path) -> None:
    fake.answers[f"{CORE}/secrets"] = {"kind": "Status", "code": 403, "message": "secrets is forbidden"}
    bundle.collect(failed, tmp_path / "bundle")

    assert not list((tmp_path / "bundle").glob("invoice/logs/*"))
    assert "secrets is forbidden" in (tmp_path / "bundle" / "summary.txt").read_text()


def test_without_the_secrets_no_log_of_a_component_is_kept(failed: Subject, fake: FakeApi, tmp_path: Path) -> None:
    fake.answers[f"{CORE}/secrets"] = {"kind": "Status", "code": 403, "message": "secrets is forbidden"}
    bundle.collect(failed, tmp_path / "bundle")

    assert PASSWORD not in text_of(tmp_path / "bundle")
    assert "components' logs: what is secret" in (tmp_path / "bundle" / "summary.txt").read_text()


def unreachable(fake: FakeApi, kubectl: Kubectl) -> Subject:
    fake.kubeconfig.write_text("not a kubeconfig")
    return Subject(kubectl, lambda: Api(fake.kubeconfig))


def test_without_an_api_server_components_logs_whose_secrets_nobody_knows_stay_out(
    fake: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    bundle.collect(unreachable(fake, kubectl), tmp_path / "bundle")

    assert {file.name for file in (tmp_path / "bundle").rglob("*")} == {"summary.txt"}
    summary = (tmp_path / "bundle" / "summary.txt").read_text()
    assert "what the API server knows: SettingsError" in summary
    assert "components' logs: what is secret in them is not known" in summary


def test_without_an_api_server_the_values_seen_at_an_earlier_failure_are_removed(
    failed: Subject, fake: FakeApi, tmp_path: Path
) -> None:
    bundle.collect(failed, tmp_path / "first")
    bundle.collect(unreachable(fake, failed.kubectl), tmp_path / "second")

    kept = text_of(tmp_path / "second")
    assert "etcd says <secret invoice/login:password>" in kept
    assert PASSWORD not in kept
    assert "only what the Secrets held at an earlier failure is removed" in kept


def test_no_half_of_a_value_is_left_where_a_log_or_a_diagnosis_is_cut(
    failed: Subject, fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f"etcd says {PASSWORD}\n"
    monkeypatch.setattr(bundle, "FILE_BYTES", len(said) - len("etcd says very-"))
    assert bundle._end_of(written(tmp_path / "etcd.log", said)) == ""
    monkeypatch.setattr(bundle, "FILE_BYTES", 1 << 20)

    fake.answers[f"{CORE}/pods/shop-7d9c-abcde/log"] = "".join(f"{'x' * n}{PASSWORD}\n" for n in range(0, 1000, 7))
    bundle.collect(failed, tmp_path / "bundle")
    assert PASSWORD[:6] not in text_of(tmp_path / "bundle")


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


DSN = (
    "host=orders-db.internal port=5432 dbname=orders user=orders password=plum-otter-41-kite sslmode=require "
    "application_name=orders-worker"
)
FOLDED = """    connection: host=orders-db.internal port=5432 dbname=orders user=orders
      password=plum-otter-41-kite sslmode=require application_name=orders-worker
"""


def test_a_value_that_kubectl_folds_and_a_part_that_a_pod_prints_are_in_no_file(
    failed: Subject, fake: FakeApi, tmp_path: Path
) -> None:
    meta = {"name": "dsn", "namespace": "invoice"}
    document = '{"database": {"login": ["ann", "quince-lynx-72-oboe"]}}'
    data = {"dsn": DSN, "config.json": document}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    fake.holds(f"{CORE}/secrets", "Secret", {"metadata": meta, "data": encoded})
    fake.answers[f"{CORE}/pods/shop-7d9c-abcde/log"] = "no login: quince-lynx-72-oboe at " + FOLDED
    failed.kubectl.binary.write_text(f"#!/bin/sh\ncat <<'END'\n{FOLDED}    login: quince-lynx-72-oboe\nEND\n")
    bundle.collect(failed, tmp_path / "bundle")

    kept = text_of(tmp_path / "bundle")
    assert "plum-otter" not in kept
    assert "quince-lynx" not in kept
    assert "connection: <secret invoice/dsn:dsn>" in kept
    assert "login: <secret invoice/dsn:config.json>" in kept


def test_what_takes_too_long_is_left_out_and_said(
    failed: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "SECONDS", 1.0)
    failed.late = True
    bundle.collect(failed, tmp_path / "bundle")  # returns though the gate is closed
    failed.gate.set()

    assert "components' logs: not had within 1 s" in (tmp_path / "bundle" / "summary.txt").read_text()


def test_of_what_is_too_long_the_end_is_kept(
    failed: Subject, fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "FILE_BYTES", 100)
    fake.answers[f"{CORE}/pods/shop-7d9c-abcde/log"] = "x" * 1000 + "the end"
    bundle.collect(failed, tmp_path / "bundle")
    log = (tmp_path / "bundle" / "invoice" / "logs" / "shop-7d9c-abcde.app.log").read_text()

    assert log.startswith("[the beginning is left out]")
    assert log.endswith("the end")


def test_a_bundle_that_is_full_says_so(failed: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "BUNDLE_BYTES", 10)
    bundle.collect(failed, tmp_path / "bundle")

    assert "the bundle is full" in (tmp_path / "bundle" / "summary.txt").read_text()


def test_a_part_that_is_late_leaves_the_summary_its_room(tmp_path: Path) -> None:
    made = bundle._Bundle(tmp_path)
    made._room = 10
    made.close()
    made.put("late.txt", "late" * 1000)

    assert "What is wrong:" in (tmp_path / "summary.txt").read_text()
    assert not (tmp_path / "late.txt").exists()


def test_a_diagnosis_that_breaks_takes_nothing_else_with_it(
    failed: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: object) -> list[Diagnosis]:
        raise KeyError("what no pod ever had")

    monkeypatch.setattr(bundle, "diagnose", breaks)
    bundle.collect(failed, tmp_path / "bundle")

    assert "invoice: what is wrong: KeyError" in (tmp_path / "bundle" / "summary.txt").read_text()
    assert (tmp_path / "bundle" / "invoice" / "logs" / "shop-7d9c-abcde.app.log").exists()


def test_a_folder_that_cannot_be_made_is_no_error(failed: Subject, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("a file is in the way")

    bundle.collect(failed, tmp_path / "bundle")


def test_patience_gives_a_bundle_more_time(tmp_path: Path) -> None:
    try:
        be_patient(3)
        assert bundle._Bundle(tmp_path).seconds > bundle.SECONDS
    finally:
        be_patient(1)
