"""Selectors of peers: every operator, on keys that are there and keys that are missing, for pods and for namespaces."""

from collections.abc import Iterator, Mapping

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, stand, toward
from harness.isolation.catalogue.cast import EVERY, NS, POD, A, B, Cast, X, Y
from harness.isolation.catalogue.changes import label_namespace, label_pod
from harness.isolation.policy import NAME_LABEL, Direction, Peer, Rule
from harness.isolation.world import World
from harness.kube.selectors import Operator, Requirement, Selector

TEAM = "team"
"""A label that some have: ``x/b``, ``y/b`` and namespace y are red, ``x/c``, ``z/b`` and namespace z blue."""


def having(key: str, operator: Operator, *values: str) -> Selector:
    """What meets one requirement."""
    return Selector(requirements=(Requirement(key, operator, values),))


def _both(selector: Selector, other: Selector) -> Selector:
    return Selector(selector.labels + other.labels, selector.requirements + other.requirements)


def _expressions(fixed: str, values: tuple[str, str], thing: str) -> Mapping[str, Selector]:
    """Selectors over the label that all have (``fixed``) and the one that some have, by their words."""
    one, two = values
    is_red = Selector(((TEAM, "red"),))
    return {
        f"{thing} labelled {one} or {two}": having(fixed, Operator.IN, one, two),
        f"{thing} not labelled {one}": having(fixed, Operator.NOT_IN, one),
        f"{thing} labelled neither {one} nor {two}": having(fixed, Operator.NOT_IN, one, two),
        f"{thing} with a {fixed} label": having(fixed, Operator.EXISTS),
        f"{thing} without a {fixed} label": having(fixed, Operator.DOES_NOT_EXIST),
        f"{thing} of a red team": is_red,
        f"{thing} of a red or blue team": having(TEAM, Operator.IN, "red", "blue"),
        f"{thing} not of a red team, or of none": having(TEAM, Operator.NOT_IN, "red"),
        f"{thing} with a team": having(TEAM, Operator.EXISTS),
        f"{thing} without a team": having(TEAM, Operator.DOES_NOT_EXIST),
        f"{thing} with a team that is not red": _both(
            having(TEAM, Operator.EXISTS), having(TEAM, Operator.NOT_IN, "red")
        ),
        f"{thing} labelled {one} and of a red team": _both(having(fixed, Operator.IN, one), is_red),
        f"{thing} of a team that none has": having(TEAM, Operator.IN, "green"),
    }


def cases() -> Iterator[Case]:
    """All cases of selectors: of pod ``x/a``, in both directions."""
    for direction in DIRECTIONS:
        for words, selector in _expressions(POD, ("b", "c"), "pods").items():
            yield _teams(direction, f"{words}, in every namespace", Peer(pods=selector, namespaces=EVERY))
        for words, selector in _expressions(NS, ("y", "z"), "namespaces").items():
            yield _teams(direction, words, Peer(namespaces=selector))
        yield _teams(
            direction,
            "pods without a team in namespaces with one",
            Peer(pods=having(TEAM, Operator.DOES_NOT_EXIST), namespaces=having(TEAM, Operator.EXISTS)),
        )
        yield from _namespace_names(direction)
        yield from _together(direction)


def _teams(direction: Direction, words: str, peer: Peer) -> Case:
    def states(cast: Cast) -> list[World]:
        world = cast.world(isolate(direction, Rule((peer,))))
        for role, part, team in (("x", "b", "red"), ("x", "c", "blue"), ("y", "b", "red"), ("z", "b", "blue")):
            world = label_pod(world, cast.pod(role, part), {TEAM: team})
        for role, team in (("y", "red"), ("z", "blue")):
            world = label_namespace(world, cast.names[role], {TEAM: team})
        return [world]

    return case("selectors", f"{toward(direction)} {words}", (8, 9), states)


def _namespace_names(direction: Direction) -> Iterator[Case]:
    def named(*roles: str, operator: Operator = Operator.IN, pods: Selector | None = None) -> Case:
        words = f"{'' if operator is Operator.IN else 'every but '}{' or '.join(roles)}"

        def states(cast: Cast) -> list[World]:
            selector = having(NAME_LABEL, operator, *(cast.names[role] for role in roles))
            return [cast.world(isolate(direction, Rule((Peer(pods, selector),))))]

        who = "pods labelled b in" if pods else "all of"
        return case("namespaces", f"{toward(direction)} {who} namespaces by their own names: {words}", (8, 9), states)

    def by_label(cast: Cast) -> list[World]:
        peer = Peer(namespaces=Selector(((NAME_LABEL, cast.names["z"]),)))
        return [cast.world(isolate(direction, Rule((peer,))))]

    yield case("namespaces", f"{toward(direction)} the namespace of one name, by matchLabels", (8, 9), by_label)
    yield named("y")
    yield named("x", "y")
    yield named("x", operator=Operator.NOT_IN)
    yield named("z", pods=B)


def _together(direction: Direction) -> Iterator[Case]:
    """One item with both selectors means both; two items mean either. None means the own namespace, empty means all."""
    sides: tuple[tuple[str, tuple[Peer, ...]], ...] = (
        ("pods labelled b and in namespaces labelled y", (Peer(B, Y),)),
        ("pods labelled b here, or anything in namespaces labelled y", (Peer(pods=B), Peer(namespaces=Y))),
        ("pods labelled b of its own namespace, no namespaceSelector", (Peer(pods=B),)),
        ("pods labelled b of all namespaces, an empty namespaceSelector", (Peer(B, EVERY),)),
        ("pods labelled b of its own namespace, selected by label", (Peer(B, X),)),
        ("pods labelled a of its own namespace, which is itself", (Peer(pods=A),)),
        ("the three pods of namespaces labelled y, one by one", tuple(Peer(pod, Y) for pod in (A, B, _c()))),
    )
    for words, peers in sides:
        yield case("selectors", f"{toward(direction)} {words}", (8,), stand(isolate(direction, Rule(peers))))


def _c() -> Selector:
    return having(POD, Operator.NOT_IN, "a", "b")
