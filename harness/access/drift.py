"""How the roles and bindings of a cluster differ from the written ones. Pure."""

from collections.abc import Collection, Iterator
from typing import TypeAlias

from harness.access.rules import Binding, Realm, Role

_Thing: TypeAlias = Role | Binding


def drift(written: Realm, live: Realm, owned: Collection[str]) -> list[str]:
    """What is not on the cluster as it is written, in sentences, and what namespaces ``owned`` have beside it.

    Places and labels are no difference; the rules of a role that aggregates others are the controller's.
    """
    return [
        *_drift(written.roles, live.roles, owned),
        *_drift(written.bindings, live.bindings, owned),
    ]


def _drift(
    written: tuple[Role, ...] | tuple[Binding, ...],
    live: tuple[Role, ...] | tuple[Binding, ...],
    owned: Collection[str],
) -> Iterator[str]:
    there = {(one.namespace, one.name): one for one in live}
    known = {(one.namespace, one.name) for one in written}
    for one in written:
        found = there.get((one.namespace, one.name))
        if found is None:
            yield f"{one} ({one.at}) is not on the cluster"
        elif _said(found) != _said(one):
            yield f"{one} on the cluster is not as written at {one.at}"
    for key, one in there.items():
        if one.namespace in owned and key not in known:
            yield f"{one} is on the cluster, and in no file"


def _said(one: _Thing) -> object:
    if isinstance(one, Binding):
        return one.role, one.role_namespace, frozenset(one.subjects)
    return one.aggregates or one.rules
