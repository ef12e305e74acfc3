"""What dead runs left on a cluster that stays: found by the labels of everything that a run makes, and removed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from harness.kube import going, prune
from harness.kube.client import Api, ApiNotFound
from harness.kube.deploy import OWNER
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

RUN: Final = "harness.dev/run"
PLACE: Final = "harness.dev/place"
"""The label of what was made on a cluster that others use from other places: from which."""
DEADLINE: Final = "harness.dev/deadline"
CASE: Final = "harness"
"""The owner of what is deployed, which stays when its run ends."""
HEALER: Final = "healer"
"""The owner of what repairs what a run has broken: it stays until it has done so, see ``harness heal``."""
WHOLE: Final = ("pytest", "canary")
"""The owners of namespaces that were made for a test, or for the canary: they go with whatever is in them."""

LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
"""Where runs are seen by others: the namespace is on every cluster, and nobody can delete it."""
GONE_SECONDS: Final = 60.0
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_NAMESPACED: Final[Mapping[str, str]] = {
    "pods": "/api/v1",
    "services": "/api/v1",
    "serviceaccounts": "/api/v1",
    "deployments": "/apis/apps/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "roles": _RBAC,
    "rolebindings": _RBAC,
}
"""The kinds in namespaces that runs make, by their plurals."""
_ELSEWHERE: Final[Mapping[str, str]] = {"clusterroles": _RBAC, "clusterrolebindings": _RBAC}
_ANYBODYS: Final = {"statefulsets": "/apis/apps/v1", "daemonsets": "/apis/apps/v1", **_NAMESPACED}
"""The kinds by which somebody else is known to live in a namespace."""


@dataclass(frozen=True)
class _Left:
    """An object that a dead run left, and its path."""

    kind: str
    path: str
    body: JsonObject

    @property
    def owner(self) -> str:
        return str(self.body["metadata"]["labels"].get(OWNER, ""))

    def __str__(self) -> str:
        meta = self.body["metadata"]
        return f"{self.kind} {meta['namespace'] + '/' if 'namespace' in meta else ''}{meta['name']}"


def remove(api: Api, runs: Collection[str]) -> list[str]:
    """Remove what some runs left, and wait until it is gone; a line for each object, or for each that had to stay.

    What belongs to the deployed case or to a healer stays, and so does a namespace in which somebody else has put
    something since: it loses our labels. What is being deleted already is left to go. Raises ApiError, and WaitTimeout
    with what is left.
    """
    if not runs:
        return []
    with ThreadPoolExecutor(max_workers=4) as pool:
        selector = f"{RUN} in ({','.join(sorted(runs))}),{OWNER} notin ({CASE},{HEALER})"
        found = [one for one in _found(api, pool, selector) if "deletionTimestamp" not in one.body["metadata"]]
        homes = [one for one in found if one.kind == "namespace"]
        strange = {one.path: told for one in homes if one.owner not in WHOLE and (told := _strangers(api, one, runs))}
        for path in strange:
            api.patch(path, {"metadata": {"labels": dict.fromkeys((RUN, OWNER, DEADLINE, PLACE))}})
        leaving = [one for one in found if one.path not in strange]
        list(pool.map(lambda one: _delete(api, one), leaving))
    _wait_gone(api, leaving)
    stays = [f"{one} stays, since {strange[one.path]} is in it" for one in homes if one.path in strange]
    emptied = {one.body["metadata"]["name"] for one in homes if one.path not in strange}
    return [*(str(one) for one in leaving if one.body["metadata"].get("namespace") not in emptied), *stays]


def remove_place(api: Api, place: str) -> list[str]:
    """Remove all that was made from a place, the deployed case too, and wait until it is gone; a line for each object.

    A namespace of the case in which somebody else has put something stays with that. A healer stays until it has
    healed. The caller knows that no run of the place lives. Raises ApiError, and WaitTimeout with what is left.
    """
    made = _made_from(api, place)
    told = remove(api, {one.body["metadata"]["labels"][RUN] for one in made if one.owner not in (CASE, HEALER)})
    told += _remove_case(api, place)
    for lease in (one for one in made if one.kind == "lease"):
        going.delete(api, lease.path)

    def remains() -> list[str]:
        return [str(one) for one in _made_from(api, place) if one.owner != HEALER]

    wait_until(
        "what was made here to be gone from the cluster",
        lambda: not remains(),
        seconds=GONE_SECONDS,
        describe=lambda: ", ".join(remains()),
    )
    return told


def _made_from(api: Api, place: str) -> list[_Left]:
    selector = f"{PLACE}={place}"
    root = LEASES.partition("/namespaces/")[0]
    leases = [_left(root, "leases", body) for body in api.items(LEASES, labelSelector=selector)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        return leases + _found(api, pool, selector)


def _found(api: Api, pool: ThreadPoolExecutor, selector: str) -> list[_Left]:
    """What a selector of labels finds, of every kind that runs make."""
    kinds = {"namespaces": "/api/v1", **_ELSEWHERE, **_NAMESPACED}
    lists = pool.map(lambda kind: api.items(f"{kinds[kind]}/{kind}", labelSelector=selector), kinds)
    return [_left(kinds[kind], kind, body) for kind, bodies in zip(kinds, lists, strict=True) for body in bodies]


def _remove_case(api: Api, place: str) -> list[str]:
    """Remove the case's namespaces; of one that has something else in it, only what is ours."""
    selector = f"{PLACE}={place},{OWNER}={CASE}"
    bodies = {one["metadata"]["name"]: one for one in api.items("/api/v1/namespaces", labelSelector=selector)}
    runs = {body["metadata"]["labels"][RUN] for body in bodies.values()}
    strange = {name: found for name in bodies if (found := stranger_in(api, name, runs))}
    leaving = {f"/api/v1/namespaces/{name}": body for name, body in bodies.items() if name not in strange}
    going.remove(api, leaving, GONE_SECONDS)
    told = [f"namespace {name}" for name in sorted(set(bodies) - set(strange))]
    if strange:
        told += map(str, prune.prune(api, prune.left_behind(api, selector, ()), seconds=GONE_SECONDS))
    for name, stranger in strange.items():
        api.patch(f"/api/v1/namespaces/{name}", {"metadata": {"labels": dict.fromkeys((RUN, OWNER, DEADLINE, PLACE))}})
        told.append(f"namespace {name} stays, since {stranger} is in it")
    return told


def until_none_is_going(api: Api, namespaces: Collection[str]) -> None:
    """Wait until none of some namespaces is being deleted: what is made in one that is would go with it.

    Raises WaitTimeout.
    """
    leaving: list[str] = []

    def gone() -> bool:
        metas = (one["metadata"] for one in api.items("/api/v1/namespaces"))
        leaving[:] = [one["name"] for one in metas if one["name"] in namespaces and "deletionTimestamp" in one]
        return not leaving

    wait_until(
        "namespaces that are being deleted to be gone",
        gone,
        seconds=GONE_SECONDS,
        describe=lambda: ", ".join(leaving),
    )


def _left(group: str, kind: str, body: JsonObject) -> _Left:
    meta = body["metadata"]
    scope = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    name = {"networkpolicies": "networkpolicy"}.get(kind, kind.removesuffix("s"))
    return _Left(name, f"{group}{scope}/{kind}/{meta['name']}", body)


def _strangers(api: Api, home: _Left, runs: Collection[str]) -> str:
    return stranger_in(api, home.body["metadata"]["name"], runs)


def stranger_in(api: Api, namespace: str, runs: Collection[str]) -> str:
    """The first object in a namespace that is not these runs', nor made by the cluster; empty if there is none."""
    return next(_not_ours(api, namespace, runs), "")


def _not_ours(api: Api, namespace: str, runs: Collection[str]) -> Iterator[str]:
    for kind, group in _ANYBODYS.items():
        for body in api.items(f"{group}/namespaces/{namespace}/{kind}"):
            meta = body["metadata"]
            by_the_cluster = (
                "deletionTimestamp" in meta
                or meta.get("ownerReferences")
                or (kind, meta["name"]) == ("serviceaccounts", "default")
            )
            if not by_the_cluster and (meta.get("labels") or {}).get(RUN) not in runs:
                yield str(_left(group, kind, body))


def _delete(api: Api, one: _Left) -> None:
    with suppress(ApiNotFound):
        if one.kind == "namespace":  # alone it would take its time: its controller waits for pods that end at leisure
            api.delete(f"{one.path}/pods", gracePeriodSeconds=0)
        api.delete(one.path, **({"gracePeriodSeconds": 0} if one.kind == "pod" else {}))


def _wait_gone(api: Api, leaving: Sequence[_Left]) -> None:
    left = list(leaving)

    def gone() -> bool:
        left[:] = [one for one in left if _is_there(api, one)]
        return not left

    wait_until(
        "what dead runs left on the cluster to be gone",
        gone,
        seconds=GONE_SECONDS,
        describe=lambda: ", ".join(map(str, left)),
    )


def _is_there(api: Api, one: _Left) -> bool:
    """Whether the object itself is there, not a successor of its name."""
    now = api.find(one.path)
    return now is not None and now["metadata"]["uid"] == one.body["metadata"]["uid"]
