"""What roles and bindings mean by what is written and by what is served: equal for two that grant the same. Pure.

It is read off the words of the rules, apart from how the oracle matches them, so that a fault there hides no mutant.
What nothing serves grants nothing that could be asked for.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeAlias

from harness.access.oracle import Oracle
from harness.access.resources import Resource, lying_in
from harness.access.rules import EVERY, Realm, Rule, Subject

Right: TypeAlias = tuple[str, str, str]
"""What, verb, and the name that it is restricted to; empty for none."""
Meaning: TypeAlias = frozenset[tuple[str, Subject, frozenset[Right]]]
"""What each subject has: in a namespace, or everywhere where that is empty."""


class Meanings:
    """What realms mean where these resources are served."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._served = tuple(resources)
        self._inside = tuple(lying_in(self._served, "any"))
        self._rights = cache(self._worked_out)  # mutants share nearly all of their rules

    def of(self, realm: Realm) -> Meaning:
        """Who has which rights where."""
        oracle = Oracle(realm)
        found: dict[tuple[str, Subject], frozenset[Right]] = {}
        for binding in realm.bindings:
            role = oracle.role_of(binding)
            rights = self._rights(role.rules, bool(binding.namespace)) if role else frozenset()
            for subject in binding.subjects:
                place = (binding.namespace, subject)
                found[place] = found[place] | rights if place in found else rights
        return frozenset((*place, rights) for place, rights in found.items() if rights)

    def reaches_nothing(self, rule: Rule) -> bool:
        """Whether nothing that is served is what a rule speaks of."""
        return not any(True for _ in _rights_of(rule, self._served))

    def _worked_out(self, rules: tuple[Rule, ...], in_namespace: bool) -> frozenset[Right]:  # noqa: FBT001 -- for `cache`
        return frozenset(
            right for rule in rules for right in _rights_of(rule, self._inside if in_namespace else self._served)
        )


def _rights_of(rule: Rule, resources: Iterable[Resource]) -> Iterator[Right]:
    for resource in resources:
        if speaks_of(rule, resource):
            for verb in resource.verbs if EVERY in rule.verbs else set(rule.verbs) & set(resource.verbs):
                yield from ((resource.what, verb, name) for name in rule.names or ("",))


def speaks_of(rule: Rule, resource: Resource) -> bool:
    """Whether a resource or path is one that a rule's words mean, whatever its verbs and names."""
    if resource.url:
        return any(
            resource.url == url or (url.endswith(EVERY) and resource.url.startswith(url.rstrip(EVERY)))
            for url in rule.urls
        )
    words = {EVERY, resource.name}
    if resource.subresource:
        words = {EVERY, f"{resource.name}/{resource.subresource}", f"{EVERY}/{resource.subresource}"}
    return bool({EVERY, resource.group} & set(rule.groups)) and bool(words & set(rule.resources))
