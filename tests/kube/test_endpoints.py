"""Which pods are behind a Service's port."""

from typing import Any

import pytest

from harness.errors import ForwardError
from harness.kube.client import Api
from harness.kube.endpoints import Endpoint, endpoints_of
from harness.kube.kubectl import JsonObject

from .conftest import FakeApi

SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
HTTP = {"name": "http", "port": 8080, "protocol": "TCP"}
READY = {"ready": True, "serving": True, "terminating": False}


def end(pod: str, conditions: JsonObject | None = None) -> JsonObject:
    return {"conditions": conditions or {}, "targetRef": {"kind": "Pod", "name": pod}}


def behind(fake: FakeApi, api: Api, *slices: tuple[list[JsonObject], list[Any]]) -> list[Endpoint]:
    """The endpoints of port 80, by slices of ports and endpoints."""
    ports = [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]
    fake.answers["/api/v1/namespaces/shop/services/web"] = {"spec": {"ports": ports}}
    fake.holds(SLICES, "EndpointSlice", *({"ports": one, "endpoints": ends} for one, ends in slices))
    return endpoints_of(api, "shop", "web", 80)


def test_the_slices_of_the_service_are_asked_for(fake: FakeApi, api: Api) -> None:
    assert behind(fake, api, ([HTTP], [end("a")])) == [Endpoint("a", 8080)]
    assert fake.requests[-1][2] == {"labelSelector": ["kubernetes.io/service-name=web"]}


def test_each_pod_has_the_port_of_its_slice_and_counts_once(fake: FakeApi, api: Api) -> None:
    other = {**HTTP, "port": 9090}
    found = behind(fake, api, ([HTTP], [end("b"), end("a")]), ([other], [end("c")]), ([HTTP], [end("a")]))
    assert found == [Endpoint("a", 8080), Endpoint("b", 8080), Endpoint("c", 9090)]


@pytest.mark.parametrize(
    "one",
    [
        ([HTTP], [{"addresses": ["192.0.2.1"]}]),
        ([HTTP], [end("a", {"ready": False})]),
        ([{**HTTP, "name": "admin"}], [end("a")]),
        ([{**HTTP, "protocol": "UDP"}], [end("a")]),
        ([HTTP], []),
    ],
    ids=["an address that is no pod", "not ready", "another port", "another protocol", "nothing"],
)
def test_what_cannot_be_reached_is_left_out(
    fake: FakeApi, api: Api, one: tuple[list[JsonObject], list[JsonObject]]
) -> None:
    assert behind(fake, api, one) == []


def test_pods_that_end_count_where_no_other_is_ready(fake: FakeApi, api: Api) -> None:
    ending = end("a", {"ready": False, "serving": True, "terminating": True})
    assert behind(fake, api, ([HTTP], [ending])) == [Endpoint("a", 8080)]
    assert behind(fake, api, ([HTTP], [ending, end("b", READY)])) == [Endpoint("b", 8080)]


def test_a_port_that_the_service_has_not_is_told_with_those_that_it_has(fake: FakeApi, api: Api) -> None:
    behind(fake, api)
    with pytest.raises(ForwardError, match=r"service shop/web, port 443 is not reached: .* it has 80 http, 81 admin"):
        endpoints_of(api, "shop", "web", 443)
