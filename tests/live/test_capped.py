"""What runs containers where root lacks capabilities: it asks for those that can be had, and becomes runc."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.clusters.embedded.build import build
from harness.timeline import Timeline

ASKED = ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NET_RAW"]
PROCESS = {"args": ["sh"], "capabilities": {"bounding": ASKED, "permitted": ASKED}}
CAPPED = {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"]}}


@pytest.fixture
def capped(tmp_path: Path) -> Path:
    """The program, beside a runc that says how it was called."""
    program = tmp_path / "capped"
    shutil.copy(build(Timeline(), ["capped"]).path("capped"), program)
    runc = tmp_path / "runc"
    runc.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    runc.chmod(0o755)
    return program


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    less = ("setpriv", "--bounding-set=-sys_admin,-net_raw")
    return subprocess.run([*less, str(program), *arguments], capture_output=True, text=True, check=False)


def test_a_container_gets_the_capabilities_that_can_be_had(tmp_path: Path, capped: Path) -> None:
    config = tmp_path / "config.json"
    for bundle in (["--bundle", str(tmp_path)], [f"--bundle={tmp_path}"], ["-b", str(tmp_path)]):
        config.write_text(json.dumps({"ociVersion": "1.0.2", "process": PROCESS}))
        done = run(capped, "--root", "/there", "create", *bundle, "id")
        assert (done.returncode, done.stdout.split()) == (7, ["--root", "/there", "create", *bundle, "id"])
        assert json.loads(config.read_text()) == {"ociVersion": "1.0.2", "process": CAPPED}


def test_so_does_a_process_that_is_started_in_one(tmp_path: Path, capped: Path) -> None:
    file = tmp_path / "process.json"
    file.write_text(json.dumps(PROCESS))
    assert run(capped, "exec", "--process", str(file), "id").returncode == 7
    assert json.loads(file.read_text()) == CAPPED


def test_what_starts_nothing_is_passed_on(capped: Path) -> None:
    assert run(capped, "state", "id").stdout == "state id\n"


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path, capped: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    done = run(capped, "create", f"--bundle={tmp_path}", "id")
    assert done.returncode == 1
    assert done.stderr.startswith(f"capped: {tmp_path}/config.json: ")
