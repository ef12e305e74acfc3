"""What changes while policies stand: policies, pods, namespaces and their labels come, change and go.

Only what a case made is removed again: the pods and namespaces of the bare world stay.
"""

from collections.abc import Iterator

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, toward
from harness.isolation.catalogue.cast import EVERY, NEW, NS, POD, A, B, C, Cast, X, Y, labelled
from harness.isolation.catalogue.changes import add_namespace, add_pods, label_namespace, label_pod
from harness.isolation.policy import Direction, Peer, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector

INGRESS, EGRESS = DIRECTIONS
MARKED = labelled("marked", "yes")
UNMARKED = Selector(requirements=(Requirement("marked", Operator.DOES_NOT_EXIST),))
D = labelled(POD, "d")
ON_8081 = Rule(ports=(Port(Protocol.TCP, 8081),))


def cases() -> Iterator[Case]:
    """All cases of changes, in both directions."""
    for direction in DIRECTIONS:
        yield from _policies(direction)
        yield from _labels(direction)
        yield from _pods(direction)
        yield from _namespaces(direction)


def _policies(direction: Direction) -> Iterator[Case]:
    way = direction.lower()
    tcp, udp = Rule(ports=(Port(Protocol.TCP, 8080),)), Rule(ports=(Port(Protocol.UDP, "dns"),))
    from_b, from_y = Rule((Peer(pods=B),)), Rule((Peer(namespaces=Y),))
    other = EGRESS if direction is INGRESS else INGRESS
    updates: tuple[tuple[str, tuple[int, ...], tuple[Policy, Policy]], ...] = (
        ("its port", (10, 12, 19), (isolate(direction, tcp), isolate(direction, udp))),
        ("its peer", (8, 19), (isolate(direction, from_b), isolate(direction, from_y))),
        ("its pods", (1, 19), (isolate(direction, pods=A), isolate(direction, pods=C))),
        ("from allow all to deny all", (5, 19), (isolate(direction, Rule()), isolate(direction))),
        ("from deny all to allow all", (5, 19), (isolate(direction), isolate(direction, Rule()))),
        ("a rule more", (3, 19), (isolate(direction, tcp), isolate(direction, tcp, udp))),
        ("a rule less", (3, 19), (isolate(direction, tcp, from_b), isolate(direction, tcp))),
        ("to the other direction", (1, 7, 19), (isolate(direction), isolate(other))),
    )
    for words, points, (before, after) in updates:

        def updated(cast: Cast, before: Policy = before, after: Policy = after) -> list[World]:
            return [cast.world(before), cast.world(after)]

        yield case("actions", f"{way}: a policy is updated: {words}", points, updated)
    deny, allow = isolate(direction, pods=EVERY, name="deny"), isolate(direction, from_y, pods=EVERY, name="allow")

    def created_and_deleted(cast: Cast) -> list[World]:
        return [cast.world(), cast.world(deny), cast.world()]

    def stacked(cast: Cast) -> list[World]:
        return [cast.world(allow), cast.world(allow, deny), cast.world(deny), cast.world(deny, allow)]

    def created_again(cast: Cast) -> list[World]:
        return [cast.world(allow), cast.world(), cast.world(isolate(direction, tcp, pods=EVERY, name="allow"))]

    yield case("actions", f"{way}: a policy is created and deleted", (1, 19), created_and_deleted)
    yield case("actions", f"{way}: two policies come and go, one at a time", (3, 19), stacked)
    yield case("actions", f"{way}: a policy is deleted, another one created under its name", (3, 19), created_again)


def _labels(direction: Direction) -> Iterator[Case]:
    """A label that is set and removed moves a pod into and out of a selection, as a peer or as the pod isolated."""
    for words, policy, role, part in (
        (f"{toward(direction)} a pod", isolate(direction, Rule((Peer(MARKED, EVERY),))), "y", "b"),
        (f"{direction.lower()} of a pod", isolate(direction, pods=MARKED), "x", "a"),
    ):

        def marked(cast: Cast, policy: Policy = policy, role: str = role, part: str = part) -> list[World]:
            world = cast.world(policy)
            return [world, label_pod(world, cast.pod(role, part), {"marked": "yes"}), world]

        yield case("actions", f"{words} that gets the label, and loses it", (8, 9), marked)

    unmarked = isolate(direction, Rule((Peer(UNMARKED, EVERY),)))

    def excluded(cast: Cast) -> list[World]:
        world = cast.world(unmarked)
        changed = label_pod(world, cast.pod("x", "b"), {"marked": "no"})
        return [world, label_pod(changed, cast.pod("z", "c"), {"marked": "no"}), world]

    yield case("actions", f"{toward(direction)} pods without a label, which two get and lose", (8, 9), excluded)

    def value(cast: Cast) -> list[World]:
        world = cast.world(isolate(direction, Rule((Peer(MARKED, EVERY),))))
        pod = cast.pod("y", "c")
        return [label_pod(world, pod, {"marked": value}) for value in ("no", "yes", "no")]

    yield case("actions", f"{toward(direction)} a pod whose label changes its value", (8, 9), value)


def _pods(direction: Direction) -> Iterator[Case]:
    ends: tuple[tuple[str, Policy, str], ...] = (
        (f"{toward(direction)} a pod", isolate(direction, Rule((Peer(D, EVERY),))), "y"),
        (f"{direction.lower()} of a pod", isolate(direction, pods=D), "x"),
        (f"{direction.lower()} on 8081/TCP of every pod, and of one", isolate(direction, ON_8081, pods=EVERY), "x"),
    )
    for words, policy, role in ends:

        def made(cast: Cast, policy: Policy = policy, role: str = role) -> list[World]:
            world = cast.world(policy)
            return [world, add_pods(world, cast.newcomer(role, {POD: "d"})), world]

        yield case("actions", f"{words} that is created and deleted", (1, 8, 21), made)

    def before_its_policy(cast: Cast) -> list[World]:
        bare, pod = cast.world(), cast.newcomer("x", {POD: "d"})
        return [add_pods(bare, pod), add_pods(cast.world(isolate(direction, pods=D)), pod)]

    def as_another(cast: Cast) -> list[World]:
        world = cast.world(isolate(direction, Rule((Peer(D, EVERY),))))
        first, second = cast.newcomer("z", {POD: "d"}), cast.newcomer("z", {POD: "e"})
        return [add_pods(world, first), world, add_pods(world, second)]

    way = direction.lower()
    yield case("actions", f"{way} of a pod that is there before its policy", (1, 21), before_its_policy)
    yield case("actions", f"{toward(direction)} a pod that is made again without its label", (8, 21), as_another)


def _namespaces(direction: Direction) -> Iterator[Case]:
    marked = isolate(direction, Rule((Peer(namespaces=MARKED),)))

    def gets_the_label(cast: Cast) -> list[World]:
        world = cast.world(marked)
        return [world, label_namespace(world, cast.names["y"], {"marked": "yes"}), world]

    def comes_and_goes(cast: Cast) -> list[World]:
        world = cast.world(isolate(direction, Rule((Peer(namespaces=Y),))))
        empty = add_namespace(world, cast.names[NEW], {NS: "y"})
        pods = (cast.newcomer(NEW, {POD: part}, part) for part in ("a", "b"))
        return [world, empty, add_pods(empty, *pods), world]

    def isolates_its_own(cast: Cast) -> list[World]:
        empty = add_namespace(cast.bare, cast.names[NEW], {NS: NEW})
        grown = Cast(add_pods(empty, cast.newcomer(NEW, {POD: "a"}, "a")))
        policy = isolate(direction, Rule((Peer(namespaces=X),)), namespace=NEW, pods=EVERY)
        return [grown.world(), grown.world(policy), cast.world()]

    def with_a_pod(cast: Cast) -> list[World]:
        world = cast.world(isolate(direction, Rule(ports=(Port(Protocol.TCP, "alt"),)), pods=EVERY))
        empty = add_namespace(world, cast.names[NEW], {NS: NEW})
        return [world, add_pods(empty, cast.newcomer(NEW, {POD: "a"}, "a")), empty, world]

    def is_empty(cast: Cast) -> list[World]:
        grown = Cast(add_namespace(cast.bare, cast.names[NEW], {NS: NEW}))
        return [grown.world(isolate(direction, namespace=NEW, pods=EVERY)), cast.world()]

    way = direction.lower()
    yield case("actions", f"{toward(direction)} a namespace that gets the label, and loses it", (8, 9), gets_the_label)
    yield case("actions", f"{toward(direction)} a namespace that is created and deleted", (8, 21), comes_and_goes)
    yield case("actions", f"{way} of a namespace that is created with a policy of its own", (4, 21), isolates_its_own)
    yield case(
        "actions", f"{way} on alt/TCP, while a namespace and its pod come, and go one by one", (12, 21), with_a_pod
    )
    yield case("actions", f"{way} denied in a namespace without pods: nobody", (4,), is_empty, inert=True)
