"""The add-ons' YAML, as each kind of cluster gets it."""

from ruamel.yaml import YAML

from harness import addons

IMAGES = {name: f"harness.dev/{name}:h1" for name in ("coredns", "traefik", "metrics-server", "storage")}


def objects(text: str) -> dict[str, dict[str, object]]:
    return {one["kind"]: one for one in YAML(typ="safe", pure=True).load_all(text)}


def test_the_images_are_those_that_were_built() -> None:
    for name in addons.NAMES:
        text = addons.render(name, IMAGES)
        assert ":h1\n" in text
        assert not [line for line in text.splitlines() if "image: harness.dev" in line and ":h1" not in line]


def test_elsewhere_the_ingress_controller_is_at_a_port_of_the_node() -> None:
    ingress, metrics, storage = addons.render_for_others(IMAGES, 30080)
    service = objects(ingress)["Service"]
    assert service["spec"] == {
        "type": "NodePort",
        "selector": {"app.kubernetes.io/name": "traefik"},
        "ports": [{"name": "web", "port": 80, "targetPort": "web", "nodePort": 30080}],
    }
    assert "ingressendpoint.hostname=localhost" in ingress
    assert "203.0.113." not in ingress
    assert "--kubelet-insecure-tls" in metrics
    assert "kubelet-certificate-authority" not in metrics
    assert storage == addons.render("storage", IMAGES)
