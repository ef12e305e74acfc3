"""Looking at cells: rounds of probes and controls, on probers whose network is a table here, and on real agents."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace

import pytest

from harness.errors import ProbeError
from harness.isolation.matrix import Cell, Seen, Standing, State
from harness.isolation.observe import LONGEST_SILENCE, SILENCE_SECONDS, SURE_SILENCE, Observer
from harness.isolation.policy import Direction, Policy
from harness.isolation.world import ContainerPort, External, Foreign, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector
from harness.prober import agent
from harness.prober.client import Outcome, Prober, Target
from harness.prober.client import Verdict as Probed
from harness.prober.stream import AgentStream, LocalChannel

TCP, UDP = Protocol.TCP, Protocol.UDP
PORTS = (ContainerPort(8080), ContainerPort(8080, UDP))
WEB = Pod("shop", "web", "10.0.0.1", {"app": "web"}, PORTS)
DB = Pod("shop", "db", "10.0.0.2", {"app": "db"}, PORTS)
DNS = Pod("shop", "dns", "10.0.0.3", {"app": "dns"}, (ContainerPort(53, UDP),))
NODE = Node("node1", "192.168.0.1")
OUTSIDE = External("203.0.113.10")
DENY_DB = Policy("shop", "db", Selector((("app", "db"),)), types=(Direction.INGRESS,))
WORLD = World((Namespace("shop"),), (WEB, DB), (DENY_DB,), nodes=(NODE,))
DENIED = Cell(WEB, DB, 8080)
ALLOWED = Cell(DB, WEB, 8080)


@dataclass
class Network:
    """What every connection comes to: as ``answer`` says, by source and target; by default the listener's name.

    ``rounds`` are what was asked, ``silences`` how long silence was waited for.
    """

    names: Mapping[str, str]
    answer: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    rounds: list[tuple[str, Sequence[Target]]] = field(default_factory=list)
    silences: list[float] = field(default_factory=list)

    def probe(self, source: str, targets: Sequence[Target], silence: float) -> list[Probed]:
        self.rounds.append((source, tuple(targets)))
        self.silences.append(silence)
        return [self._verdict(source, target) for target in targets]

    def _verdict(self, source: str, target: Target) -> Probed:
        outcome = self.answer.get((source, target.address), Outcome.CONNECTED)
        return Probed(target, outcome, self.names.get(target.address, "") if outcome is Outcome.CONNECTED else "")


class Scripted(Prober):
    """A prober in a network that is a table. One that is ``broken`` gives no verdicts."""

    def __init__(self, network: Network, source: str, broken: str = "") -> None:
        super().__init__(self._never, "", source)
        self.network = network
        self.source = source
        self.broken = broken
        self._round: tuple[Sequence[Target], float] = ((), 0.0)

    @staticmethod
    def _never() -> AgentStream:
        raise AssertionError("it has no stream")

    @property
    def is_open(self) -> bool:
        return True

    def begin(self, targets: Sequence[Target], deadline_s: float = 1.0) -> None:
        self._round = (targets, deadline_s)

    def finish(self) -> list[Probed]:
        if self.broken:
            raise ProbeError(self.broken)
        return self.network.probe(self.source, *self._round)


@pytest.fixture
def network() -> Network:
    """One that does as the policies of the world say."""
    names = {pod.address: pod.name for pod in (WEB, DB, DNS)}
    return Network(names, {(WEB.id, DB.address): Outcome.TIMED_OUT})


def observer(
    network: Network,
    world: World = WORLD,
    probed: Sequence[str] = (WEB.id, DB.id),
    untested: Mapping[str, str] | None = None,
    **broken: str,
) -> Observer:
    """Eyes on a world, with scripted probers at ``probed``; ``broken`` are names of pods and why theirs are."""
    probers = {one: Scripted(network, one, broken.get(one.rpartition("/")[2], "")) for one in probed}
    return Observer(world, probers, [WEB.id, DB.id], untested)


def look(eyes: Observer, *cells: Cell) -> list[Seen]:
    return list(eyes.look(cells).values())


# -------------------------------------------------------------------------------------------------------------- a round


def test_a_cell_is_seen_with_its_control_in_one_round(network: Network) -> None:
    denied, allowed = look(observer(network), DENIED, ALLOWED)

    assert (denied.state, allowed.state) == (State.DENIED, State.ALLOWED)
    assert len(network.rounds) == 2  # one for each prober
    asked = {source: {target.address for target in targets} for source, targets in network.rounds}
    assert asked == {WEB.id: {DB.address, WEB.address}, DB.id: {WEB.address, DB.address}}


def test_a_destination_without_a_prober_is_asked_by_its_node(network: Network) -> None:
    [denied] = look(observer(network, probed=(WEB.id, NODE.id)), DENIED)

    assert denied.state is State.DENIED
    assert (NODE.id, (Target(DB.address, 8080),)) in network.rounds


def test_a_destination_that_does_not_answer_its_control_is_unknown(network: Network) -> None:
    network.answer[DB.id, DB.address] = Outcome.TIMED_OUT

    [seen] = look(observer(network), DENIED)

    assert seen.state is State.UNKNOWN
    assert "its control fails, too" in seen.why


def test_a_destination_that_nobody_can_ask_is_unknown(network: Network) -> None:
    [seen] = look(observer(network, probed=(WEB.id,)), DENIED)

    assert seen.state is State.UNKNOWN
    assert "nothing can ask the destination" in seen.why


def test_a_destination_whose_prober_broke_is_unknown(network: Network) -> None:
    [seen] = look(observer(network, db="the stream broke"), DENIED)

    assert seen.state is State.UNKNOWN


def test_a_source_whose_prober_broke_makes_all_its_cells_unknown_with_its_words(network: Network) -> None:
    denied, allowed = look(observer(network, web="the stream broke"), DENIED, ALLOWED)

    assert denied == Seen(State.UNKNOWN, "the stream broke")
    assert allowed.state is State.ALLOWED


def test_a_source_without_a_prober_is_unknown_or_untested_where_that_is_known_before(network: Network) -> None:
    assert look(observer(network, probed=(DB.id,)), DENIED) == [Seen(State.UNKNOWN, "there is no prober at the source")]
    assert look(observer(network, probed=(DB.id,), untested={WEB.id: "it has no Python"}), DENIED) == [
        Seen(State.UNTESTED, "it has no Python")
    ]


def test_a_source_whose_prober_could_not_be_opened_is_unknown_and_says_why(network: Network) -> None:
    eyes = Observer(WORLD, {DB.id: Scripted(network, DB.id)}, [DB.id], failed={WEB.id: "exec was refused"})

    assert look(eyes, DENIED) == [Seen(State.UNKNOWN, "exec was refused")]


def test_a_source_that_reaches_not_even_itself_is_denied_nothing(network: Network) -> None:
    network.answer[WEB.id, WEB.address] = Outcome.TIMED_OUT

    [seen] = look(observer(network), DENIED)

    assert seen.state is State.UNKNOWN
    assert "the source reached nothing at all" in seen.why


def test_a_source_that_may_reach_somebody_must_reach_somebody_else_than_itself(network: Network) -> None:
    other = Pod("shop", "other", "10.0.0.4", {"app": "other"}, PORTS)
    world = replace(WORLD, pods=(WEB, DB, other))
    network.answer[WEB.id, other.address] = Outcome.TIMED_OUT
    eyes = observer(network, world, probed=(WEB.id, DB.id, other.id))

    denied, _ = look(eyes, DENIED, Cell(WEB, other, 8080))
    assert denied.state is State.UNKNOWN

    network.answer[WEB.id, other.address] = Outcome.REFUSED  # which shows as well that it gets out
    denied, _ = look(eyes, DENIED, Cell(WEB, other, 8080))
    assert denied.state is State.DENIED


def test_a_node_and_a_pod_on_its_network_that_share_a_prober_ask_in_one_round(network: Network) -> None:
    shared = Scripted(network, NODE.id)
    host = Pod("shop", "host", NODE.address, host_network=True)
    world = replace(WORLD, pods=(*WORLD.pods, host))
    eyes = Observer(world, {NODE.id: shared, host.id: shared}, [DB.id])

    seen = eyes.look([Cell(NODE, DB, 8080), Cell(host, DB, 8081)])

    assert [one.state for one in seen.values()] == [State.ALLOWED, State.ALLOWED]
    [(_, targets)] = network.rounds
    assert {target.port for target in targets if target.address == DB.address} == {8080, 8081}


# -------------------------------------------------------------------------------------------------------- what is asked


def test_a_foreign_listener_on_port_53_is_asked_in_its_own_language_and_ours_is_not(network: Network) -> None:
    service = Service("shop", "dns", "10.96.0.10", {"app": "dns"}, (ServicePort(5300, 53, UDP),))
    world = replace(WORLD, pods=(WEB, DB, DNS), services=(service,))
    cells = [Cell(WEB, DNS, 53, UDP), Cell(WEB, service, 5300, UDP), Cell(WEB, DNS, 54, UDP), Cell(WEB, DB, 53, UDP)]

    observer(network, world).look(cells)

    asked = {target: target.speaks for source, targets in network.rounds for target in targets if source == WEB.id}
    assert asked[Target(DNS.address, 53, UDP, "dns")] == "dns"
    assert asked[Target(service.address, 5300, UDP, "dns")] == "dns"
    assert asked[Target(DNS.address, 54, UDP)] == ""
    assert asked[Target(DB.address, 53, UDP)] == ""


def test_a_service_is_judged_by_the_controls_of_all_its_backends(network: Network) -> None:
    service = Service("shop", "both", "10.96.0.9", {"tier": "back"}, (ServicePort(80, 8080),))
    one, other = (Pod("shop", name, f"10.0.1.{at}", {"tier": "back"}, PORTS) for at, name in enumerate(("a", "b")))
    deny = Policy("shop", "back", Selector((("tier", "back"),)), types=(Direction.INGRESS,))
    world = replace(WORLD, pods=(WEB, one, other), policies=(deny,), services=(service,))
    network.answer[WEB.id, service.address] = Outcome.TIMED_OUT
    cell = Cell(WEB, service, 80)

    probed = (WEB.id, one.id, other.id, NODE.id)

    assert look(observer(network, world, probed), cell)[0].state is State.DENIED
    network.answer[NODE.id, other.address] = Outcome.NO_ROUTE
    assert look(observer(network, world, probed), cell)[0].state is State.UNKNOWN


def test_a_service_that_answers_not_even_the_node_of_its_backends_is_denied_to_nobody(network: Network) -> None:
    service = Service("shop", "db", "10.96.0.9", {"app": "db"}, (ServicePort(80, 8080),))
    world = replace(WORLD, services=(service,))
    network.answer |= {(WEB.id, service.address): Outcome.TIMED_OUT, (NODE.id, service.address): Outcome.TIMED_OUT}
    eyes = observer(network, world, (WEB.id, DB.id, NODE.id))

    [seen] = look(eyes, Cell(WEB, service, 80))
    assert seen.state is State.UNKNOWN
    assert "but its control fails, too: 10.96.0.9:80" in seen.why

    del network.answer[NODE.id, service.address]
    assert look(eyes, Cell(WEB, service, 80))[0].state is State.DENIED


def test_a_service_that_another_pod_answers_than_a_backend_is_unknown(network: Network) -> None:
    service = Service("shop", "web", "10.96.0.9", {"app": "web"}, (ServicePort(80, 8080),))
    names = {**network.names, service.address: "db"}
    eyes = observer(Network(names), replace(WORLD, services=(service,)), (WEB.id, DB.id, NODE.id))

    [seen] = look(eyes, Cell(DB, service, 80))

    assert (seen.state, seen.why) == (State.UNKNOWN, "connected, but by pod db in its place")


def test_what_a_service_says_for_one_protocol_is_not_taken_for_another(network: Network) -> None:
    ports = (ServicePort(53, 8080), ServicePort(53, 53, UDP))
    service = Service("shop", "dns", "10.96.0.10", {"app": "dns"}, ports)
    world = replace(WORLD, pods=(WEB, replace(DNS, ports=(*DNS.ports, ContainerPort(8080)))), services=(service,))

    observer(network, world, (WEB.id,)).look([Cell(WEB, service, 53, UDP)])

    [(_, targets)] = network.rounds
    assert Target(service.address, 53, UDP, "dns") in targets


def test_a_datagram_to_a_foreign_listener_that_stays_silent_proves_nothing(network: Network) -> None:
    world = replace(WORLD, pods=(WEB, DNS), policies=())
    network.answer |= {(WEB.id, DNS.address): Outcome.TIMED_OUT, (NODE.id, DNS.address): Outcome.TIMED_OUT}

    [seen] = look(observer(network, world, (WEB.id, NODE.id)), Cell(WEB, DNS, 5353, UDP))

    assert seen.state is State.UNTESTED

    network.answer[WEB.id, WEB.address] = Outcome.TIMED_OUT  # nor does a source that is cut off
    [seen] = look(observer(network, world, (WEB.id, NODE.id)), Cell(WEB, DNS, 5353, UDP))
    assert seen.state is State.UNKNOWN


def test_on_a_node_ours_listens_on_its_own_ports_and_another_may_take_a_datagram_on_others(network: Network) -> None:
    network.answer |= {(WEB.id, NODE.address): Outcome.TIMED_OUT, (NODE.id, NODE.address): Outcome.TIMED_OUT}
    probers = {one: Scripted(network, one) for one in (WEB.id, DNS.id, NODE.id)}
    eyes = Observer(replace(WORLD, pods=(*WORLD.pods, DNS)), probers, [WEB.id, DNS.id, NODE.id])

    [ours] = look(eyes, Cell(WEB, NODE, 8080, UDP))
    [another] = look(eyes, Cell(WEB, NODE, 5353, UDP))

    assert (ours.state, another.state) == (State.UNKNOWN, State.UNTESTED)


def test_a_name_server_that_answers_nobody_is_unknown(network: Network) -> None:
    world = replace(WORLD, pods=(WEB, DNS), policies=())
    network.answer |= {(WEB.id, DNS.address): Outcome.TIMED_OUT, (NODE.id, DNS.address): Outcome.TIMED_OUT}

    [seen] = look(observer(network, world, (WEB.id, NODE.id)), Cell(WEB, DNS, 53, UDP))

    assert seen.state is State.UNKNOWN


# ------------------------------------------------------------------------------------------------------------- settling


def test_a_world_that_agrees_at_once_is_looked_at_once(network: Network) -> None:
    settled = observer(network).settle([DENIED, ALLOWED], seconds=60)

    assert settled.agreed
    assert settled.rounds == 1
    assert {one.standing for one in settled.compared} == {Standing.CONFORMS}


def test_a_source_that_is_denied_everything_shows_that_its_network_works_by_another_way_out(network: Network) -> None:
    eyes = observer(network, replace(WORLD, pods=(*WORLD.pods, DNS)), (WEB.id, DB.id, DNS.id))
    eyes._greeting |= {DNS.id}

    assert [one.state for one in look(eyes, DENIED)] == [State.DENIED]
    assert (WEB.id, DNS.address) in {(source, one.address) for source, asked in network.rounds for one in asked}

    network.answer[WEB.id, DNS.address] = Outcome.TIMED_OUT
    [seen] = look(eyes, DENIED)
    assert seen.state is State.UNKNOWN
    assert "the source reached nothing at all" in seen.why


def test_what_is_denied_is_asked_once_more_for_longer_than_a_lost_packet_takes(network: Network) -> None:
    class Lossy(Network):
        """A network that lost the first packet of a connection that nobody denies; its world says that it is denied."""

        def _verdict(self, source: str, target: Target) -> Probed:
            found = super()._verdict(source, target)
            late = (source, target.address) == (WEB.id, DB.address) and self.silences[-1] > 1
            return replace(found, outcome=Outcome.CONNECTED) if late else found

    lossy = Lossy(network.names, network.answer)

    assert observer(lossy).settle([DENIED], seconds=0.0).agreed
    settled = observer(lossy).settle([DENIED], seconds=0.0, sure=True)

    assert [(one.cell, one.standing) for one in settled.wrong] == [(DENIED, Standing.DEVIATES)]


def test_a_destination_that_stalls_in_the_round_that_makes_sure_is_asked_again(network: Network) -> None:
    class Stalling(Network):
        """A network in which the first long round meets a destination that answers nobody."""

        def _verdict(self, source: str, target: Target) -> Probed:
            found = super()._verdict(source, target)
            rounds = self.silences.count(SURE_SILENCE) / 2  # of two probers each
            stalls = target.address == DB.address and self.silences[-1] == SURE_SILENCE and rounds <= 1
            return replace(found, outcome=Outcome.TIMED_OUT, pod="") if stalls else found

    stalling = Stalling(network.names, network.answer)
    settled = observer(stalling).settle([DENIED], seconds=60, sure=True)

    assert settled.agreed
    assert settled.again == [DENIED]
    assert stalling.silences[-1] == SURE_SILENCE


def test_what_was_let_through_before_it_was_denied_is_told(network: Network) -> None:
    settled = observer(Late(network.names)).settle([DENIED, ALLOWED], seconds=60)

    assert settled.leaked == [DENIED]
    assert settled.notes == [f"let through at first, and denied afterwards: {DENIED}"]
    assert observer(network).settle([DENIED, ALLOWED], seconds=60).notes == []


class Late(Network):
    """A network whose policies hold from the fifth question on."""

    def probe(self, source: str, targets: Sequence[Target], silence: float) -> list[Probed]:
        if len(self.rounds) > 3:
            self.answer[WEB.id, DB.address] = Outcome.TIMED_OUT
        return super().probe(source, targets, silence)


def test_only_what_disagrees_is_asked_again_and_at_the_end_all_of_it(network: Network) -> None:
    late = Late(network.names)

    settled = observer(late).settle([DENIED, ALLOWED], seconds=60)

    assert settled.agreed
    assert settled.rounds > 2
    assert settled.again == [DENIED]
    again, last = late.rounds[2:4], late.rounds[-2:]
    assert {target.address for source, targets in again for target in targets if source == DB.id} == {DB.address}
    assert {target.address for source, targets in last for target in targets if source == DB.id} == {
        DB.address,
        WEB.address,
    }


def test_what_stays_wrong_is_given_up_when_the_time_is_over_and_named(network: Network) -> None:
    network.answer.clear()

    settled = observer(network).settle([DENIED, ALLOWED], seconds=0.05)

    assert not settled.agreed
    assert [(one.cell, one.standing) for one in settled.wrong] == [(DENIED, Standing.DEVIATES)]
    assert len(settled.compared) == 2
    assert settled.seconds >= 0.05


def test_what_stays_unknown_does_not_agree(network: Network) -> None:
    settled = observer(network, web="broken").settle([DENIED, ALLOWED], seconds=0.0)

    assert not settled.agreed
    assert [one.standing for one in settled.wrong] == [Standing.UNKNOWN]


def test_a_slow_answer_is_given_more_time_each_round_up_to_a_second(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of its own, which ten rounds take a second of: a busy machine has no fewer of them."""
    monkeypatch.setattr("harness.isolation.observe.time", SimpleNamespace(monotonic=count(0.0, 0.1).__next__))
    network.answer[DB.id, WEB.address] = Outcome.TIMED_OUT
    network.answer[WEB.id, DB.address] = Outcome.CONNECTED

    observer(network).settle([ALLOWED], seconds=1.0)

    assert network.silences[0] == SILENCE_SECONDS
    assert sorted(network.silences) == network.silences
    assert network.silences[-1] == LONGEST_SILENCE


class Slow(Network):
    """A network whose answers take longer than a first round waits."""

    def _verdict(self, source: str, target: Target) -> Probed:
        found = super()._verdict(source, target)
        return found if self.silences[-1] > 3 * SILENCE_SECONDS else replace(found, outcome=Outcome.TIMED_OUT)


def test_what_answers_slowly_is_confirmed_in_a_round_that_waits_as_long(network: Network) -> None:
    assert observer(Slow(network.names)).settle([ALLOWED], seconds=60).agreed


def test_a_cell_that_kubernetes_leaves_undefined_is_never_wrong(network: Network) -> None:
    hairpin = Service("shop", "web", "10.96.0.9", {"app": "web"}, (ServicePort(80, 8080),))
    world = replace(WORLD, services=(hairpin,))
    network.answer[WEB.id, hairpin.address] = Outcome.TIMED_OUT

    settled = observer(network, world).settle([Cell(WEB, hairpin, 80)], seconds=0.0)

    assert settled.agreed
    assert [one.standing for one in settled.compared] == [Standing.UNDEFINED]


def test_what_the_oracle_leaves_undefined_is_asked_again_until_it_is_as_wanted(network: Network) -> None:
    """A policy that has no model, and which holds from the fifth question on."""
    late = Late(network.names)
    eyes = observer(late, replace(WORLD, foreign=(Foreign("theirs"),)))

    settled = eyes.settle([DENIED], seconds=60, wanted={DENIED: State.DENIED})

    assert [(one.standing, one.seen.state) for one in settled.compared] == [(Standing.UNDEFINED, State.DENIED)]
    assert settled.again == [DENIED]
    assert settled.agreed


def test_what_never_becomes_as_wanted_is_given_up_and_no_deviation(network: Network) -> None:
    eyes = observer(network, replace(WORLD, foreign=(Foreign("theirs"),)))

    settled = eyes.settle([DENIED], seconds=0.05, wanted={DENIED: State.ALLOWED})

    assert settled.seconds >= 0.05
    assert settled.agreed


# ---------------------------------------------------------------------------------------------------------- real agents

HERE, THERE = "127.0.0.2", "127.0.0.3"


@pytest.fixture
def real() -> Iterator[Callable[[str], Prober]]:
    """Real agents, each a process of this machine."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-u", agent.__file__, "drive"]

    def start() -> AgentStream:
        return AgentStream(LocalChannel(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)), "here")

    with ExitStack() as closing:
        yield lambda name: closing.enter_context(Prober(start, "", name))


@pytest.fixture
def listening() -> Iterator[Callable[[str, str, int], int]]:
    """Listens for TCP as a pod of a name on an address, and a port that is free or given; the port."""
    with ExitStack() as closing:

        def listen(name: str, address: str, port: int) -> int:
            server = closing.enter_context(socket.create_server((address, port)))
            closing.callback(server.shutdown, socket.SHUT_RDWR)

            def greet() -> None:
                with suppress(OSError):
                    while True:
                        connection, _ = server.accept()
                        with suppress(OSError), connection:
                            connection.sendall(f"{agent.GREETING} {name}\n".encode())

            threading.Thread(target=greet, daemon=True).start()
            return int(server.getsockname()[1])

        yield listen


def test_real_agents_see_who_answers_whom(
    real: Callable[[str], Prober], listening: Callable[[str, str, int], int]
) -> None:
    port = listening("web", HERE, 0)
    listening("db", THERE, port)
    web, db = replace(WEB, address=HERE, ports=(ContainerPort(port),)), replace(DB, address=THERE)
    world = World((Namespace("shop"),), (web, db))
    cells = [Cell(one, other, port) for one in (web, db) for other in (web, db)]

    settled = Observer(world, {pod.id: real(pod.name) for pod in (web, db)}, [web.id, db.id]).settle(cells, seconds=60)

    assert settled.agreed
    assert [one.seen.why for one in settled.compared] == ["connected, by web", "connected, by db"] * 2


def test_real_agents_take_a_listener_that_is_another_for_unknown_and_none_for_reached(
    real: Callable[[str], Prober], listening: Callable[[str, str, int], int]
) -> None:
    port = listening("somebody-else", THERE, 0)
    web, db = replace(WEB, address=HERE), replace(DB, address=THERE)
    world = World((Namespace("shop"),), (web, db))
    eyes = Observer(world, {pod.id: real(pod.name) for pod in (web, db)}, [web.id, db.id])

    other, nobody = look(eyes, Cell(web, db, port), Cell(db, web, port))

    assert (other.state, other.why) == (State.UNKNOWN, "connected, but by pod somebody-else in its place")
    assert nobody.state is State.ALLOWED
    assert "nobody listens" in nobody.why


def test_a_real_destination_that_takes_no_datagram_and_answers_none_is_unknown(real: Callable[[str], Prober]) -> None:
    web, db = replace(WEB, address=HERE), replace(DB, address=THERE)
    world = World((Namespace("shop"),), (web, db), (DENY_DB,))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((THERE, 0))
        cell = Cell(web, db, silent.getsockname()[1], UDP)
        eyes = Observer(world, {pod.id: real(pod.name) for pod in (web, db)}, [web.id, db.id])

        settled = eyes.settle([cell], seconds=0.0)

    assert not settled.agreed
    assert settled.wrong[0].seen.state is State.UNKNOWN
    assert "its control fails, too" in settled.wrong[0].seen.why
