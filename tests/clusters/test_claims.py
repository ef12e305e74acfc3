"""Namespaces that a process has to itself. For the kernel another open file of a lock is as good as another process."""

import threading
from io import StringIO
from pathlib import Path

from harness.clusters.claims import Claims
from harness.timeline import Timeline

DEADLINE = 60


def test_making_one_touches_nothing(tmp_path: Path) -> None:
    Claims(tmp_path / "dev", "one").close()

    assert not list(tmp_path.iterdir())


def test_who_claims_what_another_has_waits_and_says_for_whom(tmp_path: Path) -> None:
    first, second = (Claims(tmp_path / "dev", run) for run in ("one", "two"))
    said, done = StringIO(), threading.Event()
    first.claim(["shop", "bank"], Timeline(StringIO()))

    def claim() -> None:
        second.claim(["shop"], Timeline(said))
        done.set()

    waiting = threading.Thread(target=claim)
    waiting.start()
    assert not done.wait(0.2)  # it cannot have been: the namespace is the first one's
    assert said.getvalue() == "  waiting for run one, which has made something in namespace shop of cluster dev\n"
    first.close()
    waiting.join(DEADLINE)

    assert done.is_set()
    second.close()


def test_others_namespaces_are_not_waited_for(tmp_path: Path) -> None:
    first, second = (Claims(tmp_path / "dev", run) for run in ("one", "two"))
    said = StringIO()
    first.claim(["shop"], Timeline(said))
    second.claim(["bank"], Timeline(said))

    assert not said.getvalue()
    first.close()
    second.close()


def test_both_proofs_of_a_process_may_claim_the_same(tmp_path: Path) -> None:
    claims = Claims(tmp_path / "dev", "one")
    claims.claim(["shop"], Timeline(StringIO()))
    claims.claim(["bank", "shop"], Timeline(StringIO()))
    claims.close()
    claims.close()

    again = Claims(tmp_path / "dev", "two")
    again.claim(["bank", "shop"], Timeline(StringIO()))
    again.close()
