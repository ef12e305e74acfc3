"""The points of the case's protocol, reached by locks in its databases: the images have no hook for it.

A lock is held by a session of ours, the app waits for it, which PostgreSQL shows, the fault is fired, the lock let go.
All of it must be quick: the app waits two seconds for the provider, and PostgreSQL five for a lock.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from harness.chaos.aim import Aims, MidRollout, Reached
from harness.chaos.fault import FaultError, Target
from harness.chaos.faults.pods import chosen, pod_path
from harness.chaos.invoices import CLAIM_SECONDS, Sql
from harness.chaos.scene import Scene
from harness.errors import WaitTimeout
from harness.kube.postgres import APPLICATION, Postgres
from harness.kube.wait import wait_until

INVOICE_APP: Final = Target("invoice/Deployment/invoice-app")
PAYMENT_PROVIDER: Final = Target("payments/Deployment/payment-provider")
DATABASE_OF: Final = {INVOICE_APP: "invoice-db", PAYMENT_PROVIDER: "payments-db"}

UNDISTURBED: Final = frozenset(
    {
        "invoice/StatefulSet/invoice-db",
        "payments/StatefulSet/payments-db",
        *("kubelet", "containerd", "kube-apiserver", "etcd"),
    }
)
"""Our sessions are in the databases' pods, by way of these components."""

WAITING_SECONDS: Final = 60.0
"""How long the clients may take to do what is to be caught."""

STARTING_SECONDS: Final = 60.0
TAKEN_TIMES: Final = 3
"""For so many times as long as a claim lasts it is waited that others take it: the pod stays frozen meanwhile, and the
clients have time to ask, and to ask again once the claims are void."""
_MIGRATIONS: Final = 0x6D696772
"""The advisory lock under which the services migrate."""

_WAITING: Final = f"""
    SELECT application_name AS pod FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND wait_event LIKE '{{lock}}' AND application_name <> '{APPLICATION}'
    ORDER BY query_start
"""  # noqa: S608
_ANY: Final = "%"
_ADVISORY: Final = "advisory"
"""Kinds of locks, as PostgreSQL names what is waited for."""
_HOLD_CLAIMED: Final = "SELECT invoice_id FROM invoices WHERE claimed_by IS NOT NULL FOR UPDATE"
_CLAIMED: Final = """
    SELECT invoice_id, split_part(claimed_by, '/', 1) AS pod FROM invoices WHERE claimed_by IS NOT NULL
"""

Open = Callable[[str], Postgres]
"""Another session with a database, by its name."""


@dataclass(frozen=True)
class _Databases:
    """Sessions of our own, and what is seen by others."""

    open: Open
    sql: Sql

    @contextmanager
    def holding(self, database: str) -> Iterator["_Lock"]:
        """A session that can hold a lock. It is open before it has to be quick; what it holds ends with the block."""
        with closing(self.open(database)) as session:
            session.run("SELECT 1")
            yield _Lock(session)

    def waiting(self, database: str, what: str, seconds: float = WAITING_SECONDS, lock: str = _ANY) -> list[str]:
        """The pods that wait for a lock of this kind; waits until there is one."""

        def pods() -> list[str]:
            return [str(row["pod"]) for row in self.sql(database, _WAITING.format(lock=lock))]

        return wait_until(what, pods, seconds=seconds, interval=0.01)

    def claimed(self) -> dict[str, list[str]]:
        """The claimed invoices of each pod."""
        found: dict[str, list[str]] = {}
        for row in self.sql("invoice-db", _CLAIMED):
            found.setdefault(str(row["pod"]), []).append(str(row["invoice_id"]))
        return found


@dataclass(frozen=True)
class _Lock:
    session: Postgres

    def take(self, statement: str) -> None:
        """Hold what a statement locks."""
        self.session.run(f"BEGIN; {statement}")

    def release(self) -> None:
        """Hold nothing any more."""
        self.session.run("ROLLBACK")


_NO_PAYMENT_COMMITS: Final = "LOCK TABLE payments IN SHARE MODE"


@dataclass(frozen=True)
class BeforeMarked:
    """The provider has committed the payment, and the app has not marked the invoice: the app's pod is struck there."""

    databases: _Databases
    name: str = "before-marked"
    undisturbed: frozenset[str] = UNDISTURBED

    def faults(self, scene: Scene) -> Sequence[tuple[str, Target]]:  # noqa: ARG002 -- it is the same everywhere
        """The app's pod is killed."""
        return [("pod-kill", INVOICE_APP), ("process-kill", INVOICE_APP)]

    @contextmanager
    def reach(self, scene: Scene, target: Target) -> Iterator[Reached]:  # noqa: ARG002 -- there is one
        """Hold payments, so that claims stand; hold the claimed rows; let the payments go."""
        databases = self.databases
        with databases.holding("payments-db") as payments, databases.holding("invoice-db") as invoices:
            payments.take(_NO_PAYMENT_COMMITS)
            databases.waiting("payments-db", "a payment to be under way")
            invoices.take(_HOLD_CLAIMED)
            claimed = databases.claimed()
            payments.release()
            pods = databases.waiting("invoice-db", "the app to mark what was paid", seconds=5)
            pod = next((one for one in pods if one in claimed), "")
            if not pod:
                raise FaultError(f"the pods that wait ({', '.join(pods)}) are not those with claims")
            ids = ", ".join(f"'{one}'" for one in claimed[pod])
            committed = f"SELECT 1 FROM payments WHERE invoice_id IN ({ids})"  # noqa: S608 -- of the table's own
            paid = databases.sql("payments-db", committed)
            if not paid:
                raise FaultError(f"none of the {len(claimed[pod])} invoices that {pod} claims is paid yet")
            said = f"{len(paid)} payments were committed and not marked, {pod} waited in invoice-db to do it"
            yield Reached(said, pod, invoices.release)


@dataclass(frozen=True)
class BeforeAnswer:
    """The provider was asked and has not answered: its pod is struck there."""

    databases: _Databases
    name: str = "before-answer"
    undisturbed: frozenset[str] = UNDISTURBED

    def faults(self, scene: Scene) -> Sequence[tuple[str, Target]]:  # noqa: ARG002 -- it is the same everywhere
        """The provider's pod is killed."""
        return [("pod-kill", PAYMENT_PROVIDER), ("process-kill", PAYMENT_PROVIDER)]

    @contextmanager
    def reach(self, scene: Scene, target: Target) -> Iterator[Reached]:  # noqa: ARG002 -- there is one
        """Hold payments, and see the provider wait."""
        with self.databases.holding("payments-db") as payments:
            payments.take(_NO_PAYMENT_COMMITS)
            pods = self.databases.waiting("payments-db", "a payment to be under way")
            yield Reached(f"{pods[0]} waited in payments-db to commit a payment", pods[0], payments.release)


@dataclass(frozen=True)
class MidMigration:
    """A starting pod is about to migrate its database: it is struck there."""

    databases: _Databases
    name: str = "mid-migration"
    undisturbed: frozenset[str] = UNDISTURBED

    def faults(self, scene: Scene) -> Sequence[tuple[str, Target]]:  # noqa: ARG002 -- it is the same everywhere
        """The starting pod is killed."""
        return [("pod-kill", INVOICE_APP), ("pod-kill", PAYMENT_PROVIDER)]

    @contextmanager
    def reach(self, scene: Scene, target: Target) -> Iterator[Reached]:
        """Hold the migrations' lock, have a pod replaced, and see its successor wait."""
        database = DATABASE_OF.get(target)
        if database is None:
            known = " or ".join(one.name for one in DATABASE_OF)
            raise FaultError(f"{self.name} is no aim at {target.name}, but at {known}")
        with self.databases.holding(database) as lock:
            lock.take(f"SELECT pg_advisory_xact_lock({_MIGRATIONS})")
            scene.api.delete(pod_path(chosen(scene, target, 0)), gracePeriodSeconds=0)
            # Clients are asking meanwhile: a pod that waits for a row is at work, and does not migrate.
            pods = self.databases.waiting(database, "a starting pod to migrate", STARTING_SECONDS, _ADVISORY)
            yield Reached(f"{pods[0]} waited in {database} to migrate it", pods[0], lock.release)


@dataclass(frozen=True)
class ClaimExpires:
    """A pod that has claims is frozen until they have expired and others have taken them: then it goes on."""

    databases: _Databases
    name: str = "claim-expires"
    undisturbed: frozenset[str] = UNDISTURBED

    def faults(self, scene: Scene) -> Sequence[tuple[str, Target]]:  # noqa: ARG002 -- it is the same everywhere
        """The app's pod is frozen."""
        return [("freeze", INVOICE_APP)]

    @contextmanager
    def reach(self, scene: Scene, target: Target) -> Iterator[Reached]:  # noqa: ARG002 -- there is one
        """Hold payments, and see whose claims stand meanwhile."""
        with self.databases.holding("payments-db") as payments:
            payments.take(_NO_PAYMENT_COMMITS)
            self.databases.waiting("payments-db", "a payment to be under way")
            claimed = self.databases.claimed()
            if not claimed:
                raise FaultError("no claim stands while a payment is under way")
            pod, ids = max(claimed.items(), key=lambda one: len(one[1]))
            said = f"{pod} had claimed {len(ids)} invoices"
            yield Reached(said, pod, payments.release, lambda: self._taken(pod, ids))

    def _taken(self, pod: str, ids: Sequence[str]) -> str:
        listed = ", ".join(f"'{one}'" for one in ids)
        still = (
            f"SELECT 1 FROM invoices WHERE invoice_id IN ({listed}) "  # noqa: S608
            f"AND claimed_by LIKE '{pod}/%' AND NOT is_paid"
        )
        try:
            wait_until(
                f"others to take what {pod} claimed",
                lambda: not self.databases.sql("invoice-db", still),
                seconds=CLAIM_SECONDS * TAKEN_TIMES,
                interval=0.05,
            )
        except WaitTimeout as error:  # whether that breaks a promise is for the checkers to say
            return str(error)
        return "others have taken them"


AIMS: Final = frozenset(one.name for one in (BeforeMarked, BeforeAnswer, MidMigration, ClaimExpires, MidRollout))
"""The names of all of them, for who reads a plan before there is a case."""


def invoice_aims(open_session: Open, sql: Sql) -> Aims:
    """All aims at the case, by name. ``open_session`` opens a session of its own, ``sql`` asks in another."""
    databases = _Databases(open_session, sql)
    every = (
        BeforeMarked(databases),
        BeforeAnswer(databases),
        MidMigration(databases),
        ClaimExpires(databases),
        MidRollout(),
    )
    return {one.name: one for one in every}
