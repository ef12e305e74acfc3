"""Downloads: what the network did is tried again, with longer and longer pauses; what the other side says is not.

pip and apt-get can do that themselves, and are told to; ``go`` cannot.
"""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import stamina

from harness.errors import CommandError

T = TypeVar("T")

ATTEMPTS: Final = 6
PIP: Final = ("--retries=8", "--timeout=60")
"""pip's options: it waits 64 s before the last attempt, and has 60 s for each."""
APT: Final = ("Acquire::Retries=6", "Acquire::http::Timeout=60", "Acquire::https::Timeout=60")
"""apt's options: it waits up to 30 s between attempts."""

_OF_THE_NETWORK = re.compile(
    r"timed? ?out|timeout|temporar|connection (reset|refused|closed)|broken pipe|unexpected EOF|no such host"
    r"|network is unreachable|TLS handshake|stream error|\b(429|500|502|503|504)\b",
    re.IGNORECASE,
)


def is_of_the_network(error: Exception) -> bool:
    """Whether a program failed because of the network, or of a server that has a bad moment."""
    return isinstance(error, CommandError) and bool(_OF_THE_NETWORK.search(error.output))


def again(download: Callable[[], T], say: Callable[[str], None]) -> T:
    """Download, again where the network failed, six times at most; ``say`` is told of each further attempt.

    Raises what the last attempt raised.
    """
    attempts = stamina.retry_context(
        on=is_of_the_network, attempts=ATTEMPTS, timeout=None, wait_initial=1.0, wait_max=60.0
    )
    for attempt in attempts:
        with attempt:
            if attempt.num > 1:
                say(f"the network failed: attempt {attempt.num} of {ATTEMPTS}")
            return download()
    raise AssertionError("stamina gives at least one attempt")
