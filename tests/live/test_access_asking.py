"""On a real cluster: asking changes nothing, those who ask are who they say, each refusal is known for what it is."""

import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

import pytest

from harness.access.answers import Answer, classify
from harness.access.asking import Call, Target, call_of
from harness.access.callers import WHO_AM_I, Caller, identified, prove
from harness.access.credentials import Credential, How, credential_of, credentials, impersonation
from harness.access.discovery import discovered
from harness.access.matrix import Cell, Seen, State, Who
from harness.access.request import MASTERS, Identity, Request
from harness.access.resources import Question, Resource, beyond, questions
from harness.access.review import review
from harness.access.targets import targets_in
from harness.errors import ManifestError, ProbeError
from harness.kube.client import Api, ApiError, ApiNotFound
from harness.kube.wait import wait_until

ADMINISTRATOR = Who("administrator", Identity.user("kubernetes-admin"))
ANNA = Who("anna", Identity.user("anna", ["team-anna"]))
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MOVING = frozenset(
    {
        "leases.coordination.k8s.io",  # renewed every few seconds
        "nodes",  # the kubelet's status
    }
)
"""What changes while nobody asks anything: that none is made or deleted is looked at all the same."""
OTHERS = frozenset(
    {
        "certificatesigningrequests.certificates.k8s.io",
        "events",
        "ipaddresses.networking.k8s.io",
        "nodes.metrics.k8s.io",
        "persistentvolumes",
        "pods.metrics.k8s.io",
    }
)
"""What comes and goes with what other tests, and the cluster itself, do meanwhile; so do the network plugin's own."""
SYSTEM = ("default", "kube-node-lease", "kube-public", "kube-system")


@pytest.fixture(scope="module")
def resources(api: Api) -> tuple[Resource, ...]:
    return discovered(api)


@pytest.fixture
def target(api: Api, namespace: str, image: str) -> Iterator[Mapping[str, Target]]:
    """A namespace with a target, and one object of each of a few kinds that a wrong request could hit."""
    scope = f"/api/v1/namespaces/{namespace}"
    api.post(f"{scope}/configmaps", {"metadata": {"name": "kept"}, "data": {"a": "b"}})
    api.post(f"{scope}/secrets", {"metadata": {"name": "kept"}})
    api.post(f"{scope}/limitranges", {"metadata": {"name": "kept"}, "spec": {"limits": []}})
    api.post(f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": "kept"}, "rules": []})
    name = f"harness-access-{secrets.token_hex(3)}"
    with targets_in(api, [namespace], image, {"harness.dev/owner": "live-test"}, name) as made:
        yield made


def asked(questions_: Iterable[Question], targets: Mapping[str, Target]) -> dict[Question, Call]:
    """The questions that a real request settles."""
    calls = {one: call_of(one.request, one.resource, targets, live=True) for one in questions_}
    return {one: call for one, call in calls.items() if isinstance(call, Call)}


def everything(api: Api, resources: Iterable[Resource], namespaces: Collection[str]) -> dict[str, str]:
    """The resource version of each object: those in some namespaces, these themselves, and those that are in none."""
    found: dict[str, str] = {}
    for one in resources:
        if one.subresource or "list" not in one.verbs or one.what in OTHERS or one.group == "crd.projectcalico.org":
            continue
        root = f"/apis/{one.group}/{one.version}" if one.group else f"/api/{one.version}"
        for meta in (body["metadata"] for body in api.items(f"{root}/{one.name}")):
            home = meta["name"] if one.what == "namespaces" else meta.get("namespace")
            if home is None or home in namespaces:
                named = f"{one.what} {meta.get('namespace', '')}/{meta['name']} {meta.get('uid', '')}"
                found[named] = "moves" if one.what in MOVING else meta.get("resourceVersion", "")
    return found


def at_rest(api: Api, resources: Iterable[Resource], namespaces: Collection[str]) -> dict[str, str]:
    """Everything, once two looks at it are the same: controllers follow a new pod for a moment."""
    looks = [everything(api, resources, namespaces)]

    def same() -> bool:
        looks.append(everything(api, resources, namespaces))
        return looks[-1] == looks[-2]

    wait_until("the cluster to come to rest", same, seconds=60, interval=0.5)
    return looks[-1]


def test_what_an_administrator_asks_for_changes_nothing(
    api: Api, namespace: str, resources: tuple[Resource, ...], target: Mapping[str, Target]
) -> None:
    known = asked(questions(resources, [namespace]), target)
    before = at_rest(api, resources, (namespace, *SYSTEM))

    answers = Caller(api).ask(list(known.values()))

    after = everything(api, resources, (namespace, *SYSTEM))
    assert set(before.items()) ^ set(after.items()) == set()
    assert any(f" {namespace}/kept " in named for named in before)
    seen = {one.request: classify(one.request, answer) for one, answer in zip(known, answers, strict=True)}
    assert {str(one): str(how) for one, how in seen.items() if how.state is not State.ALLOWED} == {}
    assert {verb for one in resources for verb in one.verbs} == {one.verb for one in seen}
    assert len(seen) > 600


def test_nobody_is_refused_all_of_it_by_the_authorizers_own_words(
    api: Api, namespace: str, resources: tuple[Resource, ...], target: Mapping[str, Target]
) -> None:
    known = asked(questions(resources, [namespace]), target)
    nobody = Caller(api, credential_of(api, Who("nobody", Identity.anonymous())))

    answers = nobody.ask(list(known.values()))

    seen = {one.request: classify(one.request, answer) for one, answer in zip(known, answers, strict=True)}
    assert {str(one): str(how) for one, how in seen.items() if how.state is not State.DENIED} == {}


def test_a_review_says_the_same_of_all_that_no_request_settles(
    api: Api, namespace: str, resources: tuple[Resource, ...]
) -> None:
    everything_else = [one.request for one in questions((*resources, *beyond()), [namespace])]
    master = replace(ADMINISTRATOR, identity=Identity.user("x", [MASTERS]))
    cells = [Cell(who, request) for who in (master, ANNA) for request in everything_else]

    seen = review([Caller(api), Caller(api)], cells)

    assert {seen[one].state for one in cells if one.who is master} == {State.ALLOWED}
    allowed = {str(one.request) for one in cells if one.who is ANNA and seen[one].state is State.ALLOWED}
    assert {one.state for one in seen.values()} == {State.ALLOWED, State.DENIED}
    assert "create selfsubjectreviews.authentication.k8s.io in the cluster" in allowed
    assert "get /metrics" not in allowed


# ------------------------------------------------------------------------------------------------------ who they say


def test_each_credential_is_real_and_its_owners(api: Api, namespace: str) -> None:
    app = Who("app", Identity.account(namespace, "default"))
    nobody = Who("nobody", Identity.anonymous())
    requests_before = api.items("/apis/certificates.k8s.io/v1/certificatesigningrequests")

    given = credentials(api, [ANNA, app, nobody])

    assert {who.name: one.how for who, one in given.items()} == {
        "anna": How.CERTIFICATE,
        "app": How.TOKEN,
        "nobody": How.ANONYMOUS,
    }
    prove({who: Caller(api, one) for who, one in given.items()})
    assert api.items("/apis/certificates.k8s.io/v1/certificatesigningrequests") == requests_before


def test_who_is_impersonated_is_seen_in_the_same_groups(api: Api, namespace: str) -> None:
    app = Who("app", Identity.account(namespace, "default"))

    prove({who: Caller(api, impersonation(api, who.identity)) for who in (ANNA, app)})


def test_who_passes_by_all_authorizers_can_have_no_certificate_and_it_is_said(api: Api) -> None:
    master = Who("master", Identity.user("master", [MASTERS]))

    found = credential_of(api, master)

    assert found.how is How.IMPERSONATED
    assert "system:masters" in found.why
    prove({master: Caller(api, found)})


def test_a_misspelt_account_is_an_error_and_a_credential_of_another_is_one_too(api: Api, namespace: str) -> None:
    with pytest.raises(ManifestError, match="is not on the cluster"):
        credential_of(api, Who("app", Identity.account(namespace, "nobody")))
    with pytest.raises(ProbeError, match="anna should be user anna in system:authenticated, team-anna, but is user"):
        prove({ANNA: Caller(api, credential_of(api, Who("anna", Identity.user("anna", ["team-ana"]))))})


def test_a_bad_token_is_an_error_and_not_a_denial(api: Api) -> None:
    bad = Credential(How.TOKEN, api.trust(), (("Authorization", "Bearer nonsense"),))

    with pytest.raises(ProbeError, match="the server said 401"):
        prove({ANNA: Caller(api, bad)})
    [answer] = Caller(api, bad).ask([Call("GET", "/api/v1/pods")])
    assert classify(Request("list", "pods"), answer).state is State.UNKNOWN


# ------------------------------------------------------------------------------------------------- real refusals

GRANTED = [
    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["create"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update"]},
]


@pytest.fixture
def anna(api: Api, namespace: str) -> Caller:
    """Who may create roles, pods and ConfigMaps in a namespace, and update leases there. She holds nothing else."""
    home = f"{RBAC}/namespaces/{namespace}"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "anna"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "team-anna"}
    api.post(f"{home}/roles", {"metadata": {"name": "anna"}, "rules": GRANTED})
    api.post(f"{home}/rolebindings", {"metadata": {"name": "anna"}, "roleRef": reference, "subjects": [subject]})
    return Caller(api, credential_of(api, ANNA))


def settled(caller: Caller, request: Request, call: Call) -> tuple[Answer, Seen]:
    """What an answer shows, once the authorizer has taken in what she was given."""
    wait_for = Request("create", "configmaps", namespace=request.namespace)
    probe = call_of(wait_for, Resource("configmaps"), live=True)
    assert isinstance(probe, Call)

    def taken_in() -> bool:
        [answer] = caller.ask([probe])
        return classify(wait_for, answer).state is State.ALLOWED

    wait_until("the authorizer to take in anna's role", taken_in, seconds=60)
    [answer] = caller.ask([call])
    return answer, classify(request, answer)


def test_who_may_create_roles_but_not_grant_what_she_lacks_is_authorized_to_create_them(
    anna: Caller, namespace: str
) -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    body = {"metadata": {"name": "wider"}, "rules": [rule]}
    path = f"{RBAC}/namespaces/{namespace}/roles?dryRun=All"

    answer, seen = settled(
        anna,
        Request("create", "roles", "rbac.authorization.k8s.io", namespace=namespace),
        Call("POST", path, json.dumps(body).encode()),
    )

    assert answer.status == 403
    assert b"attempting to grant RBAC permissions not currently held" in answer.body
    assert seen.state is State.ALLOWED


def test_whose_pod_pod_security_refuses_is_authorized_to_create_pods(anna: Caller, api: Api, namespace: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}})
    body = {"metadata": {"name": "root"}, "spec": {"containers": [{"name": "a", "image": "a"}], "hostNetwork": True}}

    answer, seen = settled(
        anna,
        Request("create", "pods", namespace=namespace),
        Call("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", json.dumps(body).encode()),
    )

    assert answer.status == 403
    assert b"violates PodSecurity" in answer.body
    assert seen.state is State.ALLOWED


def test_who_may_update_but_not_create_is_authorized_to_update_what_is_not_there(anna: Caller, namespace: str) -> None:
    name = "not-there"
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}?dryRun=All"

    answer, seen = settled(
        anna,
        Request("update", "leases", "coordination.k8s.io", namespace=namespace),
        Call("PUT", path, json.dumps({"metadata": {"name": name}}).encode()),
    )

    assert answer.status == 403
    assert b"cannot create resource" in answer.body
    assert seen.state is State.ALLOWED
    assert "second right" in seen.why


def test_who_may_not_impersonate_shows_nothing_by_being_refused(anna: Caller, api: Api, namespace: str) -> None:
    real = credential_of(api, ANNA)
    as_another = Caller(api, replace(real, headers=(("Impersonate-User", "somebody"),)))

    answer, seen = settled(
        anna,
        Request("list", "pods", namespace=namespace),
        Call("GET", f"/api/v1/namespaces/{namespace}/pods?limit=1"),
    )
    assert seen.state is State.DENIED, answer
    [answer] = as_another.ask([Call("GET", f"/api/v1/namespaces/{namespace}/pods?limit=1")])
    assert answer.status == 403
    assert classify(Request("list", "pods", namespace=namespace), answer).state is State.UNKNOWN


def test_a_target_leaves_nothing_and_one_that_cannot_be_made_is_an_error(api: Api, namespace: str, image: str) -> None:
    with targets_in(api, [namespace], image, {}, "harness-access-once") as made:
        assert made[namespace].pod == "harness-access-once"
        [answer] = Caller(api).ask([WHO_AM_I])
        assert identified(answer) is not None
    for kind in ("pods", "services"):
        with pytest.raises(ApiNotFound):
            api.get(f"/api/v1/namespaces/{namespace}/{kind}/harness-access-once")
    with pytest.raises(ApiError), targets_in(api, ["no-such-namespace"], image, {}, "harness-access-once"):
        pass
