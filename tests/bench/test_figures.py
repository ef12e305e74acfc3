"""Figures and their limits, and how bench.json is merged."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.bench.figures import Machine, Target, entry, failures, meets, merge, parse, table, to_json
from harness.bench.processes import Process, cluster_of, resident_mb
from harness.errors import UsageError

READY = Target("embedded.ready_s", "create to ready", "s", "<= 10", "<= 5")
HERE = Machine(cores=2, load=0.5, commit="abc")


def figure(name: str, value: float, must: str = "<= 10", aim: str = "<= 5") -> dict[str, Any]:
    return entry(Target(name, "", "s", must, aim), value, 3, HERE)


@pytest.mark.parametrize(
    ("value", "limit", "kept"),
    [
        (10, "<= 10", True),
        (10.1, "<= 10", False),
        (0.5, "<0.5", False),
        (3, ">= 3", True),
        (2, "== 2.0", True),
        (9, "", True),
    ],
)
def test_a_limit_is_kept_or_missed(value: float, limit: str, kept: bool) -> None:  # noqa: FBT001 -- the table's column
    assert meets(value, limit) is kept


def test_a_limit_that_is_none_is_an_error() -> None:
    with pytest.raises(UsageError, match="the limit 'about 5' is none"):
        meets(1, "about 5")


def test_an_entry_has_the_agreed_form() -> None:
    assert entry(READY, 4.56789, 10, HERE) == {
        "name": "embedded.ready_s",
        "value": 4.568,
        "unit": "s",
        "must": "<= 10",
        "aim": "<= 5",
        "samples": 10,
        "cores": 2,
        "load": 0.5,
        "commit": "abc",
    }


def test_new_figures_take_the_place_of_old_ones_and_leave_the_others() -> None:
    merged = merge([figure("a", 1), figure("b", 2)], [figure("c", 3), figure("a", 4)])
    assert [(one["name"], one["value"]) for one in merged] == [("a", 4), ("b", 2), ("c", 3)]


def test_what_is_written_can_be_read() -> None:
    entries = [figure("a", 1), figure("b", 2)]
    assert parse(to_json(entries), "bench.json") == entries
    assert parse(to_json([]), "bench.json") == []


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"value": 1}]'])
def test_a_file_that_is_no_bench_json_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"artifacts/bench\.json: "):
        parse(text, "artifacts/bench.json")


def test_a_failed_limit_is_told_and_a_missed_aim_is_not() -> None:
    assert failures([figure("good", 1), figure("fair", 7), figure("bad", 11)]) == ["bad failed: 11 s, not <= 10"]


def test_the_table_tells_must_and_aim_apart() -> None:
    shown = io.StringIO()
    console = Console(width=200, file=shown)
    console.print(table([figure("good", 1), figure("fair", 7), figure("bad", 11)]))
    verdicts = [line.split()[-3] for line in shown.getvalue().splitlines()[1:]]
    assert verdicts == ["aim", "ok", "failed"]


def test_a_clusters_processes_are_those_below_its_first() -> None:
    found = {
        one.pid: one
        for one in (
            Process(1, 0, 1),  # this machine's first
            Process(10, 1, 1),  # the supervisor
            Process(20, 10, 2),  # the node's first
            Process(21, 20, 2),  # etcd
            Process(22, 20, 2),  # a shim
            Process(30, 22, 3),  # a pod's first
            Process(40, 1, 1),  # a stranger
            Process(50, 40, 2),  # another cluster
        )
    }
    assert cluster_of(21, found) == cluster_of(30, found) == {20, 21, 22, 30}


def test_memory_is_what_processes_hold_together(tmp_path: Path) -> None:
    for pid, pss in ((1, 1000), (2, 500)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "smaps_rollup").write_text(f"Rss: 9 kB\nPss:  {pss} kB\nPss_Anon: 7 kB\n")
    assert resident_mb([1, 2, 3], tmp_path) == pytest.approx(1.536)
