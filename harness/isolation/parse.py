"""From manifests to policies. What schemas do not see is checked here as the API server checks it.

Source: ``pkg/apis/networking/validation`` and ``pkg/apis/networking/v1/defaults.go`` of Kubernetes 1.36, with
``StrictIPCIDRValidation`` as it is there by default. Absent and null are the same for every field. A null item of a
list is an empty one: a rule that allows everything, a port item that means every TCP port, and a peer that is refused.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_interface
from typing import Final

from harness.errors import ManifestError
from harness.isolation.policy import Direction, IpBlock, Network, Peer, Policy, Port, Rule
from harness.kube.fields import Field, of_manifest, of_object
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest
from harness.kube.schemas import UnknownKind, problems
from harness.kube.selectors import EVERYTHING, selector_of

API_VERSION: Final = "networking.k8s.io/v1"
KIND: Final = "NetworkPolicy"

_TOO_MANY_TYPES: Final = 3
_CIDR: Final = re.compile(r"[0-9A-Fa-f:.]+/(0|[1-9][0-9]{0,2})")


def policies_of(manifests: Iterable[Manifest]) -> tuple[Policy, ...]:
    """The NetworkPolicies among some manifests, in their order.

    Raises ManifestError, which lists every policy that is wrong, each with ``file:line`` of its first wrong field, and
    every policy of another API, since a verdict without it could be false.
    """
    policies: dict[tuple[str, str], Policy] = {}
    wrong: list[ManifestError] = []
    for manifest in manifests:
        if not str(manifest.object["kind"]).endswith(KIND):
            continue
        try:
            policy = policy_of(manifest)
            first = policies.setdefault((policy.namespace, policy.name), policy)
            if first is not policy:
                raise of_manifest(manifest).wrong(f"is defined already in namespace {policy.namespace}, at {first.at}")
        except ManifestError as error:
            wrong.append(error)
    if wrong:
        raise ManifestError.of(wrong)
    return tuple(policies.values())


def policy_of(manifest: Manifest) -> Policy:
    """The NetworkPolicy that a manifest holds. ``at`` of it and of its parts is ``file:line``.

    The manifest must have been checked against its schema, as ``harness.kube.manifests.load`` does. Raises
    ManifestError with ``file:line`` of the field that is wrong, and for a policy of another API.
    """
    return _policy(of_manifest(manifest))


def policy_of_object(body: JsonObject, at: str) -> Policy:
    """The NetworkPolicy that a cluster gave. ``at`` is where it stands (``policy namespace/name``).

    ``apiVersion`` and ``kind`` may be absent, as they are in the API's lists. Raises ManifestError also for a field
    that Kubernetes 1.36 does not have: what is not known cannot be judged.
    """
    field = of_object({"apiVersion": API_VERSION, "kind": KIND, **body}, at)
    try:
        for _, problem in problems(field.value):
            raise ManifestError(at, field.subject, problem)
    except UnknownKind as kind:
        raise field.wrong(_foreign(str(kind))) from kind
    return _policy(field)


def _policy(body: Field) -> Policy:
    api_version, kind = body["apiVersion"].value, body["kind"].value
    if (api_version, kind) != (API_VERSION, KIND):
        raise body["apiVersion"].wrong(_foreign(f"{api_version} {kind}"))
    spec = body["spec"]
    return Policy(
        namespace=body.namespace(),
        name=body.object_name(),
        pods=selector_of(spec["podSelector"]) or EVERYTHING,
        ingress=tuple(_rule(item, item["from"]) for item in spec["ingress"]),
        egress=tuple(_rule(item, item["to"]) for item in spec["egress"]),
        types=_types(spec["policyTypes"]),
        at=body.at,
    )


def _foreign(what: str) -> str:
    if what.startswith("extensions/") and what.endswith(f" {KIND}"):
        return f"{what} is gone since Kubernetes 1.16: write {API_VERSION}"
    return f"{what} is a CRD of its own: the model does not know it, so that it cannot be judged; leave it out"


def _types(types: Field) -> tuple[Direction, ...]:
    if len(types.value or ()) >= _TOO_MANY_TYPES:
        raise types.wrong("has more than two items: write Ingress, Egress or both, each once")
    return tuple(map(_type, types))


def _type(item: Field) -> Direction:
    try:
        return Direction(item.value)
    except ValueError as error:
        raise item.wrong(f"{item.value!r} is no policy type: write Ingress or Egress, exactly so") from error


def _rule(rule: Field, peers: Field) -> Rule:
    return Rule(peers=tuple(map(_peer, peers)), ports=tuple(map(_port, rule["ports"])), at=rule.at)


def _peer(peer: Field) -> Peer:
    pods, namespaces = selector_of(peer["podSelector"]), selector_of(peer["namespaceSelector"])
    block = _block(peer["ipBlock"])
    if block and (pods or namespaces):
        raise peer.wrong("has ipBlock and a selector: a block stands alone, so write two items")
    if not (block or pods or namespaces):
        nulls = [name for name in ("podSelector", "namespaceSelector") if name in (peer.value or {})]
        if nulls:
            raise peer[nulls[0]].wrong(f"null is the same as absent: write `{nulls[0]}: {{}}` to mean all of them")
        raise peer.wrong("names no peer: write podSelector, namespaceSelector or ipBlock; to mean anybody, no peers")
    return Peer(pods, namespaces, block, at=peer.at)


def _block(block: Field) -> IpBlock | None:
    if block.value is None:
        return None
    cidr = _network(block["cidr"])
    excepts = []
    for item in block["except"]:
        network = _network(item)
        # Not `subnet_of`: it raises for another family, and a range lies in itself for it.
        if (
            network.version != cidr.version
            or network.prefixlen <= cidr.prefixlen
            or network.network_address not in cidr
        ):
            raise item.wrong(f"{network} does not lie strictly inside {cidr}: write a smaller range of it")
        excepts.append(network)
    return IpBlock(cidr, tuple(excepts))


def _network(cidr: Field) -> Network:
    text = str(cidr.value or "")
    try:
        # Python alone would also take a lone address, a netmask, a zone, and zeros before the length.
        written = ip_interface(text if _CIDR.fullmatch(text) else "")
    except ValueError as error:
        fix = "write address/length without leading zeros, such as 10.9.8.0/24, 10.9.8.7/32 or 2001:db8::/64"
        raise cidr.wrong(f"{text!r} is no range of addresses: {fix}") from error
    if isinstance(written.ip, IPv6Address) and written.ip.ipv4_mapped is not None:
        raise cidr.wrong(f"{text!r} is an IPv4 address as IPv6 writes it: write the IPv4 range")
    if written.ip != written.network.network_address:
        one = f"{written.ip}/{written.max_prefixlen}"
        raise cidr.wrong(
            f"{text!r} has bits beyond its length: write {written.network} for the range, or {one} for the address"
        )
    return written.network


def _port(port: Field) -> Port:
    number, end = port["port"], port["endPort"]
    protocol = port["protocol"].protocol()
    if not isinstance(number.value, int | float):
        if end.value is not None:
            raise end.wrong("needs a port that is a number: write the first port of the range as `port`")
        return Port(protocol, None if number.value is None else number.port_name(), at=port.at)
    first = number.port_number()
    if end.value is None:
        return Port(protocol, first, at=port.at)
    last = end.port_number()
    if last < first:
        raise end.wrong(f"{last} is less than port {first}: write the last port of the range")
    return Port(protocol, first, last, at=port.at)
