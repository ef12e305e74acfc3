"""The fields of an API object, each with its place, and the syntax of labels, ports and names.

Schemas know types, not syntax. The rules are those of the API server (``k8s.io/apimachinery/pkg/util/validation``), so
that what passes here is what a cluster would take.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from harness.errors import ManifestError
from harness.kube import names
from harness.kube.protocol import Protocol
from harness.kube.sources import FieldPath, Source, dotted, subject_of

if TYPE_CHECKING:
    from harness.kube.manifests import Manifest  # which checks the fields of what it loads

LAST_PORT: Final = 65535
DEFAULT_NAMESPACE: Final = "default"

_LABEL: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_KEY: Final = rf"(?=[^/]{{1,253}}/|[^/]+$)({names.DNS_NAME}/)?{_LABEL}"
_PORT_NAME: Final = r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?"
_LABEL_FIX: Final = "up to 63 letters, digits, '-', '_' and '.', a letter or digit first and last"


@dataclass(frozen=True)
class Field:
    """A field's value (None where it is absent or null), and how to say where it stands."""

    value: Any
    where: Callable[[FieldPath], str]
    subject: str
    path: FieldPath = ()

    def __getitem__(self, key: str | int) -> "Field":
        """The field below it of that name; one with the value None where there is none."""
        value = self.value
        if isinstance(value, dict):
            value = value.get(str(key))
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key]
        else:
            value = None
        return Field(value, self.where, self.subject, (*self.path, key))

    def __iter__(self) -> Iterator["Field"]:
        """The items of a list; none where it is absent or null."""
        return (self[index] for index in range(len(self.value or ())))

    def below(self, path: FieldPath) -> "Field":
        """The field at a path below it."""
        field = self
        for key in path:
            field = field[key]
        return field

    @property
    def at(self) -> str:
        """Where it stands: ``file:line``, or in words."""
        return self.where(self.path)

    def wrong(self, problem: str) -> ManifestError:
        """The error that says what is wrong with it."""
        name = dotted(self.path)
        return ManifestError(self.at, self.subject, f"{name}: {problem}" if name else problem)

    def labels(self) -> tuple[tuple[str, str], ...]:
        """A map of labels, in its order. Raises ManifestError for a key or a value that Kubernetes refuses."""
        pairs = []
        for key in self.value or {}:
            item = self[key]
            item.check_label_key(key)
            pairs.append((key, item.label_value()))
        return tuple(pairs)

    def check_label_key(self, key: str) -> None:
        """Raises ManifestError unless ``key`` can be a label's."""
        if not re.fullmatch(_LABEL_KEY, key):
            raise self.wrong(f"{key!r} is no key of a label: write {_LABEL_FIX}, and before a '/' only a DNS name")

    def label_value(self) -> str:
        """The value of a label. Raises ManifestError for null, and for what Kubernetes refuses."""
        if self.value is None:
            raise self.wrong('null is no value of a label: write "" for an empty one')
        value = str(self.value)
        if value and not re.fullmatch(_LABEL, value):
            raise self.wrong(f"{value!r} is no value of a label: write {_LABEL_FIX}, or nothing")
        return value

    def port_number(self) -> int:
        """The number of a port. Raises ManifestError outside 1 to 65535."""
        number = int(self.value)
        if not 1 <= number <= LAST_PORT:
            raise self.wrong(f"{number} is no port: write one of 1 to {LAST_PORT}")
        return number

    def port_name(self) -> str:
        """The name of a port (IANA_SVC_NAME). Raises ManifestError for what Kubernetes refuses."""
        name = str(self.value)
        if name.isdecimal():
            raise self.wrong(f"{name!r} is text, and no port has a name without a letter: write {name} without quotes")
        if not re.fullmatch(_PORT_NAME, name):
            fix = "up to 15 small letters, digits and single '-' between them, one letter at least"
            raise self.wrong(f"{name!r} is no name of a port: write {fix}")
        return name

    def address(self) -> str:
        """An address of IPv4 or IPv6; empty where absent. Raises ManifestError for what is none."""
        if not self.value:
            return ""
        try:
            return str(ip_address(str(self.value)))
        except ValueError as error:
            raise self.wrong(f"{self.value!r} is no address of IPv4 or IPv6") from error

    def protocol(self) -> Protocol:
        """A protocol, TCP where none is written. Raises ManifestError for another one."""
        if self.value is None:
            return Protocol.TCP
        try:
            return Protocol(self.value)
        except ValueError as error:
            raise self.wrong(f"{self.value!r} is no protocol: write one of {', '.join(Protocol)}") from error

    def object_name(self) -> str:
        """``metadata.name`` of an object. Raises ManifestError unless it is a DNS name."""
        return self["metadata"]["name"].dns_name()

    def dns_name(self) -> str:
        """The name of an object, a DNS subdomain as most kinds have it. Raises ManifestError."""
        return _sound(self, names.name_problem)

    def namespace(self) -> str:
        """``metadata.namespace`` of an object, where absent ``default`` as for kubectl. Raises ManifestError."""
        field = self["metadata"]["namespace"]
        return _sound(field, names.label_problem) if field.value else DEFAULT_NAMESPACE


def of_manifest(manifest: "Manifest") -> Field:
    """The fields of an object in a file."""
    return Field(manifest.object, manifest.where, manifest.subject)


def of_source(source: Source) -> Field:
    """The fields of an object in a file, as it is read."""
    return Field(source.object, source.where, subject_of(source.object))


def of_object(body: dict[str, Any], at: str) -> Field:
    """The fields of an object that stands in no file: ``at`` says where it was found."""
    return Field(body, lambda path: f"{at} {dotted(path)}".rstrip(), subject_of(body))


def _sound(field: Field, problem: Callable[[str], str]) -> str:
    name = str(field.value)
    if told := problem(name):
        raise field.wrong(told)
    return name
