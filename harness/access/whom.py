"""Whom an export asks for, and where: as the command line names them, or as a cluster's own bindings do. Pure."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from harness.access.expectations import Expectations
from harness.access.matrix import Who
from harness.access.meaning import speaks_of
from harness.access.oracle import Oracle
from harness.access.request import ACCOUNT_PREFIX, ANONYMOUS, UNAUTHENTICATED, Identity
from harness.access.resources import Resource
from harness.access.rules import Kind, Realm, Subject
from harness.access.table import unknown_subjects
from harness.errors import ManifestError, UsageError
from harness.kube.strict import did_you_mean

SYSTEM: Final = re.compile(r"default|(?:kube|calico|tigera|local-path)-.*")
"""The namespaces of a cluster's own parts."""
OF_SYSTEM: Final = "system:"
"""How the names of a cluster's own users and groups begin."""
FORM: Final = (
    "write NAME=user:…,group:…, NAME=service-account:namespace/name or NAME=anonymous; `unbound` beside it says that "
    "no binding names him"
)
_PART = re.compile(r"(?P<key>user|group|service-account):(?P<value>.+)|(?P<flag>unbound|anonymous)")
_ACCOUNT = re.compile(r"(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9.-]+)")
_NO_NAME = re.compile(r"[^A-Za-z0-9._:@/-]+")


def places_of(realm: Realm, namespaces: Sequence[str]) -> list[str]:
    """The namespaces that are asked for, by default all that are not the cluster's own. Raises UsageError."""
    homes = [home.name for home in realm.homes]
    for name in namespaces:
        if name not in homes:
            raise UsageError(f"--namespace={name}: there is no such namespace{did_you_mean(name, homes)}")
    return list(dict.fromkeys(namespaces)) or sorted(name for name in homes if not SYSTEM.fullmatch(name))


def given(realm: Realm, subjects: Iterable[str]) -> list[Who]:
    """The subjects of the command line. Raises UsageError for one that cannot be read, or is nobody there."""
    whom: dict[str, Who] = {}
    for text in subjects:
        who = subject_of(text)
        if who.name in whom:
            raise UsageError(f"{who.at}: there is another subject {who.name}: give each a name of its own")
        whom[who.name] = who
    if wrong := unknown_subjects(Expectations(whom, ()), realm):
        raise ManifestError.of(wrong)
    return list(whom.values())


def subject_of(text: str) -> Who:
    """A subject as the command line has it: ``team-invoice=user:anna,group:team-invoice``. Raises UsageError."""
    name, _, rest = text.partition("=")
    at = f"--subject={text}"
    said: dict[str, list[str]] = {}
    for part in rest.split(","):
        found = _PART.fullmatch(part)
        if not found:
            raise UsageError(f"{at}: {part!r} is not understood: {FORM}")
        said.setdefault(found["key"] or found["flag"], []).append(found["value"] or "")
    users, accounts = said.get("user", []), said.get("service-account", [])
    if not name or _NO_NAME.search(name) or len(users) + len(accounts) + ("anonymous" in said) != 1:
        raise UsageError(f"{at}: is not one subject with a name: {FORM}")
    if not users and len(said) > ("unbound" in said) + 1:
        raise UsageError(f"{at}: only a user is given groups: {FORM}")
    if users:
        return Who(name, Identity.user(users[0], said.get("group", [])), "unbound" in said, at=at)
    if not accounts:
        return Who(name, Identity.anonymous(), at=at)
    account = _ACCOUNT.fullmatch(accounts[0])
    if not account:
        raise UsageError(f"{at}: {accounts[0]!r} is no ServiceAccount: {FORM}")
    return Who(name, Identity.account(account["namespace"], account["name"]), "unbound" in said, at=at)


def written_subjects(written: Realm, namespaces: Iterable[str]) -> list[Who]:
    """Whom somebody's own bindings name, be it a group of the system, and the ServiceAccounts in his namespaces."""
    return _subjects(written, {"", *namespaces}, lambda _subject: True)


def default_subjects(realm: Realm, places: Iterable[str]) -> list[Who]:
    """Whom the RoleBindings of some namespaces name, less the system's own, and the ServiceAccounts there."""
    return _subjects(realm, set(places), lambda subject: not subject.name.startswith(OF_SYSTEM))


def _subjects(realm: Realm, homes: Collection[str], counts: Callable[[Subject], bool]) -> list[Who]:
    """Those of bindings in namespaces, or of ClusterRoleBindings where one is empty, and the ServiceAccounts there.

    A group is asked for by a member that it would have.
    """
    named = [one for binding in realm.bindings if binding.namespace in homes for one in binding.subjects]
    there = [Subject(Kind.ACCOUNT, one.name, one.namespace) for one in realm.accounts if one.namespace in homes]
    found: dict[Identity, str] = {}
    for subject in (*named, *there):
        identity = _one_of(subject)
        account = identity.as_account
        if account:
            found.setdefault(identity, "/".join(account))
        elif counts(subject):
            found.setdefault(identity, subject.name)
    return list(_with_names(found))


def _one_of(subject: Subject) -> Identity:
    """Somebody whom a binding of this subject is for."""
    if subject.name in (ANONYMOUS, UNAUTHENTICATED):
        return Identity.anonymous()
    if subject.kind is Kind.GROUP:
        return Identity.user(f"{subject.name}-member", [subject.name])
    namespace, slash, name = subject.namespace, "", subject.name
    if subject.kind is Kind.USER and subject.name.startswith(ACCOUNT_PREFIX):
        namespace, slash, name = subject.name.removeprefix(ACCOUNT_PREFIX).partition(":")
    return Identity.account(namespace, name) if subject.kind is Kind.ACCOUNT or slash else Identity.user(subject.name)


def _with_names(found: Mapping[Identity, str]) -> Iterator[Who]:
    """Each with a name of its own that a table can have."""
    taken: set[str] = set()
    for identity, wanted in found.items():
        name = _NO_NAME.sub("-", wanted).strip("._:@/-") or "somebody"
        number = 2
        own = name
        while own in taken:
            own, number = f"{name}-{number}", number + 1
        taken.add(own)
        yield Who(own, identity)


def named_objects(
    realm: Realm, resources: Sequence[Resource], places: Sequence[str], whom: Sequence[Who]
) -> dict[tuple[str, str], list[str]]:
    """The objects that a rule of somebody's names, by place and what: only a request for them shows such a right."""
    oracle = Oracle(realm)
    found: dict[tuple[str, str], dict[str, None]] = {}
    for grant in (grant for who in whom for grant in oracle.grants(who.identity) if grant.rule.names):
        for resource in resources:
            if speaks_of(grant.rule, resource):
                names = dict.fromkeys(name for name in grant.rule.names if name not in resource.names)
                for place in places if resource.namespaced else ("",):
                    if names and grant.namespace in ("", place):
                        found.setdefault((place, resource.what), {}).update(names)
    return {key: list(names) for key, names in found.items()}
