"""From values back to API objects and YAML: the inverse of parse.py and workloads.py.

A world is printed so that it can be read, and read again: ``load`` and ``world_of`` give back what was printed, with
the addresses, which stand where a cluster would have written them. Nodes and addresses outside are no manifests.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from harness.isolation.parse import API_VERSION, KIND
from harness.isolation.policy import IpBlock, Peer, Policy, Port, Rule
from harness.isolation.workloads import NODE
from harness.isolation.world import ContainerPort, Pod, Service, World
from harness.kube.kubectl import JsonObject
from harness.kube.named_ports import ELSEWHERE
from harness.kube.selectors import Selector

IMAGE: Final = "harness.dev/prober"
"""The image of a printed pod: a placeholder without a tag, since which build of the prober runs is not the world's."""

_LINE: Final = 120


def policy_object(policy: Policy) -> JsonObject:
    """A policy as the API server would be given it. ``policy_of_object`` of that is the policy again."""
    spec: JsonObject = {"podSelector": _selector(policy.pods)}
    if policy.types:
        spec["policyTypes"] = [str(one) for one in policy.types]
    if policy.ingress:
        spec["ingress"] = [_rule(rule, "from") for rule in policy.ingress]
    if policy.egress:
        spec["egress"] = [_rule(rule, "to") for rule in policy.egress]
    return _object(API_VERSION, KIND, policy.name, policy.namespace) | {"spec": spec}


def world_objects(world: World) -> list[JsonObject]:
    """The Namespaces, Pods, Services and NetworkPolicies of a world, in the order in which they can be applied."""
    hosts = {node.name: node.address for node in world.nodes}
    return [
        *(_object("v1", "Namespace", one.name, labels=one.labels) for one in world.namespaces),
        *(_pod(one, hosts.get(one.node)) for one in world.pods),
        *map(_service, world.services),
        *map(policy_object, world.policies),
    ]


def to_yaml(objects: Sequence[JsonObject]) -> str:
    """Objects as YAML documents, which YAML 1.1 (Kubernetes) and 1.2 read alike."""
    yaml = YAML()
    yaml.version = "1.1"  # quotes `yes`, `on`, `0644`
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = _LINE
    texts = []
    for one in objects:
        text = io.StringIO()
        yaml.dump(_quoted(one), text)
        texts.append(text.getvalue().partition("---\n")[2])  # without the line that tells the version
    return "---\n".join(texts)


def _object(
    api_version: str, kind: str, name: str, namespace: str = "", labels: Mapping[str, str] | None = None
) -> JsonObject:
    meta: JsonObject = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = dict(labels)
    return {"apiVersion": api_version, "kind": kind, "metadata": meta}


def _selector(selector: Selector) -> JsonObject:
    spec: JsonObject = {}
    if selector.labels:
        spec["matchLabels"] = dict(selector.labels)
    if selector.requirements:
        spec["matchExpressions"] = [
            {"key": one.key, "operator": str(one.operator), **({"values": list(one.values)} if one.values else {})}
            for one in selector.requirements
        ]
    return spec


def _rule(rule: Rule, peers: str) -> JsonObject:
    spec: JsonObject = {}
    if rule.peers:
        spec[peers] = [_peer(peer) for peer in rule.peers]
    if rule.ports:
        spec["ports"] = [_port(port) for port in rule.ports]
    return spec


def _peer(peer: Peer) -> JsonObject:
    spec: JsonObject = {}
    if peer.namespaces is not None:
        spec["namespaceSelector"] = _selector(peer.namespaces)
    if peer.pods is not None:
        spec["podSelector"] = _selector(peer.pods)
    if peer.block is not None:
        spec["ipBlock"] = _block(peer.block)
    return spec


def _block(block: IpBlock) -> JsonObject:
    excepts = {"except": [str(network) for network in block.excepts]} if block.excepts else {}
    return {"cidr": str(block.cidr), **excepts}


def _port(port: Port) -> JsonObject:
    spec: JsonObject = {"protocol": str(port.protocol)}
    if port.port is not None:
        spec["port"] = port.port
    if port.end is not None:
        spec["endPort"] = port.end
    return spec


def _pod(pod: Pod, host: str | None) -> JsonObject:
    spec: JsonObject = {
        "containers": [
            {"name": f"probe-{index}", "image": IMAGE, **({"ports": ports} if ports else {})}
            for index, ports in enumerate(_containers(pod.ports), start=1)
        ]
    }
    if pod.node != NODE:
        spec["nodeName"] = pod.node
    if pod.host_network:
        spec["hostNetwork"] = True
    status = {"podIP": pod.address} | ({"hostIP": host} if host else {})
    return _object("v1", "Pod", pod.name, pod.namespace, pod.labels) | {"spec": spec, "status": status}


def _containers(ports: Sequence[ContainerPort]) -> Iterator[list[JsonObject]]:
    """The ports of each container: a new one begins where a name comes again, which one container may not have."""
    here: list[JsonObject] = []
    names: set[str] = set()
    for port in ports:
        if port.name in names:
            yield here
            here, names = [], set()
        here.append(
            {
                **({"name": port.name} if port.name else {}),
                "containerPort": port.number,
                "protocol": str(port.protocol),
            }
        )
        names |= {port.name} if port.name else set()
    yield here


def _service(service: Service) -> JsonObject:
    several = len(service.ports) > 1
    ports = [
        {
            **({"name": f"{port.protocol.lower()}-{port.port}"} if several else {}),  # several ports must have names
            "protocol": str(port.protocol),
            "port": port.port,
            "targetPort": port.target,
        }
        for port in service.ports
    ]
    spec: JsonObject = {"clusterIP": service.address}
    if service.selector:
        spec["selector"] = dict(service.selector)
    if ports:
        spec["ports"] = ports
    body = _object("v1", "Service", service.name, service.namespace) | {"spec": spec}
    if any(isinstance(port.target, str) for port in service.ports):
        body["metadata"]["annotations"] = {ELSEWHERE: "true"}  # a world may have a Service that leads nowhere
    return body


def _quoted(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """A value with quotes around every text that does not begin with a letter: `08` is a number to some parsers."""
    if isinstance(value, dict):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not value[:1].isalpha() else value
