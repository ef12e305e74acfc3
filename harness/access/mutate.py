"""Mutants: the roles and bindings with one thing changed, as a slip of the hand would. Pure.

A table of expectations is good if it notices every one of them (harness/access/score.py tells which it does not).
Mutants that mean the same as what is written, or as an earlier mutant, are left out: order, repetition, a right that
another rule gives as well, a verb that nothing has, a role that nobody is bound to.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, TypeAlias, TypeVar

from harness.access.meaning import Meanings
from harness.access.parse import joined
from harness.access.request import AUTHENTICATED, UNAUTHENTICATED
from harness.access.resources import Resource
from harness.access.rules import EVERY, Account, Binding, Kind, Realm, Role, Rule, Subject

_T = TypeVar("_T")
_Edit: TypeAlias = tuple[str, _T]
"""What was changed, in words, and what came out."""
_Placed: TypeAlias = tuple[str, str, _T]
"""The same, with ``file:line`` between them."""

CORE: Final = ""
VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", EVERY)
AGGREGATE: Final = "rbac.authorization.k8s.io/aggregate-to-"
AGGREGATED: Final = ("view", "edit", "admin")
"""The default roles that take in every ClusterRole with a label of that name."""
TEMPTING: Final = ("view", "edit", "cluster-admin")
"""The ClusterRoles that are at hand for whoever does not write a role of his own."""
EVERYBODY: Final = (Subject(Kind.GROUP, AUTHENTICATED), Subject(Kind.GROUP, UNAUTHENTICATED))


@dataclass(frozen=True)
class Mutant:
    """All that is written with one thing changed: ``what``, and ``at`` which ``file:line``."""

    what: str
    at: str
    realm: Realm


def mutants(written: Realm, around: Realm, resources: Iterable[Resource]) -> Iterator[Mutant]:
    """Every single mutation of what is written, in a fixed order: as it stands there, from the whole to its parts.

    ``around`` is what a cluster has beside it (the defaults); it is never changed, but takes part in what a mutant
    means, as do the ``resources`` that are served. Moves go to each other namespace that something is written for.
    """
    served = tuple(resources)
    meanings = Meanings(served)
    seen = {meanings.of(joined(written, around))}
    for what, at, realm in chain(_role_mutants(written, served), _binding_mutants(written)):
        meaning = meanings.of(joined(realm, around))
        if meaning not in seen:
            seen.add(meaning)
            yield Mutant(what, at, realm)


def _namespaces(written: Realm, but: str) -> list[str]:
    things: tuple[Role | Binding | Account, ...] = (*written.roles, *written.bindings, *written.accounts)
    return sorted(({one.namespace for one in things} | {home.name for home in written.homes}) - {"", but})


# --------------------------------------------------------------------------------------------------------------- roles


def _role_mutants(written: Realm, served: Sequence[Resource]) -> Iterator[_Placed[Realm]]:
    for index, role in enumerate(written.roles):
        yield f"{role} is deleted", role.at, replace(written, roles=_without(written.roles, index))
        for what, at, changed in _role_edits(role, served):
            yield f"{role} {what}", at, replace(written, roles=_with(written.roles, index, changed))
        yield from _moved_role(written, index, role)


def _role_edits(role: Role, served: Sequence[Resource]) -> Iterator[_Placed[Role]]:
    if not role.namespace:
        for name in AGGREGATED:
            label = f"{AGGREGATE}{name}"
            if role.labels.get(label) == "true":
                others = {key: value for key, value in role.labels.items() if key != label}
                yield f"loses the label {label}", role.at, replace(role, labels=others)
            else:
                yield f"gets the label {label}", role.at, replace(role, labels={**role.labels, label: "true"})
    for index, rule in enumerate(role.rules):
        place, at = f"rule {index + 1}", rule.at or role.at
        yield f"{place} is deleted", at, replace(role, rules=_without(role.rules, index))
        for what, changed in _rule_edits(rule, served):
            yield f"{place} {what}", at, replace(role, rules=_with(role.rules, index, changed))


def _moved_role(written: Realm, index: int, role: Role) -> Iterator[_Placed[Realm]]:
    taken = {(one.namespace, one.name) for one in written.roles}
    for namespace in _namespaces(written, role.namespace) if role.namespace else ():
        if (namespace, role.name) in taken:
            continue
        roles = _with(written.roles, index, replace(role, namespace=namespace))
        yield f"{role} moves to namespace {namespace}", role.at, replace(written, roles=roles)
        bindings = tuple(
            replace(one, namespace=namespace, role_namespace=namespace)
            if (one.role_namespace, one.role) == (role.namespace, role.name)
            else one
            for one in written.bindings
        )
        moved = replace(written, roles=roles, bindings=bindings)
        yield f"{role} moves to namespace {namespace} with its bindings", role.at, moved


def _rule_edits(rule: Rule, served: Sequence[Resource]) -> Iterator[_Edit[Rule]]:
    yield from ((f"loses verb {verb}", replace(rule, verbs=rest)) for verb, rest in _losses(rule.verbs))
    for verb in VERBS:
        if verb not in rule.verbs:
            yield f"gets verb {verb}", replace(rule, verbs=(*rule.verbs, verb))
    yield from ((what, replace(rule, resources=resources)) for what, resources in _resource_edits(rule, served))
    yield from ((what, replace(rule, groups=groups)) for what, groups in _group_edits(rule.groups))
    if rule.names:
        yield "has no resourceNames: every object", replace(rule, names=())
    yield from ((f"loses resourceName {name}", replace(rule, names=rest)) for name, rest in _losses(rule.names))
    yield from ((what, replace(rule, urls=urls)) for what, urls in _url_edits(rule.urls))


def _resource_edits(rule: Rule, served: Sequence[Resource]) -> Iterator[_Edit[tuple[str, ...]]]:
    yield from ((f"loses {resource}", rest) for resource, rest in _losses(rule.resources))
    for index, resource in enumerate(rule.resources):
        if resource != EVERY:
            yield f"has {EVERY} in place of {resource}", _with(rule.resources, index, EVERY)
        whole, _, subresource = resource.partition("/")
        if subresource:
            yield f"has {whole} in place of {resource}", _with(rule.resources, index, whole)
            continue
        for one in served:
            name = f"{whole}/{one.subresource}"
            if one.name == whole and one.group in rule.groups and one.subresource and name not in rule.resources:
                yield f"gets {name}", (*rule.resources, name)


def _group_edits(groups: tuple[str, ...]) -> Iterator[_Edit[tuple[str, ...]]]:
    yield from ((f"loses apiGroup {_shown(group)}", rest) for group, rest in _losses(groups))
    for index, group in enumerate(groups):
        for other in (EVERY, CORE):
            if other != group:
                yield f"has apiGroup {_shown(other)} in place of {_shown(group)}", _with(groups, index, other)


def _url_edits(urls: tuple[str, ...]) -> Iterator[_Edit[tuple[str, ...]]]:
    yield from ((f"loses {url}", rest) for url, rest in _losses(urls))
    for index, url in enumerate(urls):
        for wider in (f"{url.rstrip('/*')}/*", EVERY):
            if wider != url:
                yield f"has {wider} in place of {url}", _with(urls, index, wider)


def _losses(items: tuple[str, ...]) -> Iterator[_Edit[tuple[str, ...]]]:
    """Each of several items, and what is left without it. The API refuses a list of none: that is the whole's loss."""
    if len(items) > 1:
        yield from ((item, _without(items, index)) for index, item in enumerate(items))


def _shown(group: str) -> str:
    return group or '""'


# ------------------------------------------------------------------------------------------------------------ bindings


def _binding_mutants(written: Realm) -> Iterator[_Placed[Realm]]:
    named = dict.fromkeys(subject for binding in written.bindings for subject in binding.subjects)
    for index, binding in enumerate(written.bindings):
        yield f"{binding} is deleted", binding.at, replace(written, bindings=_without(written.bindings, index))
        edits = chain(_subject_edits(binding, (*named, *EVERYBODY)), _reference_edits(binding, written))
        for what, at, changed in edits:
            yield f"{binding} {what}", at, replace(written, bindings=_with(written.bindings, index, changed))
        if binding.namespace:
            yield f"{binding} becomes a ClusterRoleBinding", binding.at, _everywhere(written, index, binding)


def _subject_edits(binding: Binding, others: Iterable[Subject]) -> Iterator[_Placed[Binding]]:
    new = [one for one in others if one not in binding.subjects]
    for index, subject in enumerate(binding.subjects):
        at = subject.at or binding.at
        yield f"loses {subject}", at, replace(binding, subjects=_without(binding.subjects, index))
        for other in new:
            what = f"is for {other} in place of {subject}"
            yield what, at, replace(binding, subjects=_with(binding.subjects, index, other))
    for other in new:
        yield f"is for {other}, too", binding.at, replace(binding, subjects=(*binding.subjects, other))


def _reference_edits(binding: Binding, written: Realm) -> Iterator[_Placed[Binding]]:
    for role in written.roles:
        if role.namespace in ("", binding.namespace):
            changed = replace(binding, role=role.name, role_namespace=role.namespace)
            yield f"refers to {role}", binding.at, changed
    for name in TEMPTING:
        yield f"refers to ClusterRole {name}", binding.at, replace(binding, role=name, role_namespace="")
    taken = {(one.namespace, one.name) for one in written.bindings}
    for namespace in _namespaces(written, binding.namespace) if binding.namespace else ():
        if (namespace, binding.name) not in taken:
            home = namespace if binding.role_namespace else ""  # a Role is sought where the binding is
            moved = replace(binding, namespace=namespace, role_namespace=home)
            yield f"moves to namespace {namespace}", binding.at, moved


def _everywhere(written: Realm, index: int, binding: Binding) -> Realm:
    """What is written, with the binding one of the whole cluster: its Role becomes a ClusterRole of the same rules."""
    bindings = _with(written.bindings, index, replace(binding, namespace="", role_namespace=""))
    role = next(
        (one for one in written.roles if (one.namespace, one.name) == (binding.role_namespace, binding.role)), None
    )
    if not binding.role_namespace or role is None:
        return replace(written, bindings=bindings)
    others = tuple(one for one in written.roles if one.namespace or one.name != role.name)
    return replace(written, bindings=bindings, roles=(*others, replace(role, namespace="")))


def _with(items: tuple[_T, ...], index: int, item: _T) -> tuple[_T, ...]:
    return (*items[:index], item, *items[index + 1 :])


def _without(items: tuple[_T, ...], index: int) -> tuple[_T, ...]:
    return items[:index] + items[index + 1 :]
