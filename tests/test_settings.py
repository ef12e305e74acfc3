"""Options: where they come from, which source wins, and what is said about a wrong one."""

import argparse
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import choice, engine
from harness.engine import Engine
from harness.errors import SettingsError
from harness.paths import ENTERED, KIND_MADE, NODE_SPECIFIED
from harness.settings import OPTIONS, PYTEST_KIND_OPTIONS, Settings, add_options, from_ini, gather


def settings(
    command_line: dict[str, object] | None = None,
    environment: dict[str, str] | None = None,
    ini: Mapping[str, object] | None = None,
) -> Settings:
    return gather(command_line or {}, {"HOME": "/home/somebody", **(environment or {})}, ini)


def test_the_options_are_those_of_the_interface() -> None:
    assert {option.flag for option in OPTIONS} == {
        *("--cluster", "--cluster-context", "--cluster-cni", "--artifacts", "--manifests"),
        *("--isolation-worlds", "--isolation-seed", "--isolation-expectations"),
        *("--access-expectations", "--access-live"),
        *("--chaos-seed", "--chaos-duration", "--chaos-plan", "--chaos-engine", "--chaos-runner", "--litmus-python"),
        *("--image-prefix", "--ingress-url", "--ingress-class", "--ingress-selector"),
        *("--allow-context", "--allow-ephemeral", "--minikube-addons", "--plan", "--patience"),
        *("--cluster-name", "--keep-cluster", "--kubeconfig", "--kind-image", "--kind-bin", "--kind-kubectl-bin"),
    }


def test_an_empty_value_on_the_command_line_is_a_variable_that_was_not_set() -> None:
    with pytest.raises(SettingsError, match="--chaos-plan: is empty, as of a variable that is not set"):
        settings({"chaos_plan": ""})
    assert settings({}, {"HARNESS_CHAOS_PLAN": ""}).chaos_plan is None


def test_every_option_has_a_help_text() -> None:
    assert [option.flag for option in OPTIONS if not option.help] == []


def test_the_command_line_wins_over_the_environment_and_that_over_the_ini_file() -> None:
    environment, ini = {"HARNESS_CHAOS_SEED": "2"}, {"harness_chaos_seed": "3"}

    assert settings({"chaos_seed": "1"}, environment, ini).chaos_seed == 1
    assert settings({}, environment, ini).chaos_seed == 2
    assert settings({}, {}, ini).chaos_seed == 3
    assert settings().chaos_seed is None


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (
            ({"cluster": "kid"}, {}, {}),
            "--cluster: 'kid' is not allowed: must be one of auto, embedded, kind, minikube, existing",
        ),
        (
            ({}, {"HARNESS_CLUSTER": "kid"}, {}),
            "environment variable HARNESS_CLUSTER: 'kid' is not allowed: must be one of auto",
        ),
        (({}, {}, {"harness_cluster": "kid"}), "ini key harness_cluster: 'kid' is not allowed: must be one of auto"),
        (({"isolation_worlds": "0"}, {}, {}), "--isolation-worlds: '0' is not allowed: must be greater than 0"),
        (
            ({"manifests": "/not/there"}, {}, {}),
            "--manifests: '/not/there' is not allowed: must exist: there is no /not/there",
        ),
        (({"patience": "1001"}, {}, {}), "--patience: '1001' is not allowed: must be 1000 at most"),
        (({"chaos_duration": "inf"}, {}, {}), "--chaos-duration: 'inf' is not allowed: must be a number"),
        (({"patience": "inf"}, {}, {}), "--patience: 'inf' is not allowed: must be a number"),
        (({"isolation_seed": "x"}, {}, {}), "--isolation-seed: 'x' is not allowed: must be a whole number"),
        (({"chaos_duration": "x"}, {}, {}), "--chaos-duration: 'x' is not allowed: must be a number"),
        (({"isolation_expectations": "/"}, {}, {}), "/ is held against nothing: give the manifests that it speaks of"),
        (
            ({}, {"HARNESS_KEEP_CLUSTER": "perhaps"}, {}),
            "environment variable HARNESS_KEEP_CLUSTER: 'perhaps' is not allowed: must be true or false",
        ),
        (({"ingress_url": "127.0.0.1:80"}, {}, {}), "must be a base URL such as http://127.0.0.1:8080"),
        (({"cluster_name": "Über"}, {}, {}), "must be at most 40 of a-z, 0-9 and -"),
        (({"chaos_engine": "/", "chaos_plan": "/"}, {}, {}), "/ takes the place of a plan: give it or --chaos-plan"),
        (({"chaos_runner": "operator"}, {}, {}), "there is nothing to run: name a file with --chaos-engine"),
        (({"litmus_python": "/"}, {}, {}), "it is used with --chaos-runner=litmus-python only"),
        (({"cluster": "existing"}, {}, {}), "--cluster: an existing cluster must be named with --cluster-context"),
        (({}, {"HARNESS_RUN_ID": "../up"}, {}), "environment variable HARNESS_RUN_ID: '../up' is not allowed"),
        (({}, {"HARNESS_RUN_ID": "r" * 33}, {}), "must be at most 32 of a-z, 0-9 and -"),
    ],
)
def test_a_wrong_value_is_named_with_its_source_and_what_is_allowed(
    sources: tuple[dict[str, object], dict[str, str], dict[str, object]], said: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(*sources)
    assert said in str(raised.value)


def test_all_wrong_values_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        settings({"cluster": "kid"}, {"HARNESS_CHAOS_SEED": "x"})
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [
        "--cluster",
        "environment variable HARNESS_CHAOS_SEED",
    ]


def test_pytest_kinds_defaults_count_as_unset() -> None:
    defaults: dict[str, object] = {"cluster_name": "pytest-kind", "keep_cluster": False, "kubeconfig": None}
    environment = {"HARNESS_CLUSTER_NAME": "mine", "HARNESS_KEEP_CLUSTER": "1"}

    assert settings(defaults).name.startswith("harness-")
    assert settings(defaults, environment).name == "mine"
    assert settings(defaults, environment).keep_cluster


def test_two_runs_have_clusters_of_different_names() -> None:
    assert settings().name != settings().name
    assert settings().name.startswith("harness-r")


def test_a_run_s_id_begins_with_a_letter_so_that_no_reader_takes_it_for_a_number() -> None:
    assert settings().run_id[0].isalpha()


def test_an_id_that_is_given_is_used_whole() -> None:
    names = [
        settings({}, {"HARNESS_RUN_ID": run}).name for run in ("pipeline-101", "pipeline-102", "build-1-a", "r" * 32)
    ]

    assert names == ["harness-pipeline-101", "harness-pipeline-102", "harness-build-1-a", f"harness-{'r' * 32}"]
    assert [settings({"cluster_name": name}).name for name in names] == names


def test_a_worker_has_the_run_and_the_cluster_of_its_controller() -> None:
    controller = settings()
    worker = gather({}, {"HOME": "/home/somebody"}, run_id=controller.run_id)
    assert (worker.run_id, worker.name) == (controller.run_id, controller.name)


def test_a_list_is_given_by_repeating_or_with_commas() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser.add_argument)
    given = vars(parser.parse_args(["--allow-context=a", "--allow-context=b"]))

    assert settings(given).allow_context == ("a", "b")
    assert settings({}, {"HARNESS_ALLOW_CONTEXT": "a, b"}).allow_context == ("a", "b")


NATIVE = """
harness_keep_cluster = true
harness_access_live = false
harness_cluster_name = 101
harness_chaos_seed = 7
harness_chaos_duration = 2.5
harness_patience = 2
harness_allow_context = ["a", "b", 3]
harness_minikube_addons = []
harness_cluster_context = 2026-11-30
timeout = 5
"""


def test_values_of_toml_s_own_types_are_those_that_their_text_would_be() -> None:
    found = from_ini(tomllib.loads(NATIVE), Path("/project"))

    assert set(found) == {f"harness_{word}" for word in re.findall(r"harness_(\w+)", NATIVE)}
    read = settings({}, {}, found)
    assert (read.keep_cluster, read.access_live) == (True, False)
    assert (read.cluster_name, read.chaos_seed, read.chaos_duration, read.patience) == ("101", 7, 2.5, 2)
    assert (read.allow_context, read.minikube_addons) == (("a", "b", "3"), ())
    assert read.cluster_context == "2026-11-30"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("chaos_seed = true", "harness_chaos_seed: 'true' is not allowed: must be a whole number"),
        ("chaos_seed = 1.5", "harness_chaos_seed: '1.5' is not allowed: must be a whole number"),
        ("chaos_seed = [1]", "harness_chaos_seed: [1] is not allowed: must be a whole number"),
        ("patience = {a = 1}", "harness_patience: {'a': 1} is not allowed: must be a number"),
        ("patience = inf", "harness_patience: 'inf' is not allowed: must be a number"),
        ("keep_cluster = 7", "harness_keep_cluster: '7' is not allowed: must be true or false"),
        ("keep_cluster = [true]", "harness_keep_cluster: [True] is not allowed: must be true or false"),
        ("cluster = ['kind']", "harness_cluster: ['kind'] is not allowed: must be one of auto"),
        ("kind_image = ['a', 'b']", "harness_kind_image: ['a', 'b'] is not allowed: must be text"),
        ("manifests = ['a']", "harness_manifests: ['a'] is not allowed: must be a path"),
        ("artifacts = {a = 1}", "harness_artifacts: {'a': 1} is not allowed: must be a path"),
        ("allow_context = [['a']]", "harness_allow_context: [['a']] is not allowed: must be text"),
        ("allow_context = {a = 1}", "harness_allow_context: {'a': 1} is not allowed: must be a list of texts"),
    ],
)
def test_a_value_of_a_type_that_the_option_cannot_have_is_refused_in_words(written: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        settings({}, {}, from_ini(tomllib.loads(f"harness_{written}"), Path("/project")))


@pytest.mark.parametrize(
    "prefix",
    ["registry.example.com", "registry.example.com/team", "localhost:5000/a/b_c", "127.0.0.1:5000", "host:1/x"],
)
def test_a_prefix_of_images_is_a_registry_with_a_path(prefix: str) -> None:
    assert settings({"image_prefix": prefix, "cluster_name": "eu"}).image_prefix == prefix


@pytest.mark.parametrize(
    "prefix", ["https://registry.example.com", "team", "example.com/Team", "example.com/team:1", "x/"]
)
def test_what_no_name_of_an_image_begins_with_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="must be a registry and a path in it"):
        settings({"image_prefix": prefix})


def test_images_are_pushed_for_existing_clusters_only() -> None:
    with pytest.raises(SettingsError, match=r"--image-prefix: images are loaded onto the nodes of a cluster of ours"):
        settings({"image_prefix": "example.com/team", "cluster": "embedded"})


PATHS = (
    *("artifacts", "manifests", "isolation_expectations", "access_expectations", "chaos_plan", "chaos_engine"),
    *("litmus_python", "kubeconfig", "kind_bin", "kind_kubectl_bin"),
)


def test_the_options_that_are_paths() -> None:
    assert {option.field for option in OPTIONS if option.is_path} == set(PATHS)


@pytest.mark.parametrize("field", PATHS)
def test_a_path_of_the_ini_file_is_seen_from_there_and_others_from_where_one_is(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "there").touch()
    (below / "there").touch()
    monkeypatch.chdir(below)
    with_it = {
        "isolation_expectations": {"manifests": "/"},
        "litmus_python": {"chaos_runner": "litmus-python", "chaos_engine": "/"},
    }
    needed: dict[str, object] = dict(with_it.get(field, {}))

    def read(**sources: object) -> Path:
        given: Any = {"command_line": needed, **sources}
        found: Path = getattr(settings(**given), field)
        return found.absolute()

    key, variable = f"harness_{field}", f"HARNESS_{field.upper()}"
    assert read(ini=from_ini({key: "there"}, tmp_path)) == tmp_path / "there"
    assert read(ini=from_ini({key: str(below / "there")}, tmp_path)) == below / "there"
    assert read(environment={variable: "there"}) == below / "there"
    assert read(command_line={**needed, field: "there"}) == below / "there"


def test_pytest_kinds_options_can_be_left_to_it() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser.add_argument, without=PYTEST_KIND_OPTIONS)
    assert not PYTEST_KIND_OPTIONS & set(vars(parser.parse_args([])))


@pytest.mark.parametrize(
    ("answers", "installed", "provider"),
    [(True, True, "kind"), (True, False, "embedded"), (False, True, "embedded")],
)
def test_auto_is_kind_where_an_engine_answers_and_pytest_kind_is_there(
    answers: bool,  # noqa: FBT001 -- a column of the table
    installed: bool,  # noqa: FBT001
    provider: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "found", lambda: Engine("docker") if answers else None)
    monkeypatch.setattr(choice, "find_spec", lambda _: installed or None)
    assert settings().provider == provider


def test_auto_is_the_existing_cluster_that_was_entered_under_the_name(tmp_path: Path) -> None:
    found = settings({"cluster_name": "eu"}, {"XDG_STATE_HOME": str(tmp_path)})
    found.paths.cluster("eu").mkdir(parents=True)
    (found.paths.cluster("eu") / ENTERED).touch()

    assert found.provider == "existing"
    assert found.labels("harness")["harness.dev/place"] == found.place
    assert not found.may_attach
    assert settings({"cluster_name": "us"}, {"XDG_STATE_HOME": str(tmp_path)}).provider != "existing"


def test_auto_is_the_embedded_cluster_that_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "found", lambda: Engine("docker"))
    found = settings({"cluster_name": "eu"}, {"XDG_STATE_HOME": str(tmp_path)})
    found.paths.cluster("eu").mkdir(parents=True)
    (found.paths.cluster("eu") / NODE_SPECIFIED).touch()

    assert found.provider == "embedded"


def test_auto_is_the_cluster_of_kind_that_has_the_name(tmp_path: Path) -> None:
    found = settings({"cluster_name": "eu"}, {"XDG_STATE_HOME": str(tmp_path)})
    found.paths.cluster("eu").mkdir(parents=True)
    (found.paths.cluster("eu") / KIND_MADE).touch()

    assert found.provider == "kind"
    assert found.may_attach
    assert "harness.dev/place" not in found.labels("harness")


def entered(kubeconfig: Path, context: str) -> Settings:
    return settings({"cluster": "existing", "kubeconfig": str(kubeconfig), "cluster_context": context})


def test_an_existing_cluster_has_the_same_name_in_every_run(tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    (tmp_path / "other").touch()
    names = [
        entered(tmp_path / file, context).name
        for file, context in (
            ("config", "admin@eu-1.example.com:6443"),
            ("config", "admin@eu-1.example.com:6443"),
            ("other", "admin@eu-1.example.com:6443"),
            ("config", "東京"),
            ("config", "c" * 200),
        )
    ]

    assert names[0] == names[1] != names[2]
    assert names[0].startswith("admin-eu-1-example-com-6443-")
    assert names[3].startswith("context-")
    assert all(len(name) <= 40 for name in names)


def test_what_is_made_on_our_own_clusters_names_no_place() -> None:
    assert "harness.dev/place" not in settings().labels("harness")


def test_paths_follow_the_xdg_rules() -> None:
    assert settings().paths.cache == Path("/home/somebody/.cache/harness")
    assert settings().paths.state == Path("/home/somebody/.local/state/harness")
    named = settings({}, {"XDG_CACHE_HOME": "/var/c", "XDG_STATE_HOME": "not/absolute"}).paths
    assert named.cache == Path("/var/c/harness")
    assert named.state == Path("/home/somebody/.local/state/harness")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings().name = "other"


def test_a_path_that_cannot_be_looked_at_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"--manifests: .* is not allowed: must be readable: File name too long"):
        gather({"manifests": "a" * 300}, {})
