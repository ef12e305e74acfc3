"""The commands: what they say, their exit status, and what they leave. Their clusters are folders."""

import errno
import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from harness import cli, doctor
from harness.chaos import healing
from harness.chaos.healing import Healed
from harness.errors import ClusterError, SettingsError
from harness.inifile import ini_values
from harness.settings import gather

STAND_INS = Path(__file__).parent / "stand_ins"
CHECKOUT = Path(__file__).parent.parent

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def harness(tmp_path: Path) -> Command:
    """``harness("up", "--cluster-name=x")`` runs the command in a process of its own."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        program = "import sys, stand_in_wiring; from harness.cli import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{STAND_INS}",
                "HOME": str(tmp_path),
                "STAND_IN_LOG": str(tmp_path / "log"),
                "KUBECONFIG": "/somebody/else",
            },
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=120,
        )

    return run


def test_build_builds_for_clusters_and_the_case_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built: list[str] = []
    provider = SimpleNamespace(build=lambda _: built.append("clusters"))
    monkeypatch.setattr(cli, "_provider", lambda _: provider)
    monkeypatch.setattr("harness.images.catalogue.case_images", lambda _: built.append("case"))

    assert cli.main(["build"]) == 0
    assert built == ["clusters", "case"]
    assert capsys.readouterr().out == "everything is built\n"


class OneAtATime:
    """A case that is deployed or destroyed, and knows whether two were at it at once."""

    def __init__(self, *_: object) -> None:
        pass

    host = ""
    at_it = 0
    most = 0
    begun = threading.Event()
    go_on = threading.Event()

    def deploy(self, *_: object, **__: object) -> list[str]:
        OneAtATime.at_it += 1
        OneAtATime.most = max(OneAtATime.most, OneAtATime.at_it)
        self.begun.set()
        assert self.go_on.wait(60)
        OneAtATime.at_it -= 1
        return []

    destroy = deploy


@pytest.mark.parametrize("second", ["deploy", "destroy"])
def test_of_two_that_deploy_the_second_says_that_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], second: str
) -> None:
    (tmp_path / "harness/clusters/one").mkdir(parents=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    there = SimpleNamespace(name="one", api=None, ingress_url="")
    monkeypatch.setattr(cli, "_provider", lambda _: None)
    monkeypatch.setattr("harness.clusters.pool.join", lambda *_, **__: nullcontext(there))
    monkeypatch.setattr("harness.case.open_case", OneAtATime)
    monkeypatch.setattr("harness.case.Case", OneAtATime)
    OneAtATime.most = 0
    OneAtATime.begun.clear()
    OneAtATime.go_on.clear()

    def run(command: str) -> None:
        cli.main(["--cluster-name=one", command])

    first, other = (threading.Thread(target=run, args=(command,)) for command in ("deploy", second))
    first.start()
    assert OneAtATime.begun.wait(60)
    other.start()
    said, waiting = "", "  waiting for another process that deploys or destroys the case on cluster one"
    end = time.monotonic() + 60
    while waiting not in said and time.monotonic() < end:
        time.sleep(0.05)
        captured = capfd.readouterr()
        said += captured.out + captured.err
    OneAtATime.go_on.set()
    first.join(60)
    other.join(60)

    assert waiting in said
    assert OneAtATime.most == 1


def test_ctrl_c_while_the_commands_are_imported_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "harness.cli", Interrupted("harness.cli"))

    with pytest.raises(SystemExit) as ended:
        runpy.run_module("harness", run_name="__main__")

    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_up_keeps_the_cluster_and_says_how_to_use_it(harness: Command, tmp_path: Path) -> None:
    done = harness("up")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / ".local/state/harness/clusters/harness"
    for said in (str(folder / "kubeconfig"), "http://127.0.0.1:1", "pytest -m e2e --cluster-name=harness"):
        assert said in done.stdout
    assert (folder / "kept").exists()


def test_what_up_says_to_do_next_is_for_its_cluster(harness: Command) -> None:
    said = harness("up", "--cluster-name=mine").stdout
    for words in ("down", "deploy", "kubectl get pods -A"):
        assert f"python -m harness --cluster-name=mine {words}" in said


@pytest.mark.parametrize(
    "command",
    [("deploy",), ("destroy",), ("heal",), ("heal", "--entry=a"), ("access", "export"), ("kubectl", "get", "pods")],
)
def test_a_hint_names_the_cluster_that_was_meant(harness: Command, command: tuple[str, ...]) -> None:
    said = "error: there is no running cluster nope: `python -m harness --cluster-name=nope up` creates one\n"
    assert harness("--cluster-name=nope", *command).stderr == said


def test_a_hint_names_the_default_cluster_where_a_command_without_a_name_would_mean_another(harness: Command) -> None:
    harness("up", "--cluster-name=mine")
    assert "`python -m harness --cluster-name=harness up`" in harness("--cluster-name=harness", "deploy").stderr


def test_up_again_finds_the_cluster(harness: Command, tmp_path: Path) -> None:
    harness("up")
    assert "cluster harness is running" in harness("up").stdout
    created, cleared = (tmp_path / "log").read_text().splitlines()  # the first command's run is over: is anything left?
    assert created == "create harness"
    assert cleared.startswith("clear ")


def test_down_ends_the_one_kept_cluster_whatever_its_name(harness: Command, tmp_path: Path) -> None:
    harness("up", "--cluster-name=mine")
    done = harness("down")
    assert (done.returncode, done.stdout) == (0, "cluster mine is gone\n")
    assert (tmp_path / "log").read_text() == "create mine\ndelete mine\n"


def test_down_is_safe_to_repeat(harness: Command) -> None:
    done = harness("down")
    assert (done.returncode, done.stdout) == (0, "there is no cluster harness\n")


def test_down_all_ends_every_cluster(harness: Command) -> None:
    harness("up", "--cluster-name=one")
    harness("up", "--cluster-name=two")
    assert harness("down", "--all").stdout == "cluster one is gone\ncluster two is gone\n"
    assert harness("status").stdout == "no clusters\n"


def test_status_lists_the_clusters(harness: Command) -> None:
    harness("up", "--cluster-name=mine")
    header, row = harness("status").stdout.splitlines()
    assert header.split() == ["name", "state", "kept", "in", "use", "age", "kubeconfig"]
    assert row.split()[:4] == ["mine", "running", "yes", "no"]


def test_heal_all_without_clusters_has_nothing_to_do(harness: Command) -> None:
    done = harness("heal", "--all")
    assert (done.returncode, done.stdout) == (0, "no clusters\n")


def test_heal_says_what_it_did_on_each_cluster_and_fails_where_one_thing_was_not_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {
        "one": Healed(["healed: partition of web"]),
        "three": Healed(),
        "two": Healed(failed=[ClusterError("not you")]),
    }

    class Folders:
        def attach(self, name: str) -> SimpleNamespace:
            return SimpleNamespace(name=name, api=None, kubeconfig=None, close=lambda: None)

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "_provider", lambda _settings: Folders())
    monkeypatch.setattr(healing, "heal_all", lambda cluster, _api, _paths: found[cluster.name])
    for name in found:
        (tmp_path / "harness/clusters" / name).mkdir(parents=True)

    assert cli.main(["heal", "--cluster-name=one"]) == 0
    assert capsys.readouterr().out == "healed: partition of web\n"
    assert cli.main(["heal", "--all"]) == 1

    said = capsys.readouterr()
    assert said.out.splitlines() == [
        *("cluster one:", "healed: partition of web"),
        *("cluster three:", "nothing to heal"),
        "cluster two:",
    ]
    assert said.err == "error: not you\n"


def test_kubectl_gets_everything_that_follows_and_its_status_is_ours(harness: Command) -> None:
    harness("up")
    done = harness("kubectl", "-n", "x", "get", "pods", "--help", "--cluster-name=not-ours")
    assert done.returncode == 1
    assert (done.stdout, done.stderr) == ("", "")  # the stand-in's kubectl is /bin/false


def test_kubectl_without_a_cluster_says_how_to_create_one(harness: Command) -> None:
    done = harness("kubectl", "get", "pods")
    assert done.returncode == 2
    assert done.stderr == "error: there is no running cluster harness: `python -m harness up` creates one\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["up", "--cluster=kid"], 2, "error: --cluster: 'kid' is not allowed: must be one of auto, embedded"),
        (["up", "--cluster-name=broken"], 1, "error: the stand-in cannot be made"),
        (["up", "--clutser=kind"], 2, "unknown arguments: --clutser=kind"),
        (["deploy"], 2, "error: there is no running cluster harness"),
        (["heal"], 2, "error: there is no running cluster harness"),
        (["heal", "--entry=a"], 2, "error: there is no running cluster harness"),
        (["heal", "--entry=a", "--all"], 2, "not allowed with argument"),
    ],
)
def test_an_error_is_one_message_and_no_traceback(
    harness: Command, arguments: list[str], status: int, said: str
) -> None:
    done = harness(*arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


EXPECTED = """\
subjects: {team: {user: anna}}
rights: |
  namespace:shop  team
  pods            VERBS
"""


def test_access_diff_says_who_gains_what_and_ends_with_1_where_two_files_differ(
    harness: Command, tmp_path: Path
) -> None:
    for name, verbs in (("a", "read"), ("b", "read,delete"), ("c", "get,list,watch")):
        (tmp_path / f"{name}.yaml").write_text(EXPECTED.replace("VERBS", verbs))

    differ, same = harness("access", "diff", "a.yaml", "b.yaml"), harness("access", "diff", "a.yaml", "c.yaml")

    assert (differ.returncode, differ.stdout) == (
        1,
        "namespace:shop pods: team gains delete (a.yaml:4, b.yaml:4)\n",
    )
    assert (same.returncode, same.stdout) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["diff", "a.yaml", "none.yaml"], "error: none.yaml: cannot be read: No such file or directory\n"),
        (["diff", "wrong.yaml", "a.yaml"], "error: wrong.yaml:4: row pods: has no verb reads; did you mean read?\n"),
        (["export", "-o", "none/file.yaml"], "error: --output: there is no folder none\n"),
        (["export"], "error: there is no running cluster harness: `python -m harness up` creates one\n"),
    ],
)
def test_what_is_wrong_with_an_access_command_is_one_line_and_status_2(
    harness: Command, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "a.yaml").write_text(EXPECTED.replace("VERBS", "read"))
    (tmp_path / "wrong.yaml").write_text(EXPECTED.replace("VERBS", "reads"))

    done = harness("access", *arguments)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_ctrl_c_ends_a_command_with_status_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "status", interrupted)
    assert cli.main(["status"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (200_000, "2d"), (-1, "0s")]
)
def test_an_age_is_shown_in_its_largest_unit(seconds: float, shown: str) -> None:
    assert cli.age(seconds) == shown


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\nharness_cluster_name = here\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\nharness_cluster_name = 'here'\n"),
        ("pyproject.toml", "[tool.pytest]\nharness_cluster_name = 'here'\n"),
        ("pytest.toml", "[pytest]\nharness_cluster_name = 'here'\n"),
        ("tox.ini", "[tox]\n[pytest]\nharness_cluster_name = here\naddopts = -q\n"),
        ("setup.cfg", "[tool:pytest]\nharness_cluster_name = here\n"),
    ],
)
def test_commands_read_the_ini_file_that_pytest_would(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert ini_values(below) == {"harness_cluster_name": "here"}


@pytest.mark.parametrize("name", ["pytest.ini", ".pytest.ini", "pytest.toml"])
def test_commands_look_no_further_up_than_pytest_does(tmp_path: Path, name: str) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nharness_cluster_name = above\n")
    below = tmp_path / "below"
    below.mkdir()
    (below / name).touch()
    assert ini_values(below) == {}


def test_commands_take_a_path_of_the_ini_file_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest]\nharness_manifests = 'deploy'\n")
    below = tmp_path / "below"
    below.mkdir()
    assert ini_values(below) == {"harness_manifests": str(tmp_path / "deploy")}


def test_an_ini_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path, **_: str) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    (tmp_path / "pytest.ini").touch()
    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(SettingsError, match=r"pytest\.ini: .*Permission denied"):
        ini_values(tmp_path)


def test_the_doctor_names_the_fix_and_fails_for_what_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    def lacking() -> str:
        raise doctor.Missing("it is not there")

    from rich.console import Console  # noqa: PLC0415 -- used here only

    fine = doctor.Check("one", lambda: "found", "nothing")
    optional = doctor.Check("two", lacking, "get it", required=False)
    required = doctor.Check("three", lacking, "apt-get install three")
    assert doctor.report([fine, optional], Console())
    assert not doctor.report([fine, required], Console())
    said = capsys.readouterr().out
    assert "fix: apt-get install three" in said
    assert "missing: three" in said


def test_a_probe_that_cannot_read_counts_as_missing() -> None:
    def unreadable() -> str:
        return Path("/proc/not-there").read_text()

    [finding] = doctor.run([doctor.Check("one", unreadable, "fix")])
    assert not finding.ok
    assert "not-there" in finding.found


def test_the_doctor_s_fixes_are_for_the_cluster_that_is_meant() -> None:
    fixes = [check.fix for check in doctor.checks(gather({"cluster_name": "mine"}, {"HOME": "/nowhere"}))]
    assert 'run as root: sudo -E env PATH="$PATH" python -m harness --cluster-name=mine up' in fixes


def test_the_doctor_checks_what_the_embedded_cluster_needs() -> None:
    names = {check.name for check in doctor.checks(gather({}, {"HOME": "/root"})) if check.required}
    for needed in ("root", "Linux", "program unshare", "program ipset", "overlayfs", "cgroup controllers", "memory"):
        assert needed in names
