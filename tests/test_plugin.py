"""The plugin's wiring, in runs of their own whose cluster is a folder: what tests see, and what is left behind."""

import json
import os
import signal
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

STAND_INS = Path(__file__).parent / "stand_ins"
CHECKOUT = Path(__file__).parent.parent


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a conftest.py like the checkout's, whose clusters are stand-ins; their log is ``cluster.log``."""
    for name in [name for name in os.environ if name.startswith(("HARNESS_", "PYTEST_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:schemathesis -p no:hypothesispytest")  # a second for each run's imports
    monkeypatch.setenv("PYTHONPATH", f"{CHECKOUT}{os.pathsep}{STAND_INS}")
    monkeypatch.setenv("XDG_STATE_HOME", str(pytester.path / "state"))
    monkeypatch.setenv("STAND_IN_LOG", str(pytester.path / "cluster.log"))
    pytester.makeconftest("import stand_in_wiring\npytest_plugins = ['harness.plugin']\n")
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    return pytester


def log(run: pytest.Pytester) -> list[str]:
    file = run.path / "cluster.log"
    return file.read_text().splitlines() if file.exists() else []


def report(run: pytest.Pytester) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / "artifacts" / "report.json").read_text())
    return found


def write(run: pytest.Pytester, path: str, text: str) -> None:
    file = run.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_tests_without_a_cluster_create_none(run: pytest.Pytester) -> None:
    run.makepyfile("def test_nothing(): pass")
    run.runpytest_subprocess().assert_outcomes(passed=1)
    assert log(run) == []
    assert not (run.path / "state").exists()


def test_a_run_creates_one_cluster_and_deletes_it(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(cluster): assert cluster.name.startswith('harness-')\ndef test_two(cluster): pass")
    run.runpytest_subprocess().assert_outcomes(passed=2)
    assert [line.split()[0] for line in log(run)] == ["create", "delete"]


def test_the_workers_of_a_run_share_one_cluster_and_one_case(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("number", range(8))
        def test_shared(cluster, case, number): assert case.cluster.name == cluster.name
        """
    )
    run.runpytest_subprocess("-n", "3").assert_outcomes(passed=8)
    assert [line.split()[0] for line in log(run)] == ["create", "delete"]
    assert report(run)["totals"] == {"passed": 8}
    assert "stand-in created" in {phase["name"] for phase in report(run)["phases"]}


def test_tests_of_one_group_run_on_one_worker(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import os, pathlib, pytest
        @pytest.mark.xdist_group("case")
        @pytest.mark.parametrize("number", range(8))
        def test_group(number): pathlib.Path(os.environ["PYTEST_XDIST_WORKER"] + ".worker").touch()
        """
    )
    run.runpytest_subprocess("-n", "2").assert_outcomes(passed=8)
    assert len(list(run.path.glob("*.worker"))) == 1


def test_a_named_cluster_that_is_kept_is_joined_by_the_next_run(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(cluster): assert cluster.name == 'mine'")
    run.runpytest_subprocess("--cluster-name=mine", "--keep-cluster").assert_outcomes(passed=1)
    run.runpytest_subprocess("--cluster-name=mine").assert_outcomes(passed=1)
    assert [line for line in log(run) if not line.startswith("clear ")] == ["create mine"]


def test_isolation_tests_prove_a_joined_cluster_first_and_every_cluster_again_at_the_end(run: pytest.Pytester) -> None:
    write(run, "scenarios/isolation/test_it.py", "def test_it(cluster): pass")
    run.runpytest_subprocess("--cluster-name=mine", "--keep-cluster").assert_outcomes(passed=1)
    assert log(run) == ["create mine", "prove mine", "delete the pair on mine"]
    run.runpytest_subprocess("--cluster-name=mine", "-m", "isolation").assert_outcomes(passed=1)
    done = [line for line in log(run) if not line.startswith("clear ")]
    first, second = (["prove mine", "delete the pair on mine"], ["prove mine", "prove mine", "delete the pair on mine"])
    assert done == ["create mine", *first, *second]


ENFORCES_NOTHING = "STAND_IN_ENFORCES_NOTHING"


def test_no_test_of_isolation_begins_where_the_canary_fails_and_others_run(
    run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, "scenarios/isolation/test_it.py", "def test_one(cluster): raise SystemExit\ndef test_two(cluster): pass")
    write(run, "scenarios/e2e/test_else.py", "def test_three(cluster): pass")
    run.runpytest_subprocess("--cluster-name=mine", "--keep-cluster", "-k", "three").assert_outcomes(passed=1)
    monkeypatch.setenv(ENFORCES_NOTHING, "1")

    result = run.runpytest_subprocess("--cluster-name=mine")

    result.assert_outcomes(passed=1, errors=2)
    assert [line for line in log(run) if line.startswith(("prove", "delete"))] == [
        "prove mine",
        "delete the pair on mine",
    ]


def test_that_the_canary_failed_is_told_also_where_a_fixture_failed_for_it(
    run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        run,
        "scenarios/isolation/test_it.py",
        "import pytest\n@pytest.fixture\ndef sees(cluster): raise OSError\ndef test_it(sees): pass",
    )
    run.runpytest_subprocess("--cluster-name=mine", "--keep-cluster").assert_outcomes(errors=1)
    monkeypatch.setenv(ENFORCES_NOTHING, "1")

    result = run.runpytest_subprocess("--cluster-name=mine")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*PolicyNotEnforced: the stand-in enforces nothing"])


def test_tests_of_the_harness_s_own_isolation_module_need_no_cluster(run: pytest.Pytester) -> None:
    write(run, "tests/isolation/test_it.py", "def test_it(): pass")
    run.runpytest_subprocess("-m", "isolation").assert_outcomes(deselected=1)
    run.runpytest_subprocess().assert_outcomes(passed=1)
    assert log(run) == []


def test_what_is_marked_full_runs_only_where_it_is_asked_for(run: pytest.Pytester) -> None:
    run.makepyfile("import pytest\n@pytest.mark.full\ndef test_long(): pass\ndef test_short(): pass")
    run.runpytest_subprocess().assert_outcomes(passed=1, deselected=1)
    run.runpytest_subprocess("-m", "full").assert_outcomes(passed=1, deselected=1)
    run.runpytest_subprocess("-m", "full or not full").assert_outcomes(passed=2)


POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {}}
"""


def test_with_own_manifests_their_proofs_are_collected_from_the_package(run: pytest.Pytester) -> None:
    write(run, "manifests/policy.yaml", POLICY)
    run.makepyfile("def test_mine(): pass")
    collected = run.runpytest_subprocess("--manifests=manifests", "-m", "isolation", "--collect-only", "-q")
    collected.stdout.fnmatch_lines(["isolation of --manifests=manifests::test_the_cluster_does_as_the_policies_say"])
    collected.stdout.no_fnmatch_line("*test_mine*")
    assert log(run) == []


def test_a_wrong_manifest_or_table_is_told_before_a_cluster_is_made(run: pytest.Pytester) -> None:
    write(run, "manifests/policy.yaml", POLICY + "---\n" + POLICY.replace("podSelector", "podSelektor"))
    result = run.runpytest_subprocess("--manifests=manifests", "-m", "isolation")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*policy.yaml:11: NetworkPolicy/db: unknown field spec.podSelektor*"])
    write(run, "manifests/policy.yaml", POLICY)
    write(run, "table.yaml", "actors: {}\nconnektions: ''\n")
    result = run.runpytest_subprocess("--manifests=manifests", "--isolation-expectations=table.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*table.yaml:2: connektions: is not known here*"])
    assert log(run) == []


TABLE = """
actors: {db: {namespace: shop, labels: {app: db}}, outside: external}
connections: |
  from/to  db:1
  outside  deny
  db       allow
"""


def test_whom_the_manifests_do_not_hold_is_told_before_a_cluster_is_made(run: pytest.Pytester) -> None:
    write(run, "manifests/policy.yaml", POLICY.replace("podSelector: {}", "podSelector: {matchLabels: {app: dp}}"))
    write(run, "table.yaml", TABLE)
    result = run.runpytest_subprocess("--manifests=manifests", "--isolation-expectations=table.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *table.yaml:2: actor db: is nobody: of the pods of namespace shop *"])
    assert log(run) == []


def test_a_table_that_would_be_held_against_nothing_is_a_wrong_option(run: pytest.Pytester) -> None:
    write(run, "table.yaml", TABLE)
    result = run.runpytest_subprocess("--isolation-expectations=table.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --isolation-expectations: *give the manifests that it speaks of *--manifests"])
    write(run, "case/invoice-app/kustomization.yaml", "")
    result = run.runpytest_subprocess("--isolation-expectations=table.yaml", "--manifests=case")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--manifests is a version of the case, which has a table of its own*"])
    assert log(run) == []


NATIVE = """
[tool.pytest]
harness_keep_cluster = true
harness_cluster_name = 101
harness_patience = 2
harness_chaos_duration = 2.5
harness_allow_context = ["a", "b"]
timeout = 20
"""


def test_options_in_pytest_s_native_toml_table_have_their_own_types(run: pytest.Pytester) -> None:
    (run.path / "tox.ini").unlink()
    write(run, "pyproject.toml", NATIVE)
    run.makepyfile(
        """
        def test_it(settings, pytestconfig):
            assert settings.keep_cluster
            assert (settings.name, settings.patience, settings.chaos_duration) == ("101", 2, 2.5)
            assert settings.allow_context == ("a", "b")
            assert pytestconfig.option.timeout == 40
        """
    )
    run.runpytest_subprocess().assert_outcomes(passed=1)
    run.runpytest_subprocess("--help").stdout.fnmatch_lines(["*harness_keep_cluster*"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("harness_patience = [1]", "ERROR: ini key harness_patience: [[]1] is not allowed: must be a number"),
        ("timeout = [1]", "ERROR: the timeout of a test is not a number of seconds: [[]1]"),
    ],
)
def test_a_value_of_a_wrong_type_in_it_is_a_usage_error(run: pytest.Pytester, line: str, said: str) -> None:
    (run.path / "tox.ini").unlink()
    write(run, "pyproject.toml", f"[tool.pytest]\n{line}\n")
    result = run.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


ALL_SORTS = """
import pytest
from harness.errors import ClusterError

@pytest.mark.xdist_group("one")
@pytest.mark.timeout(200)
def test_passes(cluster): pass

def test_fails(cluster): raise ClusterError("on purpose")

@pytest.mark.skip
def test_skips(): pass
"""


@pytest.mark.parametrize("name", ["junitxml", "terminal", "cacheprovider", "xdist", "timeout", "capture", "logging"])
def test_each_plugin_of_pytest_that_the_harness_speaks_to_can_be_switched_off(run: pytest.Pytester, name: str) -> None:
    run.makepyfile(ALL_SORTS)
    result = run.runpytest_subprocess("-p", f"no:{name}", "--patience=2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED, result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert report(run)["totals"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert (run.path / "artifacts" / "junit.xml").exists() == (name != "junitxml")


@pytest.mark.parametrize(
    ("source", "folder"),
    [("", "artifacts"), ("option", "out"), ("option", "out/below"), ("variable", "out/below"), ("ini", "out/below")],
)
def test_an_artifacts_folder_that_cannot_be_made_is_told_before_anything_runs(
    run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str, folder: str
) -> None:
    write(run, folder.removesuffix("/below"), "")
    run.makepyfile("import pathlib\ndef test_it(cluster): pathlib.Path('ran').touch()")
    options = [f"--artifacts={folder}"] if source == "option" else []
    if source == "variable":
        monkeypatch.setenv("HARNESS_ARTIFACTS", folder)
    if source == "ini":
        run.makeini(f"[pytest]\nharness_artifacts = {folder}\n")

    result = run.runpytest_subprocess(*options)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: the artifacts folder {run.path}/{folder} cannot be written: * is no folder; *"]
    )
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert not (run.path / "ran").exists()
    assert log(run) == []


SHOWS_PATHS = """
def test_it(settings):
    assert (settings.manifests / "policy.yaml").read_text().endswith("# ours")
    assert str(settings.artifacts).endswith(ARTIFACTS)
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "workers"])
def test_a_path_of_the_ini_file_is_seen_from_there_and_others_from_where_one_is(
    run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    run.makeini("[pytest]\nharness_manifests = deploy\nharness_artifacts = out\n")
    write(run, "deploy/policy.yaml", f"{POLICY}# ours")
    write(run, "sub/given/policy.yaml", f"{POLICY}# ours")
    write(run, "sub/test_it.py", SHOWS_PATHS.replace("ARTIFACTS", repr(f"{run.path}/out")))
    monkeypatch.chdir(run.path / "sub")
    options = ("-k", "test_it.py", *workers)
    assert run.runpytest_subprocess(*options).ret == pytest.ExitCode.OK
    assert (run.path / "out" / "report.json").exists()

    write(run, "sub/test_it.py", SHOWS_PATHS.replace("ARTIFACTS", repr(f"{run.path}/sub/here")))
    (run.path / "deploy" / "policy.yaml").unlink()
    assert run.runpytest_subprocess(*options, "--manifests=given", "--artifacts=here").ret == pytest.ExitCode.OK
    assert (run.path / "sub" / "here" / "report.json").exists()


def test_artifacts_are_at_the_root_where_nothing_says_otherwise(
    run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, "sub/test_it.py", "def test_it(): pass")
    monkeypatch.chdir(run.path / "sub")
    run.runpytest_subprocess().assert_outcomes(passed=1)
    assert (run.path / "artifacts" / "report.json").exists()


def test_an_error_in_a_proof_of_the_users_own_is_told_in_words_and_in_a_test_of_theirs_with_its_place(
    run: pytest.Pytester,
) -> None:
    here = "import pathlib, stand_in_wiring, harness.plugin\nharness.plugin.PROOFS = pathlib.Path(__file__).parent\n"
    run.makeconftest(f"{here}pytest_plugins = ['harness.plugin']\n")
    test = "from harness.errors import ManifestError\ndef test_it(): raise ManifestError('a.yaml:1', 'x', 'is wrong')"
    write(run, "test_proof.py", test)
    write(run, "theirs/test_theirs.py", test)

    result = run.runpytest_subprocess("test_proof.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["ManifestError: a.yaml:1: x: is wrong"])
    result.stdout.no_fnmatch_line("*raise ManifestError*")
    result = run.runpytest_subprocess("theirs")
    result.stdout.fnmatch_lines(["*raise ManifestError*"])


def test_what_a_run_may_have_left_on_a_cluster_is_looked_for_by_the_next_that_joins_it(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(cluster): pass")
    for run_id in ("aaaa", "bbbb"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_RUN_ID", run_id)
            options = ("--cluster-name=mine", "--keep-cluster", "-n", "2")
            run.runpytest_subprocess(*options).assert_outcomes(passed=1)
    assert log(run) == ["create mine", "clear aaaa"]


def test_a_test_has_the_marker_of_its_folder(run: pytest.Pytester) -> None:
    for folder in (
        "scenarios/e2e",
        "scenarios/isolation",
        "scenarios/access",
        "scenarios/chaos",
        "tests/live",
        "other",
    ):
        write(run, f"{folder}/test_{folder.replace('/', '_')}.py", "def test_it(): pass")
    for marker in ("e2e", "isolation", "access", "chaos", "live"):
        result = run.runpytest_subprocess("-m", marker)
        result.assert_outcomes(passed=1, deselected=5)


def test_an_error_in_making_the_cluster_is_told_in_words_and_other_tests_run(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(cluster): pass\ndef test_two(case): pass\ndef test_three(): pass")
    result = run.runpytest_subprocess("--cluster-name=broken")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["ClusterError: the stand-in cannot be made"])
    assert "Traceback" not in result.stdout.str()
    assert "stand_in_wiring.py" not in result.stdout.str()


def test_an_error_of_ours_in_a_users_test_is_told_with_their_line_and_none_of_our_source(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        from harness.kube.wait import wait_until

        def fails():
            raise ValueError("the cause")

        def test_one():
            wait_until("the moon to rise", lambda: False, seconds=0)
        """
    )

    said = run.runpytest_subprocess().stdout.str()

    assert "waited 0 s for the moon to rise" in said
    assert 'wait_until("the moon to rise"' in said
    assert "def wait_until" not in said
    assert "def wait_until" in run.runpytest_subprocess("--full-trace").stdout.str()


def test_a_failed_test_leaves_a_bundle_that_the_report_names(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(cluster): assert False\ndef test_two(): assert False")
    result = run.runpytest_subprocess()
    result.assert_outcomes(failed=2)
    first, second = report(run)["tests"]
    assert (Path(first["bundle"]) / "collected").exists()
    assert Path(first["bundle"]).is_relative_to(run.path / "artifacts" / "runs")
    assert second["bundle"] == ""
    assert first["bundle"] in result.stdout.str()


def test_of_many_failures_the_first_five_have_bundles(run: pytest.Pytester) -> None:
    run.makepyfile(
        "import pytest\n@pytest.mark.parametrize('number', range(8))\ndef test_one(cluster, number): assert False"
    )
    run.runpytest_subprocess().assert_outcomes(failed=8)
    assert [bool(test["bundle"]) for test in report(run)["tests"]] == [True] * 5 + [False] * 3


def test_both_reports_are_always_written(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import pytest
        def test_passes(cluster): pass
        def test_fails(): assert 1 == 2
        def test_skips(): pytest.skip("no wish")
        @pytest.fixture
        def broken(): raise RuntimeError("in setup")
        def test_breaks(broken): pass
        """
    )
    run.runpytest_subprocess()
    assert report(run)["totals"] == {"passed": 1, "failed": 1, "skipped": 1, "error": 1}
    assert report(run)["exit_status"] == 1
    reasons = {test["id"].split("::")[1]: test["reason"] for test in report(run)["tests"]}
    assert reasons["test_skips"] == "Skipped: no wish"
    assert reasons["test_breaks"] == "RuntimeError: in setup"
    suite = ET.parse(run.path / "artifacts" / "junit.xml").getroot()  # noqa: S314 -- written by pytest just now
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["harness.run"] == report(run)["run"]
    assert "harness.phase.stand-in created" in properties


def test_a_file_that_cannot_be_collected_is_in_the_report_and_costs_no_cluster(run: pytest.Pytester) -> None:
    write(run, "test_a.py", "import not_there")
    write(run, "test_b.py", "def test_one(cluster): pass")
    run.runpytest_subprocess()
    assert report(run)["totals"] == {"error": 1}
    assert log(run) == []


def test_the_users_own_junit_file_is_left_to_them(run: pytest.Pytester) -> None:
    run.makepyfile("def test_nothing(): pass")
    run.runpytest_subprocess("--junitxml=mine.xml")
    assert (run.path / "mine.xml").exists()
    assert not (run.path / "artifacts" / "junit.xml").exists()


def test_the_phases_are_shown(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(cluster): pass")
    result = run.runpytest_subprocess("--cluster-name=mine")
    result.stdout.fnmatch_lines(["harness: * (auto) cluster mine, run *", "*stand-in created * s*"])


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ("prod", "ERROR: the context prod is refused: its name, prod, has 'prod' in it*--allow-context=prod"),
        ("none", "ERROR: --cluster-context: * has no context 'none': it has prod"),
    ],
)
def test_a_context_that_may_not_be_used_ends_the_run_before_anything_is_asked(
    run: pytest.Pytester, context: str, said: str
) -> None:
    run.makepyfile("def test_one(cluster): pass")
    prod = {"name": "prod", "context": {"cluster": "c", "user": "u"}}
    config = {"contexts": [prod], "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1"}}]}
    (run.path / "config").write_text(json.dumps(config))

    result = run.runpytest_subprocess("--cluster=existing", "--kubeconfig=config", f"--cluster-context={context}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert log(run) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--cluster=kid"],
            "ERROR: --cluster: 'kid' is not allowed: must be one of auto, embedded, kind, minikube, existing",
        ),
        (["--isolation-worlds=many"], "ERROR: --isolation-worlds: 'many' is not allowed: must be a whole number"),
    ],
)
def test_a_wrong_option_ends_the_run_before_anything_is_changed(
    run: pytest.Pytester, arguments: list[str], said: str
) -> None:
    run.makepyfile("def test_one(cluster): pass")
    result = run.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert log(run) == []


def test_options_come_from_the_ini_file_too(run: pytest.Pytester) -> None:
    run.makeini("[pytest]\nharness_cluster_name = from-ini\nharness_artifacts = out\n")
    run.makepyfile("def test_one(cluster): assert cluster.name == 'from-ini'")
    run.runpytest_subprocess().assert_outcomes(passed=1)
    assert (run.path / "out" / "report.json").exists()


def test_the_users_kubeconfig_is_hidden_from_the_run(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/somebody/else")
    run.makepyfile("import os\ndef test_one(): assert 'KUBECONFIG' not in os.environ")
    run.runpytest_subprocess().assert_outcomes(passed=1)


def test_every_test_has_a_timeout_where_none_is_set(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(pytestconfig): assert pytestconfig.getoption('timeout') == 300")
    run.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_timeout_of_the_user_stays(run: pytest.Pytester) -> None:
    run.makeini("[pytest]\ntimeout = 7\n")
    run.makepyfile("def test_one(pytestconfig): assert pytestconfig.getoption('timeout') == 7")
    run.runpytest_subprocess().assert_outcomes(passed=1)


def test_patience_multiplies_every_deadline_that_of_a_test_too(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import pytest
        from harness.kube.wait import patient
        from pytest_timeout import _get_item_settings

        def test_one(pytestconfig, request):
            assert patient(2) == 6
            assert pytestconfig.getoption("timeout") == 900
            assert _get_item_settings(request.node).timeout == 900

        @pytest.mark.timeout(50)
        def test_two(request):
            assert _get_item_settings(request.node).timeout == 150

        @pytest.mark.timeout(timeout=50, method="thread")
        def test_three(request):
            assert _get_item_settings(request.node).timeout == 150
            assert _get_item_settings(request.node).method == "thread"

        @pytest.mark.timeout(method="thread")
        def test_four(request):
            assert _get_item_settings(request.node).timeout == 900
        """
    )
    run.runpytest_subprocess("--patience=3").assert_outcomes(passed=4)


def test_an_assertion_of_a_promise_that_fails_is_told_from_means_that_fail(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import threading
        import pytest
        from harness.errors import ClusterError

        pytestmark = pytest.mark.promise
        def test_promise(): assert False
        def test_says_it_itself(): pytest.fail("no")
        def test_means(): raise ClusterError("gone")
        @pytest.mark.timeout(0.01)
        def test_takes_too_long(): threading.Event().wait()
        def test_fine(): pass
        """
    )
    run.runpytest_subprocess().assert_outcomes(passed=1, failed=4)
    assert [one["promise_broken"] for one in report(run)["tests"]] == [True, True, False, False, False]


def test_what_a_teardown_finds_is_no_accident_since_the_tests_before_it_are_not_run_again(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import pytest
        from harness.errors import ClusterError, PolicyNotEnforced

        @pytest.fixture
        def left():
            yield
            assert False

        @pytest.fixture
        def unenforced():
            yield
            raise PolicyNotEnforced("it died")

        @pytest.fixture
        def unreachable():
            yield
            raise ClusterError("gone")

        def test_leaves(left): pass
        def test_believes(unenforced): pass
        def test_cannot_reach(unreachable): pass
        """
    )
    run.runpytest_subprocess().assert_outcomes(passed=3, errors=3)
    assert [one["promise_broken"] for one in report(run)["tests"]] == [True, True, False]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_cluster_that_cannot_be_cleared_away_fails_the_run(
    run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("STAND_IN_STAYS", "1")
    run.makepyfile("def test_one(cluster): pass")

    result = run.runpytest_subprocess(*workers)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["LEFT BEHIND: ClusterError: cluster harness-* does not go"])
    left = report(run)["tests"][-1]
    assert (left["id"], left["outcome"], left["promise_broken"]) == ("the end of the run", "error", True)
    assert report(run)["exit_status"] == 1


def test_history_is_one_run_of_chaos_on_the_case_for_all_who_ask_and_its_stage_is_left_before_the_cluster(
    run: pytest.Pytester,
) -> None:
    run.makepyfile("def test_one(history): assert history == 'a run on mine'\ndef test_two(history): test_one(history)")
    run.runpytest_subprocess("--cluster-name=mine").assert_outcomes(passed=2)
    assert log(run) == ["create mine", "chaos on mine", "leave the stage on mine", "delete mine"]


PYTEST_KIND = """
def pytest_addoption(parser):
    for name in ("--kubeconfig", "--kind-image", "--kind-bin", "--kind-kubectl-bin"):
        parser.addoption(name, default=None)
    parser.addoption("--cluster-name", default="pytest-kind")
    parser.addoption("--keep-cluster", action="store_true")
"""


@pytest.mark.parametrize("first", ["harness", "pytest-kind"])
def test_pytest_kinds_options_are_its_own_whichever_is_loaded_first(
    run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    write(run, "site/pytest_kind/plugin.py", PYTEST_KIND)
    write(run, "site/pytest_kind-22.11.1.dist-info/METADATA", "Name: pytest-kind\nVersion: 22.11.1\n")
    write(run, "site/pytest_kind-22.11.1.dist-info/entry_points.txt", "[pytest11]\npytest-kind=pytest_kind.plugin\n")
    monkeypatch.setenv("PYTHONPATH", f"{run.path / 'site'}{os.pathsep}{os.environ['PYTHONPATH']}")
    run.makepyfile("def test_one(cluster): assert cluster.name == 'theirs'")
    if first == "harness":  # as an installed plugin that is found before pytest-kind
        run.makeconftest("import stand_in_wiring\n")
        result = run.runpytest_subprocess("-p", "harness.plugin", "--cluster-name=theirs")
    else:
        result = run.runpytest_subprocess("--cluster-name=theirs")
    result.assert_outcomes(passed=1)


def test_an_installed_plugin_and_the_checkouts_conftest_are_one(
    run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, "site/k8s_harness-0.1.0.dist-info/METADATA", "Name: k8s-harness\nVersion: 0.1.0\n")
    write(run, "site/k8s_harness-0.1.0.dist-info/entry_points.txt", "[pytest11]\nharness.plugin=harness.plugin\n")
    monkeypatch.setenv("PYTHONPATH", f"{run.path / 'site'}{os.pathsep}{os.environ['PYTHONPATH']}")
    run.makepyfile("def test_one(cluster): pass")
    run.runpytest_subprocess("--cluster-name=mine").assert_outcomes(passed=1)
    assert log(run) == ["create mine", "delete mine"]


def test_a_plan_is_told_in_place_of_running_the_tests_that_were_collected(run: pytest.Pytester) -> None:
    write(run, "scenarios/e2e/test_one.py", "def test_one(case): raise AssertionError\n")
    write(run, "test_two.py", "def test_two(cluster): raise AssertionError\n")

    result = run.runpytest_subprocess("--plan", "-m", "e2e")

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*1 deselected*"])
    assert "this is a plan" in result.stderr.str()
    assert "e2e wants case" in result.stderr.str()
    assert log(run) == []
    assert not (run.path / "artifacts").exists()


def test_a_plan_of_a_cluster_that_cannot_be_read_is_one_message(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(cluster): pass")

    result = run.runpytest_subprocess("--plan", "--cluster-name=broken")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "it does not answer" in result.stderr.str() + result.stdout.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_a_plan_needs_no_workers(run: pytest.Pytester) -> None:
    run.makepyfile("def test_one(cluster): pass")

    result = run.runpytest_subprocess("--plan", "-n", "2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--plan runs no test, and needs no workers: leave out -n" in result.stderr.str()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_interrupts_a_run_lets_go_of_the_cluster(run: pytest.Pytester, number: signal.Signals) -> None:
    run.makepyfile(f"import os\ndef test_one(cluster): os.kill(os.getpid(), {number:d})")
    result = run.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [line.split()[0] for line in log(run)] == ["create", "delete"]
    assert report(run)["exit_status"] == pytest.ExitCode.INTERRUPTED


def test_the_cluster_of_a_killed_run_is_no_longer_held(run: pytest.Pytester) -> None:
    run.makepyfile(f"import os\ndef test_one(cluster): os.kill(os.getpid(), {signal.SIGKILL:d})")
    run.runpytest_subprocess("--cluster-name=mine")
    run.makepyfile("def test_one(cluster): pass")
    run.runpytest_subprocess("--cluster-name=mine").assert_outcomes(passed=1)
    assert log(run) == ["create mine", "sweep mine", "create mine", "delete mine"]
