"""Values are read as Go reads them, and what Go would take for nothing is refused."""

from random import Random

import pytest

from harness.chaos.litmus import values
from harness.chaos.litmus.values import Range


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("1m30s", 90), ("1.5h", 5400), ("", 0), ("0", 0), ("2µs", 2e-6)]
)
def test_durations_of_go_are_seconds(text: str, seconds: float) -> None:
    assert values.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["5", "s", "5 s", "-1s", "5sec", "1m-2s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        values.duration(text)


def test_a_range_draws_both_of_its_ends_and_nothing_else() -> None:
    random = Random(1)  # noqa: S311 -- a choice, no secret
    assert {values.number_range("2-4").draw(random) for _ in range(200)} == {2, 3, 4}
    assert values.number_range("7") == Range(7, 7)
    assert str(values.number_range("2-4")) == "2-4"
    for text in ("", "a", "1-2-3", "-3", "1.5"):
        with pytest.raises(ValueError, match="neither a number nor a range"):
            values.number_range(text)


def test_ports_labels_and_addresses() -> None:
    assert values.ports("tcp: [80,443], udp: [53]") == (("TCP", 80), ("TCP", 443), ("UDP", 53))
    assert values.ports("sctp: [ 7 ]") == (("SCTP", 7),)
    assert values.labels("a=b, c=") == {"a": "b", "c": ""}
    assert values.networks("10.0.0.1,10.0.0.1/32,10.1.0.0/16") == ("10.0.0.1/32", "10.1.0.0/16")
    for reader, text in (
        (values.ports, "http: [80]"),
        (values.ports, "tcp: [0]"),
        (values.labels, "=b"),
        (values.labels, "a!=b"),
        (values.networks, "fd00::1"),
        (values.networks, "host"),
    ):
        with pytest.raises(ValueError, match=r"is no|names no|IPv6|does not appear"):
            reader(text)
