"""Small realms, and requests about them, drawn from a number: few names, so that they meet.

Hypothesis draws the number alone. To draw each field by itself would take a hundred times as long, and what fails is
small as it is.
"""

from collections.abc import Iterator
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from harness.access.request import Identity, Request
from harness.access.rules import Account, Binding, Home, Kind, Realm, Role, Rule, Subject
from harness.kube.selectors import Operator, Requirement, Selector

T = TypeVar("T")

NAMESPACES = ("one", "two")
IDENTITIES = (
    Identity.user("jane", ["shop"]),
    Identity.user("joan", ["shop", "bank"]),
    Identity.account("one", "till"),
    Identity.account("two", "till"),
    Identity.anonymous(),
    Identity.user("root", ["system:masters"]),
)
GROUPS = ("shop", "bank", "system:authenticated", "system:serviceaccounts", "system:serviceaccounts:one")
NAMES = ("web", "db")
NAMED = ("first", "second", "third")
URLS = ("/healthz", "/healthz/etcd", "/metrics")
RULED_URLS = (*URLS, "*", "/healthz*", "/healthz/*", "/healthz**", "/met*", "/*")
KINDS = ("pods", "deployments", "*", "pods/log", "pods/*", "*/log", "*/scale", "*/*", "deployments/scale")
LABELS = ("to", "from")


class Drawing:
    """Draws what it is asked for, always the same from the same number."""

    def __init__(self, number: int) -> None:
        self._random = Random(number)  # noqa: S311 -- examples, not secrets

    def one(self, *values: T) -> T:
        """One of some values."""
        return self._random.choice(values)

    def some(self, *values: T, least: int = 1) -> tuple[T, ...]:
        """Up to two of some values."""
        return tuple(self._random.sample(values, self._random.randint(least, 2)))

    def rule(self) -> Rule:
        """A rule for resources, seldom one for paths."""
        verbs = self.one(("*",), self.some("get", "list", "create", "patch"))
        if self._random.random() < 0.2:
            return Rule(verbs, urls=self.some(*RULED_URLS))
        names = self.some(*NAMES, "*", "we*") if self._random.random() < 0.2 else ()
        return Rule(verbs, self.some("", "apps", "*"), self.some(*KINDS), names)

    def labels(self) -> dict[str, str]:
        """Up to two labels."""
        return {key: self.one("view", "edit") for key in self.some(*LABELS, least=0)}

    def selector(self) -> Selector:
        """A selector, with or without a requirement."""
        of = self.one(*Operator)
        values = ("view",) if of in (Operator.IN, Operator.NOT_IN) else ()
        required = (Requirement(self.one(*LABELS), of, values),) if self._random.random() < 0.4 else ()
        return Selector(tuple(self.labels().items()), required)

    def roles(self) -> Iterator[Role]:
        """Roles and ClusterRoles, some of which aggregate."""
        for namespace in ("", *NAMESPACES):
            for name in NAMED:
                if self._random.random() < 0.7:
                    rules = tuple(self.rule() for _ in range(self.one(1, 2)))
                    selects = (self.selector(),) if not namespace and self._random.random() < 0.4 else ()
                    yield Role(name, rules, namespace, self.labels(), selects)

    def subject(self) -> Subject:
        """Somebody, most often one of those who ask."""
        return self.one(
            Subject(Kind.USER, self.one(*(one.name for one in IDENTITIES))),
            Subject(Kind.GROUP, self.one(*GROUPS)),
            Subject(Kind.ACCOUNT, "till", self.one(*NAMESPACES)),
        )

    def bindings(self) -> Iterator[Binding]:
        """Bindings of both kinds, of roles that may be there."""
        for number in range(self.one(3, 4, 5)):
            namespace = self.one("", *NAMESPACES)
            subjects = (self.subject(), self.subject())
            yield Binding(f"b{number}", self.one(*NAMED), subjects, namespace, self.one("", namespace))

    def realm(self) -> Realm:
        """A realm over two namespaces."""
        accounts = tuple(Account(one, "till") for one in NAMESPACES)
        return Realm(tuple(self.roles()), tuple(self.bindings()), accounts, (Home("one", "restricted"), Home("two")))

    def request(self) -> Request:
        """A request for a resource, seldom one for a path."""
        verb = self.one("get", "list", "create", "patch")
        if self._random.random() < 0.2:
            return Request(verb, url=self.one(*URLS))
        resource, group = self.one(("pods", ""), ("deployments", "apps"), ("pods", "apps"))
        return Request(
            verb, resource, group, self.one("", "", "log", "scale"), self.one("", *NAMESPACES), self.one("", *NAMES)
        )


drawings = st.integers(0, 2**32).map(Drawing)
