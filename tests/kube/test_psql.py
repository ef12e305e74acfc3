"""One psql for many statements, and another when its container is another."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import CommandError, WaitTimeout
from harness.kube.client import Api, ApiNotFound
from harness.kube.kubectl import Kubectl
from harness.kube.psql import Psql

from .conftest import FakeApi, Reached

POD = "/api/v1/namespaces/shop/pods/db-0"
STAND_IN = f"""#!/bin/sh
'''exec' '{sys.executable}' "$0" "$@"
' '''
import pathlib, sys, time
with (pathlib.Path(__file__).parent / "starts").open("a") as starts:
    starts.write("started\\n")
for line in iter(sys.stdin.readline, ""):
    if line.startswith("SELECT '"):
        print(line.split("'")[1], flush=True)
    elif line.startswith("say "):
        print(line[4:].strip())
    elif line.startswith("bytes"):
        sys.stdout.buffer.write(b"word\\xe9\\n")
    elif line.startswith("refuse"):
        sys.stderr.buffer.write(b"ERROR: no word\\xe9\\n")
        sys.exit(3)
    elif line.startswith("fail"):
        print("half of it")
        sys.exit("ERROR: no such table")
    elif line.startswith("hang"):
        time.sleep(60)
"""


def container(number: int) -> dict[str, object]:
    return {"status": {"containerStatuses": [{"name": "postgres", "containerID": f"containerd://{number}"}]}}


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """What a kubectl that plays psql writes to at each start."""
    binary = tmp_path / "psql" / "kubectl"
    binary.parent.mkdir()
    binary.write_text(STAND_IN)
    binary.chmod(0o755)
    return binary.parent / "starts"


@pytest.fixture
def psql(fake: FakeApi, api: Api, starts: Path) -> Iterator[Psql]:
    fake.answers[POD] = container(1)
    cluster = Reached(Kubectl(starts.parent / "kubectl", fake.kubeconfig), api)
    session = Psql(cluster, "shop", "db-0", "postgres")
    yield session
    session.close()


def test_statements_share_a_session(psql: Psql, starts: Path) -> None:
    assert psql.run("say one\nsay two") == "one\ntwo\n"
    assert psql.run("nothing to print") == ""
    assert psql.run("say three") == "three\n"
    assert starts.read_text().count("started") == 1


def test_a_new_container_gets_a_new_session(psql: Psql, fake: FakeApi, starts: Path) -> None:
    psql.run("say one")
    fake.answers[POD] = container(2)

    assert psql.run("say two") == "two\n"
    assert starts.read_text().count("started") == 2


def test_a_statement_that_fails_says_why_and_the_next_one_runs(psql: Psql) -> None:
    with pytest.raises(CommandError, match="no such table"):
        psql.run("fail")

    assert psql.run("say two") == "two\n"


def test_a_statement_that_does_not_end_is_named_and_the_next_one_runs(psql: Psql) -> None:
    with pytest.raises(WaitTimeout, match="the statement 'hang' to end"):
        psql.run("hang", seconds=0.3)

    assert psql.run("say two") == "two\n"


def test_a_pod_that_is_not_there_is_named(psql: Psql, fake: FakeApi) -> None:
    fake.answers.pop(POD)

    with pytest.raises(ApiNotFound, match="db-0"):
        psql.run("say one")


def test_closing_ends_the_session_and_can_be_repeated(psql: Psql) -> None:
    psql.run("say one")

    psql.close()
    psql.close()
    assert psql.run("say two") == "two\n"


def test_what_is_not_utf_8_is_text_with_replacement_characters(psql: Psql) -> None:
    assert psql.run("bytes") == "word\ufffd\n"
    with pytest.raises(CommandError, match="no word\ufffd"):
        psql.run("refuse")
