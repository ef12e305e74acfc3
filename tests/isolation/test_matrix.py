"""Cells: which are asked, what a probe shows of one, and how that stands to what was expected."""

import pytest

from harness.isolation.matrix import (
    Cell,
    Compared,
    Control,
    Seen,
    Standing,
    State,
    answering,
    asker_for,
    cells_of,
    classify,
    compare,
    controls_of,
    count,
)
from harness.isolation.oracle import Oracle
from harness.isolation.policy import Direction, Policy
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import External, Namespace, Node, Pod, Service, ServicePort, Source, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector
from harness.prober.client import Outcome, Target
from harness.prober.client import Verdict as Probed
from harness.reason import Reason

TCP, UDP = Protocol.TCP, Protocol.UDP
NODE, OTHER_NODE = Node("node1", "192.168.0.1"), Node("node2", "192.168.0.2")
OUTSIDE = External("203.0.113.10")
WEB = Pod("shop", "web", "10.0.0.1", {"app": "web"})
API = Pod("shop", "api", "10.0.0.2", {"app": "api", "tier": "back"})
DB = Pod("shop", "db", "10.0.0.3", {"app": "db", "tier": "back"})
AGENT = Pod("shop", "agent", NODE.address, host_network=True)
BACK = Service("shop", "back", "10.96.0.1", {"tier": "back"}, (ServicePort(80, 8080), ServicePort(53, 53, UDP)))
DENY_DB = Policy("shop", "db", Selector((("app", "db"),)), types=(Direction.INGRESS,), at="db.yaml:1")
WORLD = World((Namespace("shop"),), (WEB, API, DB, AGENT), (DENY_DB,), (BACK,), (NODE, OTHER_NODE), (OUTSIDE,))
CELL = Cell(WEB, DB, 8080)


def met(outcome: Outcome, pod: str = "", detail: str = "") -> Probed:
    return Probed(Target(DB.address, 8080), outcome, pod, 0.25, detail)


ANSWERS = met(Outcome.CONNECTED, "db")
SILENT = met(Outcome.TIMED_OUT)
REJECTED = met(Outcome.REJECTED)
REFUSED = met(Outcome.REFUSED)


def seen(probe: Probed, *controls: Probed | None, cell: Cell = CELL, lives: bool = True, greets: bool = True) -> Seen:
    names = [one.name for one, _ in answering(WORLD, cell) if isinstance(one, Pod)]
    return classify(cell, probe, controls, names=names, source_lives=lives, greets=greets)


# ---------------------------------------------------------------------------------------------------------- classifying


@pytest.mark.parametrize("probe", [SILENT, REJECTED])
def test_silence_and_a_prohibition_are_a_denial_where_the_destination_answers_its_control(probe: Probed) -> None:
    assert seen(probe, ANSWERS).state is State.DENIED


def test_silence_is_a_denial_too_where_nobody_listens_but_the_control_is_refused() -> None:
    assert seen(SILENT, REFUSED).state is State.DENIED


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.NO_ROUTE, Outcome.REJECTED, Outcome.COULD_NOT_RUN])
def test_silence_is_unknown_where_the_control_fails_too_and_says_so(outcome: Outcome) -> None:
    found = seen(SILENT, met(outcome, detail="EHOSTUNREACH"))

    assert found.state is State.UNKNOWN
    assert found.why == f"timed_out, but its control fails, too: 10.0.0.3:8080 {outcome} EHOSTUNREACH"


def test_silence_is_unknown_where_one_of_several_backends_fails_its_control() -> None:
    assert seen(SILENT, ANSWERS, SILENT).state is State.UNKNOWN


@pytest.mark.parametrize("controls", [(), (None,), (ANSWERS, None)])
def test_silence_is_unknown_where_somebody_who_would_answer_cannot_be_asked(controls: tuple[Probed | None]) -> None:
    found = seen(SILENT, *controls)

    assert found.state is State.UNKNOWN
    assert "nothing can ask the destination whether it lives" in found.why


def test_silence_is_unknown_where_the_source_reaches_nothing() -> None:
    found = seen(SILENT, ANSWERS, lives=False)

    assert found.state is State.UNKNOWN
    assert "the source reached nothing at all" in found.why


def test_a_connection_is_allowed_whatever_the_controls_say() -> None:
    assert seen(ANSWERS, SILENT, lives=False) == Seen(State.ALLOWED, "connected, by db", 0.25, "db")


def test_a_connection_that_another_pod_answers_is_unknown() -> None:
    found = seen(met(Outcome.CONNECTED, "api"), ANSWERS)

    assert (found.state, found.why) == (State.UNKNOWN, "connected, but by pod api in its place")


def test_any_backend_may_answer_for_a_service_and_nobody_else() -> None:
    assert seen(met(Outcome.CONNECTED, "api"), ANSWERS, cell=Cell(WEB, BACK, 80)).state is State.ALLOWED

    found = seen(met(Outcome.CONNECTED, "web"), ANSWERS, cell=Cell(WEB, BACK, 80))
    assert (found.state, found.why) == (State.UNKNOWN, "connected, but by pod web in its place")


def test_a_foreign_backend_that_says_no_name_may_answer_for_a_service() -> None:
    assert seen(met(Outcome.CONNECTED), ANSWERS, cell=Cell(WEB, BACK, 80)).state is State.ALLOWED


@pytest.mark.parametrize("probe", [REFUSED, met(Outcome.RESET)])
def test_refused_and_reset_show_that_it_was_reached_where_nobody_listens(probe: Probed) -> None:
    found = seen(probe, REFUSED)

    assert found.state is State.ALLOWED
    assert "nobody listens" in found.why


def test_refused_is_unknown_where_the_control_finds_a_listener() -> None:
    found = seen(REFUSED, ANSWERS)

    assert (found.state, found.why) == (State.UNKNOWN, "refused, though the destination answers its control")


@pytest.mark.parametrize("outcome", [Outcome.NO_ROUTE, Outcome.DNS_FAILED, Outcome.COULD_NOT_RUN])
def test_what_neither_arrived_nor_fell_silent_is_unknown(outcome: Outcome) -> None:
    assert seen(met(outcome, detail="why"), ANSWERS) == Seen(State.UNKNOWN, f"{outcome} (why)", 0.25)


def test_a_protocol_that_the_kernel_lacks_is_untested() -> None:
    assert seen(met(Outcome.UNTESTED, detail="socket"), None, lives=False).state is State.UNTESTED


def test_a_silent_datagram_to_a_foreign_listener_is_untested_but_to_ours_unknown() -> None:
    cell = Cell(WEB, DB, 53, UDP)

    assert seen(SILENT, SILENT, cell=cell, greets=False).state is State.UNTESTED
    assert seen(SILENT, SILENT, cell=cell, greets=True).state is State.UNKNOWN


def test_a_silent_datagram_to_a_foreign_listener_that_is_spoken_to_in_dns_is_unknown() -> None:
    query = Probed(Target(DB.address, 53, UDP, "dns"), Outcome.TIMED_OUT)

    found = seen(query, query, cell=Cell(WEB, DB, 53, UDP), greets=False)

    assert (found.state, found.why) == (State.UNKNOWN, "timed_out, but its control fails, too: 10.0.0.3:53 timed_out")


@pytest.mark.parametrize("control", [SILENT, ANSWERS])
def test_a_silent_datagram_of_a_source_that_reaches_nothing_is_unknown_whoever_listens(control: Probed) -> None:
    assert seen(SILENT, control, cell=Cell(WEB, DB, 53, UDP), greets=False, lives=False).state is State.UNKNOWN


def test_a_silent_datagram_to_a_foreign_listener_that_answers_its_control_is_a_denial() -> None:
    assert seen(SILENT, ANSWERS, cell=Cell(WEB, DB, 53, UDP), greets=False).state is State.DENIED


# ------------------------------------------------------------------------------------------------------------ comparing


@pytest.mark.parametrize(
    ("expected", "state", "standing"),
    [
        (Verdict.ALLOW, State.ALLOWED, Standing.CONFORMS),
        (Verdict.DENY, State.DENIED, Standing.CONFORMS),
        (Verdict.ALLOW, State.DENIED, Standing.DEVIATES),
        (Verdict.DENY, State.ALLOWED, Standing.DEVIATES),
        (Verdict.ALLOW, State.UNKNOWN, Standing.UNKNOWN),
        (Verdict.DENY, State.UNKNOWN, Standing.UNKNOWN),
        (Verdict.DENY, State.UNTESTED, Standing.UNTESTED),
        (Verdict.UNDEFINED, State.UNTESTED, Standing.UNTESTED),
        (Verdict.UNDEFINED, State.DENIED, Standing.UNDEFINED),
        (Verdict.UNDEFINED, State.UNKNOWN, Standing.UNDEFINED),
        (Verdict.MIXED, State.ALLOWED, Standing.UNDEFINED),
        (Verdict.MIXED, State.DENIED, Standing.UNDEFINED),
        (Verdict.MIXED, State.UNKNOWN, Standing.UNKNOWN),
        (Verdict.MIXED, State.UNTESTED, Standing.UNTESTED),
    ],
)
def test_how_what_was_seen_stands_to_what_was_expected(expected: Verdict, state: State, standing: Standing) -> None:
    assert Compared(CELL, Decision(expected), Seen(state, "")).standing is standing


def test_a_compared_cell_says_what_was_expected_and_why_and_what_was_seen() -> None:
    compared = Compared(CELL, Decision(Verdict.DENY, (Reason("by policy db", "db.yaml:1"),)), Seen(State.ALLOWED, "ok"))

    assert str(compared) == ("shop/web -> shop/db TCP 8080: expected deny: by policy db (db.yaml:1); seen: allowed, ok")


def test_each_cell_is_compared_with_what_the_oracle_says_of_it() -> None:
    allowed, denied = Cell(WEB, API, 8080), CELL

    found = compare(Oracle(WORLD), {allowed: Seen(State.DENIED, ""), denied: Seen(State.DENIED, "")})

    assert [(one.cell, one.standing) for one in found] == [(allowed, Standing.DEVIATES), (denied, Standing.CONFORMS)]
    assert next(reason.at for reason in found[1].expected.reasons) == "db.yaml:1"


@pytest.mark.parametrize(
    ("pod", "standing"), [("api", Standing.CONFORMS), ("db", Standing.DEVIATES), ("", Standing.UNDEFINED)]
)
def test_a_service_whose_backends_differ_is_judged_by_the_one_that_answered(pod: str, standing: Standing) -> None:
    [found] = compare(Oracle(WORLD), {Cell(WEB, BACK, 80): Seen(State.ALLOWED, "connected", pod=pod)})

    assert found.standing is standing


def test_a_backend_that_must_not_answer_and_did_is_told_with_the_policy_that_isolates_it() -> None:
    [found] = compare(Oracle(WORLD), {Cell(WEB, BACK, 80): Seen(State.ALLOWED, "connected", pod="db")})

    assert found.expected.verdict is Verdict.DENY
    assert "db.yaml:1" in str(found)


def test_counting_has_every_standing() -> None:
    found = [Compared(CELL, Decision(Verdict.DENY), Seen(state, "")) for state in (State.DENIED, State.DENIED)]

    assert count(found) == {**dict.fromkeys(Standing, 0), Standing.CONFORMS: 2}


# ---------------------------------------------------------------------------------------------------------- which cells


def test_cells_are_every_source_to_every_destination_a_service_on_its_own_ports() -> None:
    found = list(cells_of((WEB, NODE), (DB, BACK), (8080, 8081), (TCP, UDP)))

    assert len(set(found)) == len(found) == 2 * (2 * 2 + 2)
    assert {(cell.port, cell.protocol) for cell in found if cell.destination == BACK} == {(80, TCP), (53, UDP)}


def test_a_protocol_that_is_not_asked_takes_the_services_ports_with_it() -> None:
    assert [cell.port for cell in cells_of((WEB,), (BACK,), (8080,), (TCP,))] == [80]


def test_between_nodes_and_addresses_outside_and_pods_on_their_network_there_is_no_cell() -> None:
    bare = (NODE, OUTSIDE, AGENT)

    assert list(cells_of(bare, bare, (8080,), (TCP,))) == []
    assert len(list(cells_of(bare, (WEB,), (8080,), (TCP,)))) == 3
    assert len(list(cells_of((WEB,), bare, (8080,), (TCP,)))) == 3


def test_a_pod_that_was_relabelled_asks_another_cell_that_is_found_in_the_same_place() -> None:
    relabelled = Pod("shop", "web", "10.0.0.1", {"app": "other"})

    assert hash(Cell(relabelled, DB, 8080)) == hash(CELL)
    assert Cell(relabelled, DB, 8080) != CELL


# ------------------------------------------------------------------------------------------------------------- controls


def test_a_destination_is_asked_by_its_node_and_by_itself_where_that_has_no_prober() -> None:
    assert asker_for(DB, {DB.id: DB, NODE.id: NODE}) is NODE
    assert asker_for(DB, {NODE.id: NODE, OTHER_NODE.id: OTHER_NODE}) is NODE
    assert asker_for(DB, {DB.id: DB, OTHER_NODE.id: OTHER_NODE}) is DB
    assert asker_for(NODE, {NODE.id: NODE}) is NODE
    assert asker_for(OUTSIDE, {OUTSIDE.id: OUTSIDE, NODE.id: NODE}) is OUTSIDE


def test_nobody_asks_a_pod_of_a_node_without_a_prober_or_an_address_outside() -> None:
    assert asker_for(DB, {OTHER_NODE.id: OTHER_NODE, WEB.id: WEB}) is None
    assert asker_for(OUTSIDE, {NODE.id: NODE}) is None


def test_who_answers_for_a_service_is_each_of_its_backends_on_its_own_port() -> None:
    assert list(answering(WORLD, Cell(WEB, BACK, 80))) == [(API, 8080), (DB, 8080)]
    assert list(answering(WORLD, Cell(WEB, BACK, 53))) == []  # it has no such TCP port
    assert list(answering(WORLD, CELL)) == [(DB, 8080)]


def test_the_control_of_a_cell_asks_who_would_answer_it_or_is_none_where_nobody_can_ask() -> None:
    probed: dict[str, Source] = {API.id: API, NODE.id: NODE}

    assert controls_of(WORLD, CELL, probed) == [Control(NODE, DB, 8080, TCP)]
    assert controls_of(WORLD, Cell(WEB, API, 8080), {API.id: API}) == [Control(API, API, 8080, TCP)]
    assert controls_of(WORLD, Cell(WEB, OUTSIDE, 80), probed) == [None]


def test_the_controls_of_a_service_are_those_of_its_backends_and_their_node_that_asks_its_own_address() -> None:
    assert controls_of(WORLD, Cell(WEB, BACK, 80), {API.id: API, NODE.id: NODE}) == [
        Control(NODE, API, 8080, TCP),
        Control(NODE, DB, 8080, TCP),
        Control(NODE, BACK, 80, TCP),
    ]
    assert controls_of(WORLD, Cell(WEB, BACK, 80), {API.id: API, DB.id: DB})[-1] is None
    assert controls_of(WORLD, Cell(WEB, BACK, 81), {NODE.id: NODE}) == []  # nobody would answer
