"""The transport protocols, as Kubernetes writes them."""

from enum import StrEnum


class Protocol(StrEnum):
    """What a port of a container, a Service or a NetworkPolicy speaks. Everything else has no ports, and no rules."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"

    __hash__ = str.__hash__  # Enum's own is Python code, and the oracle looks millions of cells up
