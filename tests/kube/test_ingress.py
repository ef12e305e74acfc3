"""Why an Ingress does not answer."""

from collections.abc import Sequence

import pytest

from harness.kube.diagnose import diagnose
from harness.kube.diagnosis import Snapshot
from harness.kube.kubectl import JsonObject

from .objects import NAMESPACE, only

CLASSES = [{"metadata": {"name": "traefik"}}]


def ingress(service: str = "shop", port: JsonObject | None = None, **spec: object) -> JsonObject:
    backend = {"service": {"name": service, "port": port or {"name": "http"}}}
    rules = [{"host": "shop.local", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    meta = {"name": "shop", "namespace": NAMESPACE}
    return {"metadata": meta, "spec": {"ingressClassName": "traefik", "rules": rules, **spec}}


def service(name: str = "shop", **spec: object) -> JsonObject:
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": "shop"}, "ports": ports, **spec},
    }


def endpoints(ready: Sequence[bool | None] = (), port: str = "http", of: str = "shop") -> JsonObject:
    ends = [{"addresses": ["10.0.0.9"], "conditions": {} if one is None else {"ready": one}} for one in ready]
    meta = {"name": f"{of}-x", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": of}}
    return {"metadata": meta, "endpoints": ends or None, "ports": [{"name": port, "port": 8080}] if ready else None}


def look(body: JsonObject, services: list[JsonObject], *slices: JsonObject) -> Snapshot:
    return Snapshot(ingresses=[body], services=services, slices=slices, ingress_classes=CLASSES)


@pytest.mark.parametrize("port", [{"name": "http"}, {"number": 80}])
@pytest.mark.parametrize("ready", [True, None])
def test_an_ingress_with_a_ready_endpoint_is_well(port: JsonObject, ready: bool | None) -> None:  # noqa: FBT001
    assert diagnose(look(ingress(port=port), [service()], endpoints([ready, False]))) == []


def test_a_service_that_does_not_exist_is_named_with_those_that_do() -> None:
    found = only(diagnose(look(ingress("shop"), [service("shpo")])))

    assert found.workload == "ingress/shop"
    assert "shop.local/ leads to the Service shop, which does not exist in the namespace invoice" in found.cause
    assert "(there are: shpo)" in found.cause


def test_a_service_of_another_namespace_does_not_count() -> None:
    stranger = service()
    stranger["metadata"]["namespace"] = "payments"

    assert "does not exist" in only(diagnose(look(ingress(), [stranger]))).cause


def test_a_port_that_the_service_lacks_is_named_with_those_it_has() -> None:
    found = only(diagnose(look(ingress(port={"number": 8080}), [service()])))

    assert "port 8080 of the Service shop, which has no such port (there are: http 80)" in found.cause


def test_a_selector_that_matches_no_pod_is_shown() -> None:
    found = only(diagnose(look(ingress(), [service()], endpoints())))

    assert "has no endpoints: no pod matches its selector app=shop" in found.cause
    assert "selector" in found.fix


def test_endpoints_that_are_not_ready_may_become_so() -> None:
    unready = only(diagnose(look(ingress(), [service()], endpoints([False, False]))))

    assert "has 2 endpoints, and none is ready" in unready.cause
    assert not unready.final


def test_a_target_port_that_no_pod_declares_is_named() -> None:
    found = only(diagnose(look(ingress(), [service()], endpoints([True], port="other"))))

    assert "no ready pod of the Service shop has its port web" in found.cause


def test_an_unknown_class_is_named_with_those_that_exist() -> None:
    body = ingress(ingressClassName="nginx")

    assert "nginx is unknown to the cluster" in only(diagnose(look(body, [service()], endpoints([True])))).cause


def test_no_class_and_no_default_is_told() -> None:
    body = ingress(ingressClassName=None)

    assert "names no ingressClassName" in only(diagnose(look(body, [service()], endpoints([True])))).cause


def test_the_default_class_serves_who_names_none() -> None:
    default = {"name": "traefik", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    seen = Snapshot(ingresses=[ingress(ingressClassName=None)], ingress_classes=[{"metadata": default}])

    assert diagnose(seen) == []


def test_a_default_backend_is_looked_at_too() -> None:
    body = ingress(rules=[], defaultBackend={"service": {"name": "gone", "port": {"number": 80}}})

    assert "its default backend leads to the Service gone" in only(diagnose(look(body, []))).cause


def test_what_is_not_known_is_not_judged() -> None:
    assert diagnose(Snapshot(ingresses=[ingress()])) == []
