"""Looking at a cluster: all cells of a round at once, with their controls, until they agree with the oracle."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from harness.errors import ProbeError
from harness.isolation.matrix import (
    REACHED,
    Cell,
    Compared,
    Control,
    Seen,
    Standing,
    State,
    answering,
    classify,
    compare,
    controls_of,
)
from harness.isolation.oracle import Oracle
from harness.isolation.stage import PORTS
from harness.isolation.verdict import Verdict
from harness.isolation.world import Pod, Source, World
from harness.kube.protocol import Protocol
from harness.kube.wait import patient
from harness.prober.client import Prober, Target, probe_all
from harness.prober.client import Verdict as Probed

SILENCE_SECONDS = 0.05
"""How long a first round waits for an answer; the prober makes it ten times its slowest connect where that is more."""
CELL_SECONDS = 0.0001
"""What each cell of a round adds to the work that all of them wait for: so a large round waits longer, at least."""
LONGEST_SILENCE = 1.0
"""What rounds on cells that disagree grow to: what is slow must not be taken for denied."""
SURE_SILENCE = 1.2
"""Silence that is no lost packet: what is sent to begin a connection is sent again after 1 s (RFC 6298)."""
MOST_WAYS_OUT = 3
"""By how many ways it is looked whether a pod's network works: one of them may be broken at its other end."""
DNS_PORT = 53
WRONG = frozenset({Standing.DEVIATES, Standing.UNKNOWN})


@dataclass(frozen=True)
class Settled:
    """The last full look at the cells, how long it took until they agreed (or were given up), and in how many rounds.

    ``again`` are the cells that were asked once more since they disagreed at first: none of them is wrong for it, and
    they tell of a plugin, or a machine, that is slow. ``leaked`` are those of them that were let through though they
    are denied: no slow machine does that. ``agreed`` is True only if every cell of one and the same round conforms, is
    undefined or untested.
    """

    compared: Sequence[Compared]
    seconds: float
    rounds: int
    again: Sequence[Cell] = ()
    leaked: Sequence[Cell] = ()

    @property
    def wrong(self) -> list[Compared]:
        """The cells that deviate or are unknown."""
        return [one for one in self.compared if one.standing in WRONG]

    @property
    def agreed(self) -> bool:
        """Whether none is wrong."""
        return not self.wrong

    @property
    def notes(self) -> list[str]:
        """What is to be told of cells that agree now, and did not at first."""
        told = [f"let through at first, and denied afterwards: {cell}" for cell in self.leaked]
        late = len(self.again) - len(self.leaked)
        return [*told, *([f"asked again, since they disagreed at first: {late} cells"] if late else [])]


class Observer:
    """Looks at one world with the probers that stand in it.

    ``probers`` are keyed by the id of the source that they stand for. ``greeting`` are the ids of the entities on which
    our own listener answers. ``untested`` says of sources for which there is no means here why that is; ``failed`` says
    it of those whose prober could not be opened: their cells are unknown.
    """

    def __init__(
        self,
        world: World,
        probers: Mapping[str, Prober],
        greeting: Iterable[str],
        untested: Mapping[str, str] | None = None,
        failed: Mapping[str, str] | None = None,
    ) -> None:
        self.world = world
        self.oracle = Oracle(world)
        self._probers = probers
        self._greeting = frozenset(greeting)
        self._untested = untested or {}
        self._failed = failed or {}
        self._ways_out: dict[str, Sequence[Cell]] = {}
        self._probed: dict[str, Source] = {one.id: one for one in world.sources if one.id in probers}

    def look(self, cells: Sequence[Cell], silence_s: float = SILENCE_SECONDS) -> dict[Cell, Seen]:
        """Probe all cells and their controls in one round. A cell whose prober is missing or fails is unknown."""
        targets = {cell: self._target(cell) for cell in cells}
        controls = self._controls(cells)
        asked: dict[str, dict[Target, None]] = {cell.source.id: {} for cell in cells}
        for cell, target in targets.items():
            asked[cell.source.id][target] = None
            if cell.source.id in self._probed:
                asked[cell.source.id][self._own(cell.source, cell)] = None
        for source in _sources(cells):
            for place in self._elsewhere(source) if source.id in self._probers else ():
                asked[source.id][self._target(place)] = None
        for control in dict.fromkeys(one for found in controls.values() for one in found if one):
            asked.setdefault(control.asker.id, {})[self._target(control)] = None
        answers, failures = self._ask({source: list(one) for source, one in asked.items()}, silence_s)
        lives = self._lives(cells, answers)
        seen: dict[Cell, Seen] = {}
        for cell, target in targets.items():
            probe = answers.get(cell.source.id, {}).get(target)
            if probe is not None:
                met = [answers.get(one.asker.id, {}).get(self._target(one)) if one else None for one in controls[cell]]
                seen[cell] = classify(
                    cell,
                    probe,
                    met,
                    names=[one.name for one, _ in answering(self.world, cell) if isinstance(one, Pod)],
                    source_lives=lives[cell.source.id],
                    greets=self._greets(cell),
                )
            elif cell.source.id in self._untested:
                seen[cell] = Seen(State.UNTESTED, self._untested[cell.source.id])
            else:
                why = failures.get(cell.source.id) or self._failed.get(cell.source.id)
                seen[cell] = Seen(State.UNKNOWN, why or "there is no prober at the source")
        return seen

    def _controls(self, cells: Sequence[Cell]) -> dict[Cell, list[Control | None]]:
        """The controls of each cell: many cells ask the same place, and have the same ones."""
        places = {(cell.destination.id, cell.port, cell.protocol): cell for cell in cells}
        found = {place: controls_of(self.world, cell, self._probed) for place, cell in places.items()}
        return {cell: found[cell.destination.id, cell.port, cell.protocol] for cell in cells}

    def settle(
        self, cells: Sequence[Cell], seconds: float, wanted: Mapping[Cell, State] | None = None, *, sure: bool = False
    ) -> Settled:
        """Look until one full round agrees with the oracle, or the time is over. Only what disagrees is asked again.

        Of cells on which the oracle says nothing, it is what is ``wanted`` that they are to agree with, where that is
        given: or the first look would count, however slow the machine. With ``sure``, what was denied is asked once
        more at the end, for long enough that no lost packet is taken for a policy; what is wrong then is asked again.
        """
        began, seconds = time.monotonic(), patient(seconds)
        rounds = _Rounds(self, cells, wanted or {})
        while True:
            while rounds.wrong and time.monotonic() - began < seconds:
                rounds.ask_again()
            if rounds.wrong or not sure:
                break
            rounds.make_sure()
            if not rounds.wrong or time.monotonic() - began >= seconds:
                break
        compared = compare(self.oracle, rounds.latest)
        conform = {one.cell for one in compared if one.standing not in WRONG}
        denied_now = [one for one in rounds.leaked if one in conform and rounds.latest[one].state is State.DENIED]
        return Settled(compared, time.monotonic() - began, rounds.count, list(rounds.again), denied_now)

    def wrong(self, seen: Mapping[Cell, Seen], wanted: Mapping[Cell, State]) -> list[Cell]:
        """The cells that are not as the oracle says, or not as ``wanted`` where it says nothing."""
        return [
            one.cell
            for one in compare(self.oracle, seen)
            if one.standing in WRONG
            or (one.standing is Standing.UNDEFINED and one.seen.state is not wanted.get(one.cell, one.seen.state))
        ]

    def _target(self, asked: Cell | Control) -> Target:
        """What to ask for: a foreign listener on port 53 in its own language."""
        foreign = asked.protocol is Protocol.UDP and not self._greets(asked)
        is_dns = foreign and DNS_PORT in [port for _, port in answering(self.world, asked)][:1]
        return Target(asked.destination.address, asked.port, asked.protocol, speaks="dns" if is_dns else "")

    def _greets(self, asked: Cell | Control) -> bool:
        """Whether everybody who would answer is a listener of ours: on nodes and outside there are others, too."""
        behind = list(answering(self.world, asked))
        ours = (one.id in self._greeting and (isinstance(one, Pod) or port in PORTS) for one, port in behind)
        return bool(behind) and all(ours)

    def _own(self, source: Source, cell: Cell) -> Target:
        """The source's own address: refused is as good as answered."""
        declared = source.ports if isinstance(source, Pod) else ()
        port = next((one.number for one in declared if one.protocol is Protocol.TCP), cell.port)
        return Target(source.address, port, Protocol.TCP)

    def _ask(
        self, asked: Mapping[str, Sequence[Target]], silence_s: float
    ) -> tuple[dict[str, dict[Target, Probed]], dict[str, str]]:
        """The verdicts of every source that could be asked, and why the others could not."""
        able = {
            source: self._probers[source] for source, targets in asked.items() if source in self._probers and targets
        }
        wanted: dict[Prober, dict[Target, None]] = {}
        for source, prober in able.items():  # a node and a pod on its network have one prober
            wanted.setdefault(prober, {}).update(dict.fromkeys(asked[source]))
        found = probe_all({prober: list(targets) for prober, targets in wanted.items()}, silence_s)
        answers: dict[str, dict[Target, Probed]] = {}
        failures: dict[str, str] = {}
        for source, prober in able.items():
            said = found[prober]
            if isinstance(said, ProbeError):
                failures[source] = str(said)
            else:
                answers[source] = {one.target: one for one in said}
        return answers, failures

    def _lives(self, cells: Sequence[Cell], answers: Mapping[str, Mapping[Target, Probed]]) -> dict[str, bool]:
        """Whether each source reached another that it may reach, or itself where the round has no such cell."""
        reached = {
            source: {target.address for target, probe in found.items() if probe.outcome in REACHED}
            for source, found in answers.items()
        }
        may = {cell.source.id for cell in cells if self._may_reach_another(cell)}
        lives = {}
        for source in _sources(cells):
            if source.id in self._probers and self._elsewhere(source):
                may.add(source.id)
            mine = reached.get(source.id, set())
            lives[source.id] = bool(mine - {source.address}) or (source.address in mine and source.id not in may)
        return lives

    def _elsewhere(self, source: Source) -> Sequence[Cell]:
        """Connections out of a pod that are certainly allowed, to some of our own listeners, as far as there are any.

        What a pod says to itself does not leave it: a pod whose network is dead would be denied everything.
        """
        if source.id not in self._ways_out:
            places = [
                one for one in self._probed.values() if one.id in self._greeting and one.address != source.address
            ]
            ways = (Cell(source, one, PORTS[0]) for one in places if isinstance(source, Pod))
            self._ways_out[source.id] = list(islice(filter(self._may_reach_another, ways), MOST_WAYS_OUT))
        return self._ways_out[source.id]

    def _may_reach_another(self, cell: Cell) -> bool:
        if cell.destination.address == cell.source.address or not self._tells(cell):
            return False
        return self.oracle.verdict(cell.source, cell.destination, cell.port, cell.protocol).verdict is Verdict.ALLOW

    def _tells(self, cell: Cell) -> bool:
        """Whether somebody who is reached is sure to show it: a foreign listener may take a datagram without a word."""
        return cell.protocol is not Protocol.UDP or bool(self._target(cell).speaks) or self._greets(cell)


class _Rounds:
    """The rounds in which cells are looked at until they agree. ``wrong`` are those of the last one that do not."""

    def __init__(self, observer: Observer, cells: Sequence[Cell], wanted: Mapping[Cell, State]) -> None:
        self._observer = observer
        self._cells = cells
        self._wanted = wanted
        self._silence = max(SILENCE_SECONDS, CELL_SECONDS * len(cells))
        self.count = 0
        self.again: dict[Cell, None] = {}
        self.leaked: dict[Cell, None] = {}
        self.latest: dict[Cell, Seen] = {}
        self._look(cells, self._silence)

    def ask_again(self) -> None:
        """Ask those that are wrong, and all of them once none is."""
        self._silence = min(LONGEST_SILENCE, 2 * self._silence)
        self.again |= dict.fromkeys(self.wrong)
        self.leaked |= dict.fromkeys(cell for cell in self.wrong if self.latest[cell].state is State.ALLOWED)
        self._look(self.wrong, self._silence)
        if not self.wrong:
            self._look(self._cells, self._silence)

    def make_sure(self) -> None:
        """Ask those that were denied, for longer than a lost packet takes."""
        if denied := [cell for cell in self._cells if self.latest[cell].state is State.DENIED]:
            self._look(denied, SURE_SILENCE)

    def _look(self, cells: Sequence[Cell], silence: float) -> None:
        seen = self._observer.look(cells, silence)
        self.count += 1
        self.latest.update(seen)
        self.wrong = self._observer.wrong(seen, self._wanted)


def _sources(cells: Sequence[Cell]) -> Iterable[Source]:
    """The sources of cells, each once."""
    return {cell.source.id: cell.source for cell in cells}.values()
