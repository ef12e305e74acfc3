"""A stage: namespaces with pods of the prober's image on a cluster, brought from one world to the next.

Pods stay and are relabelled, since starting one takes seconds. After each change a *marker* tells when the cluster has
taken all of it in, in place of a sleep: see marker.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from harness.errors import ClusterError
from harness.isolation.objects import pod_object, service_object
from harness.isolation.policy import NAME_LABEL, Policy
from harness.isolation.render import policy_object
from harness.isolation.world import ContainerPort, Namespace, Pod, Service, ServicePort, World
from harness.kube.client import Api, ApiConflict, ApiError, ApiNotFound
from harness.kube.conditions import is_ready
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import RUN, stranger_in
from harness.kube.protocol import Protocol
from harness.kube.wait import wait_until

PORTS: Final = (8080, 8081)
SLOT: Final = "slot"
"""The label that a stage's Services select by; no world changes it."""

Job: TypeAlias = Callable[[], object]

_POLICIES: Final = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
_PODS: Final = "/api/v1/namespaces/{}/pods"
_SERVICES: Final = "/api/v1/namespaces/{}/services"
_NAMESPACES: Final = "/api/v1/namespaces"
_START_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.2
"""How often it is looked whether pods run: the machine that has to start them is busy enough."""
_GONE_SECONDS: Final = 60.0
_FORBIDDEN: Final = 403
_REFUSED: Final = (400, 403, 422)
"""What quotas, limits, Pod Security and other admission answer, with the rule in their words."""
_NOT_YET: Final = ("service account", "being terminated")
"""What admission says of a pod in a namespace that was just made: its ServiceAccount follows it by some milliseconds,
and for as long an API server may take it for its predecessor of the same name."""


def bare_stage(
    prefix: str,
    namespaces: Sequence[str],
    pods: Sequence[str],
    address: str = "",
    protocols: Sequence[Protocol] = (Protocol.TCP, Protocol.UDP),
) -> World:
    """What a stage begins as: pods ``pods`` in each of the namespaces ``{prefix}-{name}``, with Services, no policies.

    Pods have the fixed labels ``pod`` and ``slot``, namespaces ``ns`` and ``stage``. Both ports have names; pods but
    the first of a namespace have them the other way round. ``address`` is that of all of them until they run.
    Where SCTP is among the ``protocols`` that the kernel has, they listen there, too, on ports without names: so a
    seed's worlds are the same with it and without it.
    """
    homes = tuple(Namespace(f"{prefix}-{name}", {"ns": name, "stage": prefix}) for name in namespaces)
    people = tuple(
        Pod(home.name, name, address, {"pod": name, SLOT: name}, _ports(protocols, swapped=index > 0))
        for home in homes
        for index, name in enumerate(pods)
    )
    return World(homes, people, services=tuple(_service(pod) for pod in people))


def _ports(protocols: Sequence[Protocol], *, swapped: bool) -> tuple[ContainerPort, ...]:
    first, second = reversed(PORTS) if swapped else PORTS
    sctp = PORTS if Protocol.SCTP in protocols else ()
    return (
        ContainerPort(first, Protocol.TCP, "web"),
        ContainerPort(second, Protocol.TCP, "alt"),
        ContainerPort(PORTS[0], Protocol.UDP, "dns"),
        ContainerPort(PORTS[1], Protocol.UDP),
        *(ContainerPort(number, Protocol.SCTP) for number in sctp),
    )


def _service(pod: Pod) -> Service:
    ports = (ServicePort(80, "web"), ServicePort(81, PORTS[1]), ServicePort(80, PORTS[0], Protocol.UDP))
    return Service(pod.namespace, pod.name, "", {SLOT: pod.labels[SLOT]}, ports)


@dataclass(frozen=True)
class Stage:
    """The means to change a cluster from world to world. ``labels`` are put on every object that is made.

    What it has made it knows by UID, and it removes nothing else: an object of the same name may be somebody else's.
    """

    api: Api
    image: str
    labels: Mapping[str, str]
    _made: dict[str, str] = field(default_factory=dict, repr=False)

    def bring(self, now: World, wanted: World) -> World:
        """Change the cluster from the world that it is to another one; that world with the addresses of new pods.

        Nothing waits for the network plugin. Raises ApiError, WaitTimeout.
        """
        before = {pod.id: pod for pod in now.pods}
        homes = {one.name: one for one in now.namespaces}
        with ThreadPoolExecutor(max_workers=8) as pool:
            run = _Jobs(pool)
            run.all(
                self._make_namespace(one) if one.name not in homes else self._relabel_namespace(homes[one.name], one)
                for one in wanted.namespaces
                if homes.get(one.name) != one or dict(homes[one.name].labels) != dict(one.labels)
            )
            run.all(
                self._make_pod(pod) if pod.id not in before else self._relabel_pod(before[pod.id], pod)
                for pod in wanted.pods
                if pod.id not in before or dict(before[pod.id].labels) != dict(pod.labels)
            )
            run.all(self._change_services(now, wanted))
            run.all(self._change_policies(now, wanted))
            run.all(self._remove(now, wanted))
        return self._placed(now, wanted)

    def remove(self, world: World) -> None:
        """Begin to delete those of a world's namespaces that were made here, and their pods at once.

        A namespace alone would take its time. One in which somebody else has put something since stays, without it.
        """
        mine = [one.name for one in world.namespaces if f"{_NAMESPACES}/{one.name}" in self._made]
        with ThreadPoolExecutor(max_workers=8) as pool:
            shared = [name for name, stranger in zip(mine, pool.map(self._stranger_in, mine), strict=True) if stranger]
            going = [name for name in mine if name not in shared]
            self.remove_guests(shared)
            run = _Jobs(pool)
            try:
                run.all(_delete(self.api, _PODS.format(name), gracePeriodSeconds=0) for name in going)
            finally:
                run.all(self._unmake(f"{_NAMESPACES}/{name}") for name in going)

    def _stranger_in(self, namespace: str) -> str:
        return stranger_in(self.api, namespace, {self.labels[RUN]}) if RUN in self.labels else ""

    def remove_guests(self, namespaces: Iterable[str]) -> None:
        """Begin to delete what was made in namespaces that stay."""
        homes = tuple(f"/namespaces/{name}/" for name in namespaces)
        guests = [path for path in self._made if any(home in path for home in homes)]
        with ThreadPoolExecutor(max_workers=8) as pool:
            _Jobs(pool).all(map(self._unmake, guests))

    def _make(self, collection: str, body: JsonObject, what: str) -> JsonObject:
        """Create an object. Raises ClusterError where it is there already, or the cluster does not take it."""
        try:
            made = self.api.post(collection, body)
        except ApiConflict as error:
            raise ClusterError(
                f"{what} is on the cluster already, and this run has not made it: is it as your manifests say?"
            ) from error
        except ApiError as error:
            if error.status in _REFUSED and not _is_too_early(error):
                raise ClusterError(
                    f"the cluster does not take {what}, which the proof needs: {error.output}"
                ) from error
            raise
        meta = made.get("metadata", {})
        self._made[f"{collection}/{body['metadata']['name']}"] = meta.get("uid", "")
        return made

    def _unmake(self, path: str) -> Job:
        uid = self._made.pop(path)
        options: dict[str, Any] = {"preconditions": {"uid": uid}} if uid else {}
        if "/pods/" in path:
            options["gracePeriodSeconds"] = 0
        return _delete(self.api, path, **options)

    def _make_namespace(self, one: Namespace) -> Job:
        body = {"metadata": {"name": one.name, "labels": {**one.labels, **self.labels}}}

        def gone() -> bool:
            there = self.api.find(f"{_NAMESPACES}/{one.name}")
            if there and "deletionTimestamp" not in there["metadata"]:
                raise ClusterError(f"namespace {one.name} is on the cluster already, and this run has not made it")
            return not there

        def make() -> None:
            wait_until(f"namespace {one.name} to be gone", gone, seconds=_GONE_SECONDS)
            self._make(_NAMESPACES, body, f"namespace {one.name}")

        return make

    def _relabel_namespace(self, old: Namespace, new: Namespace) -> Job:
        return lambda: _relabel(self.api, f"{_NAMESPACES}/{new.name}", old.labels, new.labels)

    def _relabel_pod(self, old: Pod, new: Pod) -> Job:
        return lambda: _relabel(self.api, f"{_PODS.format(new.namespace)}/{new.name}", old.labels, new.labels)

    def _make_pod(self, pod: Pod) -> Job:
        body = pod_object(pod, self.image, self.labels)

        refused: list[ApiError] = []

        def admitted() -> JsonObject | None:
            try:
                return self._make(_PODS.format(pod.namespace), body, f"pod {pod.id}")
            except ApiError as error:
                if not _is_too_early(error):
                    raise
                refused.append(error)
                return None

        return lambda: wait_until(
            f"pod {pod.id} to be admitted",
            admitted,
            seconds=_GONE_SECONDS,
            describe=lambda: str(refused[-1]),
        )

    def _change_services(self, now: World, wanted: World) -> Iterator[Job]:
        before = {one.id for one in now.services}
        for one in wanted.services:
            if one.id not in before:
                yield self._make_service(one)

    def _change_policies(self, now: World, wanted: World) -> Iterator[Job]:
        before = {(one.namespace, one.name): one for one in now.policies}
        after = {(one.namespace, one.name): one for one in wanted.policies}
        stays = {one.name for one in wanted.namespaces}
        for key, policy in after.items():
            if before.get(key) != policy:
                yield self._put_policy(policy, exists=key in before)
        for namespace, name in before.keys() - after.keys():
            if namespace in stays:
                yield _delete(self.api, f"{_POLICIES.format(namespace)}/{name}")

    def _make_service(self, one: Service) -> Job:
        body = service_object(one, self.labels)
        return lambda: self._make(_SERVICES.format(one.namespace), body, one.id)

    def _put_policy(self, policy: Policy, *, exists: bool) -> Job:
        path, body = _POLICIES.format(policy.namespace), policy_object(policy)
        body["metadata"]["labels"] = dict(self.labels)
        if exists:
            return lambda: self.api.put(f"{path}/{policy.name}", body)
        return lambda: self._make(path, body, f"policy {policy.namespace}/{policy.name}")

    def _remove(self, now: World, wanted: World) -> Iterator[Job]:
        homes = {one.name for one in wanted.namespaces}
        stays = {pod.id for pod in wanted.pods}
        for pod in now.pods:
            if pod.id not in stays and pod.namespace in homes:
                yield _delete(self.api, f"{_PODS.format(pod.namespace)}/{pod.name}", gracePeriodSeconds=0)
        leads = {service.id for service in wanted.services}
        for service in now.services:
            if service.id not in leads and service.namespace in homes:
                yield _delete(self.api, f"{_SERVICES.format(service.namespace)}/{service.name}")
        for one in now.namespaces:
            if one.name not in homes:
                yield _delete(self.api, _PODS.format(one.name), gracePeriodSeconds=0)
                yield _delete(self.api, f"{_NAMESPACES}/{one.name}")

    def _placed(self, now: World, wanted: World) -> World:
        """The wanted world with the addresses of its pods and Services, once all pods run."""
        places = {pod.id: (pod.address, pod.node) for pod in now.pods}
        addresses = {service.id: service.address for service in now.services}
        for namespace in {pod.namespace for pod in wanted.pods if not places.get(pod.id)}:
            places |= self._places([pod for pod in wanted.pods if pod.namespace == namespace])
        for namespace in {service.namespace for service in wanted.services if not addresses.get(service.id)}:
            for one in self.api.items(_SERVICES.format(namespace)):
                addresses[f"service {namespace}/{one['metadata']['name']}"] = one["spec"]["clusterIP"]
        return replace(
            wanted,
            pods=tuple(replace(pod, address=places[pod.id][0], node=places[pod.id][1]) for pod in wanted.pods),
            services=tuple(replace(service, address=addresses[service.id]) for service in wanted.services),
        )

    def _places(self, pods: Sequence[Pod]) -> dict[str, tuple[str, str]]:
        """Address and node of pods of one namespace, once all of them are ready."""
        found: dict[str, tuple[str, str]] = {}
        last: list[str] = []

        def run() -> bool:
            last.clear()
            there = {one["metadata"]["name"]: one for one in self.api.items(_PODS.format(pods[0].namespace))}
            for pod in pods:
                body = there.get(pod.name)
                if body is None:
                    raise ClusterError(f"{pod.id} was made, and somebody else has deleted it since")
                status = body.get("status", {})
                if not (is_ready(body) and status.get("podIP")) or "deletionTimestamp" in body["metadata"]:
                    last.append(f"{pod.id} is {status.get('phase', 'not there')}{obstacle(status)}")
                    continue
                found[pod.id] = status["podIP"], body["spec"]["nodeName"]
            return not last

        names = ", ".join(pod.id for pod in pods)
        wait_until(
            f"the pods {names} to run",
            run,
            seconds=_START_SECONDS,
            interval=_LOOK_SECONDS,
            describe=lambda: ", ".join(last),
        )
        return found


def obstacle(status: JsonObject) -> str:
    """What keeps a pod from running, where its status says it: no node has room, an image is missing, it crashes."""
    unplaced = [one.get("message", "") for one in status.get("conditions", ()) if one.get("reason") == "Unschedulable"]
    waiting = [one.get("state", {}).get("waiting", {}) for one in status.get("containerStatuses", ())]
    told = [*unplaced, *(one.get("message") or one.get("reason", "") for one in waiting)]
    return "".join(f" ({one})" for one in told if one)


class _Jobs:
    """Runs jobs side by side, and waits for all of a kind."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def all(self, jobs: Iterable[Job]) -> None:
        """Run them all; the first error is raised when all have ended."""
        for future in [self._pool.submit(job) for job in jobs]:
            future.result()


def _is_too_early(error: ApiError) -> bool:
    """Whether a pod was refused only since its namespace has just been made, or an older one of its name goes."""
    return error.status == _FORBIDDEN and any(words in error.output for words in _NOT_YET)


def _delete(api: Api, path: str, **options: Any) -> Job:  # noqa: ANN401 -- as of DeleteOptions
    def delete() -> None:
        try:
            api.delete(path, **options)
        except (ApiNotFound, ApiConflict):  # it is gone, or another one has its name
            return

    return delete


def _relabel(api: Api, path: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    gone = {key: None for key in old if key not in new and key != NAME_LABEL}
    api.patch(path, {"metadata": {"labels": {**gone, **new}}})
