"""The real request of a cell: what is sent, and what is not."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.access.asking import CONNECTS, MISSING, READS, Call, Target, call_of
from harness.access.matrix import Seen, State
from harness.access.request import Request
from harness.access.resources import Resource, beyond, questions, served

NAMESPACES = ("invoice", "payments")
TARGETS = {one: Target("pod-x", "service-x") for one in NAMESPACES}
ANYTHING = Resource("deployments", "apps")


def sent(request: Request, resource: Resource = ANYTHING) -> Call:
    call = call_of(request, resource, TARGETS, live=True)
    assert isinstance(call, Call), call
    return call


def why_not(request: Request, resource: Resource = ANYTHING, *, live: bool = True) -> str:
    seen = call_of(request, resource, TARGETS, live=live)
    assert isinstance(seen, Seen), seen
    assert seen.state is State.UNTESTED
    return seen.why


COLLECTION = "/apis/apps/v1/namespaces/invoice/deployments"


@pytest.mark.parametrize(
    ("verb", "method", "path", "query"),
    [
        ("get", "GET", f"{COLLECTION}/{MISSING}", {}),
        ("list", "GET", COLLECTION, {"limit": ["1"]}),
        ("create", "POST", COLLECTION, {"dryRun": ["All"]}),
        ("update", "PUT", f"{COLLECTION}/{MISSING}", {"dryRun": ["All"]}),
        ("patch", "PATCH", f"{COLLECTION}/{MISSING}", {"dryRun": ["All"]}),
        ("delete", "DELETE", f"{COLLECTION}/{MISSING}", {"dryRun": ["All"]}),
    ],
)
def test_each_verb_is_a_method_on_what_does_not_exist(
    verb: str, method: str, path: str, query: dict[str, list[str]]
) -> None:
    call = sent(Request(verb, "deployments", "apps", namespace="invoice"))

    url = urlsplit(call.path)
    assert (call.method, url.path, parse_qs(url.query)) == (method, path, query)


def test_a_collection_is_deleted_as_a_dry_run_by_selectors_that_select_nothing() -> None:
    call = sent(Request("deletecollection", "deployments", "apps", namespace="invoice"))

    query = parse_qs(urlsplit(call.path).query)
    assert query["dryRun"] == ["All"]
    assert query["fieldSelector"] == [f"metadata.name={MISSING}"]
    assert query["labelSelector"] == [f"harness.dev/nobody={MISSING}"]


def test_a_watch_is_one_that_ends_at_once() -> None:
    query = parse_qs(urlsplit(sent(Request("watch", "deployments", "apps", namespace="invoice")).path).query)

    assert query["watch"] == ["1"]
    assert query["timeoutSeconds"] == ["1"]
    assert "sendInitialEvents" not in query
    assert query["resourceVersionMatch"] == ["Exact"]


def test_no_mutating_request_of_the_whole_matrix_could_change_anything() -> None:
    seen = 0
    for one in questions((*served(), *beyond()), NAMESPACES):
        request = one.request
        call = call_of(request, one.resource, TARGETS, live=True)
        if isinstance(call, Seen) or request.verb in READS:
            continue
        seen += 1
        if not request.group and request.kind in CONNECTS:
            assert "pod-x" in call.path or "service-x" in call.path, call
            continue
        assert "dryRun=All" in call.path, call
        if request.verb == "create" and not request.subresource:
            assert b"harness.dev/v1" in call.body, call
        else:
            assert MISSING in call.path, call
    assert seen > 600


def test_the_whole_matrix_is_asked_but_for_what_no_discovery_shows_the_kubelet_and_changes_of_a_namespace() -> None:
    unasked = {
        one.resource.what
        for one in questions((*served(), *beyond()), NAMESPACES)
        if isinstance(call_of(one.request, one.resource, TARGETS, live=True), Seen)
    }

    changed = {"namespaces", "namespaces/finalize", "namespaces/status"}
    assert unasked == {"nodes/proxy", *changed, *(one.what for one in beyond())}


def test_what_secrets_hold_is_not_asked_for() -> None:
    for verb in ("get", "list"):
        call = sent(Request(verb, "secrets", namespace="invoice"), Resource("secrets"))
        assert call.accept.startswith("application/json;as=PartialObjectMetadata")


def test_a_subresource_and_another_version_are_in_the_path() -> None:
    resource = Resource("carts", "shop", "scale", version="v2beta1")
    assert sent(Request("get", "carts", "shop", "scale", "invoice"), resource).path == (
        f"/apis/shop/v2beta1/namespaces/invoice/carts/{MISSING}/scale"
    )
    created = sent(Request("create", "carts", "shop", "scale", "invoice"), resource)
    assert created.path == f"/apis/shop/v2beta1/namespaces/invoice/carts/{MISSING}/scale?dryRun=All"


def test_what_reaches_into_a_pod_goes_to_the_target() -> None:
    pods, services = "/api/v1/namespaces/invoice/pods", "/api/v1/namespaces/invoice/services"
    ways = {
        ("get", "pods", "proxy"): f"{pods}/pod-x:8000/proxy/",
        ("create", "services", "proxy"): f"{services}/service-x:8000/proxy/",
        ("create", "pods", "exec"): f"{pods}/pod-x/exec?command=true&container=prober&stdout=true",
        ("get", "pods", "attach"): f"{pods}/pod-x/attach?container=prober&stdout=true",
        ("get", "pods", "portforward"): f"{pods}/pod-x/portforward?ports=8000",
        ("patch", "pods", "ephemeralcontainers"): f"{pods}/pod-x/ephemeralcontainers?dryRun=All",
        ("get", "pods", "ephemeralcontainers"): f"{pods}/pod-x/ephemeralcontainers",
    }
    for (verb, resource, subresource), path in ways.items():
        assert sent(Request(verb, resource, "", subresource, "invoice"), Resource(resource)).path == path


def test_without_a_target_nothing_is_connected_to() -> None:
    request = Request("get", "pods", "", "exec", "elsewhere")
    assert "no target was made in elsewhere" in why_not(request, Resource("pods"))
    everywhere = replace(request, namespace="")
    assert "no target was made for all namespaces at once" in why_not(everywhere, Resource("pods"))


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "deletecollection"])
def test_without_leave_nothing_is_sent_that_mutates(verb: str) -> None:
    assert "--access-live" in why_not(Request(verb, "deployments", "apps", namespace="invoice"), live=False)


def test_without_leave_nothing_is_connected_to_but_the_rest_is_read() -> None:
    pods = Resource("pods")
    assert "--access-live" in why_not(Request("get", "pods", "", "exec", "invoice"), pods, live=False)
    assert isinstance(call_of(Request("list", "pods", namespace="invoice"), pods, live=False), Call)


def test_the_kubelet_is_not_reached_and_what_no_discovery_shows_is_not_asked() -> None:
    assert "kubelet" in why_not(Request("get", "nodes", "", "proxy"), Resource("nodes"))
    assert "no discovery" in why_not(Request("get", "nodes", "", "log"), Resource("nodes", source="https://x"))
    assert "no discovery" in why_not(Request("get", url="/metrics"), Resource(url="/metrics", source="https://x"))
    assert "no request of HTTP has the verb bind" in why_not(Request("bind", "roles"), Resource("roles"))


def test_by_a_name_that_may_exist_only_reads_are_asked() -> None:
    secrets = Resource("secrets")
    assert "/secrets/key" in sent(Request("get", "secrets", namespace="invoice", name="key"), secrets).path
    listed = sent(Request("list", "secrets", namespace="invoice", name="key"), secrets).path
    assert "fieldSelector=metadata.name%3Dkey" in listed
    assert "by this name" in why_not(Request("delete", "secrets", namespace="invoice", name="key"), secrets)


def test_a_namespace_is_asked_for_by_its_name_alone() -> None:
    namespaces = Resource("namespaces", namespaced=False)
    inside = Request("get", "namespaces", namespace="invoice", name="invoice")
    assert sent(inside, namespaces).path == "/api/v1/namespaces/invoice"
    assert sent(Request("get", "namespaces"), namespaces).path == f"/api/v1/namespaces/{MISSING}"
    assert "none but itself" in why_not(Request("get", "namespaces", namespace="invoice"), namespaces)
