"""The case: both teams' services on a cluster, deployed as they are in the manifests, and how a user speaks to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from harness.clusters.pool import alone_deploying, alone_with
from harness.clusters.provider import Cluster, Shared
from harness.errors import UsageError
from harness.images.catalogue import CASE, REPOSITORY, case_images, prober_image
from harness.kube.deploy import deploy, destroy
from harness.kube.forward import ServiceForward
from harness.kube.kustomizations import KUSTOMIZATIONS, kustomization_of
from harness.kube.postgres import Postgres
from harness.kube.rollout import OnHint, unheeded, wait_for_rollout
from harness.kube.wait import patient
from harness.settings import Settings
from harness.timeline import Timeline

SERVICES: Mapping[str, str] = {"payment-provider": "payments", "invoice-app": "invoice"}
"""The services and the namespace of each, the one that is called before its caller."""

DATABASES: Mapping[str, str] = {"invoice-db": "invoice", "payments-db": "payments"}
"""The databases and the namespace of each."""

HOST = "invoices.local"
"""The Ingress's host."""

DEPLOYED = "case-deployed-by"
"""The file in a cluster's folder that names the run that last deployed the case there."""

ROLLOUT_SECONDS = 180.0
REQUEST_SECONDS = 15.0
CHECKOUT = Path(__file__).parent.parent


class CaseClient(requests.Session):
    """A user outside the cluster: paths are joined with the Ingress's URL, and nothing is ever sent twice."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._url = url
        self.headers.update(headers)
        self.trust_env = False  # a proxy of the user's environment has no business on the loopback

    def request(self, method: str | bytes, url: str | bytes, *arguments: Any, **options: Any) -> requests.Response:  # noqa: ANN401 -- requests' own parameters
        """As ``requests.Session.request``, ``url`` being a path; without a ``timeout`` it is REQUEST_SECONDS."""
        options.setdefault("timeout", patient(REQUEST_SECONDS))
        path = url.decode() if isinstance(url, bytes) else url
        return super().request(method, urljoin(self._url, path), *arguments, **options)


@dataclass(frozen=True)
class Case:
    """The case on one cluster. ``images`` are the full references by name, the prober's among them."""

    cluster: Cluster
    images: Mapping[str, str]
    manifests: Path
    labels: Mapping[str, str]

    @property
    def prober_image(self) -> str:
        """The prober's image, loaded on the node."""
        return self.images["prober"]

    @property
    def url(self) -> str:
        """Base URL of the Ingress from outside; where none is known, of a port-forward to the invoice app's Service."""
        return self.cluster.ingress_url or self._forward.url

    @cached_property
    def _forward(self) -> ServiceForward:
        return ServiceForward(self.cluster.api, SERVICES["invoice-app"], "invoice-app", "http")

    @property
    def host(self) -> str:
        """The Host header that leads to the invoice app."""
        return HOST

    @property
    def headers(self) -> Mapping[str, str]:
        """What each request to ``url`` carries. A port-forward leads a connection to one pod: so none is kept."""
        return {"Host": HOST} if self.cluster.ingress_url else {"Host": HOST, "Connection": "close"}

    @cached_property
    def http(self) -> CaseClient:
        """A client for one thread."""
        return self.client()

    def client(self) -> CaseClient:
        """Another client, for another thread."""
        return CaseClient(self.url, self.headers)

    @property
    def folders(self) -> list[Path]:
        """The folders of its manifests, one for each service."""
        return folders_of(self.manifests, None)

    @property
    def namespaces(self) -> frozenset[str]:
        """The namespaces of both teams."""
        return frozenset(SERVICES.values())

    def deploy(self, service: str | None = None, *, on_hint: OnHint = unheeded) -> Sequence[str]:
        """Apply the manifests of one service or of all, and wait until what changed is rolled out.

        What an earlier deployment made and the manifests hold no more is deleted, but for what may hold data.
        Returns a line for each object that changed or went. Safe to repeat. ``on_hint`` is told what is wrong
        meanwhile and may yet heal. Raises WorkloadNotReady with the cause in words.
        """
        folders = folders_of(self.manifests, service)
        images = {f"{REPOSITORY}/{name}": reference for name, reference in self.images.items()}
        self._claim()
        return deploy(self.cluster, folders, images, self.labels, seconds=ROLLOUT_SECONDS, pruned=True, on_hint=on_hint)

    def destroy(self, service: str | None = None) -> Sequence[str]:
        """Delete the namespaces of one service or of all with everything in them, and wait until they are gone."""
        self._claim()
        return destroy(self.cluster, folders_of(self.manifests, service), seconds=ROLLOUT_SECONDS)

    def _claim(self) -> None:
        """Have both namespaces, where others use the cluster from elsewhere. Raises UsageError where they are at it."""
        if isinstance(self.cluster, Shared):
            self.cluster.claim(self.namespaces)

    def rollout(self, deployment: str, namespace: str) -> None:
        """Wait until a Deployment is rolled out. Raises WorkloadNotReady or WaitTimeout."""
        wait_for_rollout(self.cluster, f"deployment/{deployment}", namespace, seconds=ROLLOUT_SECONDS)

    def sql(self, database: str, statement: str) -> list[dict[str, Any]]:
        """Run a statement in ``invoice-db`` or ``payments-db``: its rows, if it has any, by the names of their columns.

        Amounts of money are Decimal. What is written is committed. Raises UsageError for another database,
        DatabaseError with the server's words for a wrong statement, and what ``Postgres.run`` raises.
        """
        if database not in DATABASES:
            raise UsageError(f"the case has no database {database!r}: it has {', '.join(DATABASES)}")
        return self._sessions[database].run(statement)

    @cached_property
    def _sessions(self) -> Mapping[str, Postgres]:
        return {name: self.session(name) for name in DATABASES}

    def session(self, database: str) -> Postgres:
        """A session of its own with ``invoice-db`` or ``payments-db``, as for a transaction; the caller closes it."""
        return Postgres(self.cluster, DATABASES[database], f"{database}-0", "postgres")

    def close(self) -> None:
        """End the sessions with the databases, and the port-forward. Safe to repeat."""
        for session in self._sessions.values():
            session.close()
        if "_forward" in self.__dict__:
            self._forward.close()

    def invoices(self) -> list[dict[str, Any]]:
        """The rows of invoice-app's database."""
        return self.sql("invoice-db", "SELECT * FROM invoices ORDER BY invoice_id")

    def payments(self) -> list[dict[str, Any]]:
        """The rows of payment-provider's database."""
        return self.sql("payments-db", "SELECT * FROM payments ORDER BY invoice_id")


def folders_of(manifests: Path, service: str | None) -> list[Path]:
    """The kustomizations of one service or of all, in the order in which they are deployed."""
    if service is not None and service not in SERVICES:
        raise UsageError(f"the case has no service {service!r}: it has {', '.join(SERVICES)}")
    return [manifests / name for name in (SERVICES if service is None else (service,))]


def manifests_folder(settings: Settings) -> Path:
    """Where the case's manifests are. Raises UsageError where there are none: a wheel does not carry them."""
    folder = settings.manifests or CHECKOUT / "manifests"
    for name in SERVICES:
        if kustomization_of(folder / name) is None:
            raise UsageError(
                f"{folder / name} holds no {' or '.join(KUSTOMIZATIONS)}: give the folder of the case's manifests "
                "with --manifests, or run in a checkout"
            )
    return folder


def open_case(cluster: Cluster, settings: Settings, timeline: Timeline, images: Iterable[str] = tuple(CASE)) -> Case:
    """The case on a cluster, its images built and loaded, but not deployed."""
    folder = manifests_folder(settings)
    built = {**case_images(timeline, images), "prober": prober_image(timeline)}
    with timeline.phase("images on the node"):
        cluster.load_images([image.archive for image in built.values()])
    references = {name: cluster.reference(image.reference) for name, image in built.items()}
    if not cluster.ingress_url:
        timeline.say(
            "  no Ingress is known there (--ingress-url): invoice-app is reached by a port-forward of its Service"
        )
    return Case(cluster, references, folder, settings.labels("harness"))


def deployed_case(cluster: Cluster, settings: Settings, timeline: Timeline) -> Case:
    """The case, deployed and ready.

    Of several processes of a run, one deploys and the others find it, and leave it: by then tests may be changing it.
    """
    from harness.chaos.healing import heal_first  # noqa: PLC0415 -- for those who deploy

    deployed = settings.paths.cluster(settings.name) / DEPLOYED
    with alone_with(settings.paths, settings.name, timeline):
        case = open_case(cluster, settings, timeline)
        if not (deployed.exists() and deployed.read_text() == settings.run_id):
            with alone_deploying(settings, timeline), timeline.phase("case deployed") as say:
                heal_first(cluster, settings, timeline)
                changed = case.deploy(on_hint=timeline.meanwhile)
                say(f"{len(changed)} objects changed" if changed else "unchanged")
            deployed.write_text(settings.run_id)
    return case
