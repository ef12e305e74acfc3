"""What is downloaded again, and what is not."""

from collections.abc import Iterator

import pytest
import stamina

from harness.downloads import ATTEMPTS, again
from harness.errors import CommandError


@pytest.fixture(autouse=True)
def without_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):  # the fewer of both count
        yield


def test_what_the_network_did_is_tried_again_and_said() -> None:
    said: list[str] = []
    failures = ["dial tcp: i/o timeout", "reading …: 503 Service Unavailable", "read: connection reset by peer"]

    def download() -> str:
        if failures:
            raise CommandError(["go"], 1, failures.pop(0))
        return "there"

    assert again(download, said.append) == "there"
    assert said == [f"the network failed: attempt {number} of 6" for number in (2, 3, 4)]


@pytest.mark.parametrize("output", ["404 Not Found: no such module", "verifying module: checksum mismatch"])
def test_what_the_other_side_says_is_not_tried_again(output: str) -> None:
    tried: list[str] = []

    def download() -> str:
        tried.append(output)
        raise CommandError(["go"], 1, output)

    with pytest.raises(CommandError):
        again(download, tried.append)
    assert tried == [output]


def test_a_network_that_stays_down_is_given_up_with_its_last_words() -> None:
    tried: list[str] = []

    def download() -> str:
        tried.append("")
        raise CommandError(["go"], 1, f"i/o timeout {len(tried)}")

    with pytest.raises(CommandError, match="i/o timeout 6"):
        again(download, lambda _: None)
    assert len(tried) == ATTEMPTS
