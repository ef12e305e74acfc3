"""Label selectors as values, and how they are read from a field."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.kube.fields import Field


class Operator(StrEnum):
    """Of a requirement in ``matchExpressions``."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True)
class Requirement:
    """One of ``matchExpressions``. ``values`` is empty for Exists and DoesNotExist."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it. NotIn and DoesNotExist are met where the key is missing."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return self.key not in labels or labels[self.key] not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True)
class Selector:
    """A LabelSelector: all of its labels and requirements together. An empty one matches everything."""

    labels: tuple[tuple[str, str], ...] = ()
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet all of it."""
        return all(labels.get(key) == value for key, value in self.labels) and all(
            requirement.matches(labels) for requirement in self.requirements
        )


EVERYTHING = Selector()
"""Matches whatever it is held against."""


def selector_of(selector: Field) -> Selector | None:
    """The LabelSelector that a field holds; None where it is absent, which is not the same as an empty one.

    Raises ManifestError for an operator, a key or values that Kubernetes refuses.
    """
    if selector.value is None:
        return None
    return Selector(selector["matchLabels"].labels(), tuple(map(_requirement, selector["matchExpressions"])))


def _requirement(requirement: Field) -> Requirement:
    written, values = requirement["operator"], requirement["values"]
    try:
        operator = Operator(written.value)
    except ValueError as error:
        choice = f"{', '.join(Operator)}, exactly so"
        raise written.wrong(f"{written.value!r} is no operator: write one of {choice}") from error
    if operator in (Operator.IN, Operator.NOT_IN) and not values.value:
        raise values.wrong(f"{operator} needs values: write at least one, or use Exists or DoesNotExist")
    if operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST) and values.value:
        raise values.wrong(f"{operator} takes no values: leave them out, or use In or NotIn")
    key = str(requirement["key"].value or "")
    requirement["key"].check_label_key(key)
    return Requirement(key, operator, tuple(value.label_value() for value in values))
