"""A user's own ChaosEngine as a user runs it: pytest on his manifests and his engine, by each runner."""

from pathlib import Path

import pytest

from .test_litmus import FAILS, HTTP, Shop, scene, shop, variables
from .user import User

__all__ = ["scene", "shop"]  # fixtures

MANIFESTS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: about, namespace: default}\n"


@pytest.fixture
def options(user: User) -> tuple[str, ...]:
    (user.folder / "shop").mkdir()
    (user.folder / "shop" / "about.yaml").write_text(MANIFESTS)
    return ("--manifests=shop",)


def engine(shop: Shop, *probes: str) -> str:
    env = variables(total_chaos_duration=2, chaos_interval=1, force="true")
    return f"--chaos-engine={shop.file('pod-delete', env, *probes)}"


def test_experiments_run_on_his_services_and_their_verdict_is_told(
    user: User, options: tuple[str, ...], shop: Shop
) -> None:
    done = user.pytest("chaos", *options, engine(shop, HTTP))

    assert done.status == pytest.ExitCode.OK, done.said
    assert "1 passed" in done.said
    assert "shop/pod-delete, run by native: Pass (Completed)" in done.said
    [outcomes] = user.folder.glob("artifacts/runs/*/chaos/engine/outcomes.json")
    assert '"verdict": "Pass"' in outcomes.read_text()


def test_a_verdict_that_is_not_pass_fails_with_what_the_probe_saw(
    user: User, options: tuple[str, ...], shop: Shop
) -> None:
    done = user.pytest("chaos", *options, engine(shop, FAILS))

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "shop/pod-delete, run by native: Fail (Completed_With_Probe_Failure)" in done.said
    assert "Traceback" not in done.said


def test_a_runner_that_is_not_here_is_a_skip_with_the_reason(
    user: User, options: tuple[str, ...], shop: Shop, tmp_path: Path
) -> None:
    for runner, reason in (
        (("--chaos-runner=operator",), "has no Litmus: it serves no ChaosEngine"),
        (("--chaos-runner=litmus-python",), "name a checkout of it with --litmus-python PATH"),
        (("--chaos-runner=litmus-python", f"--litmus-python={tmp_path}"), "is no checkout of litmus-python"),
    ):
        done = user.pytest("chaos", *options, engine(shop), *runner)

        assert done.status == pytest.ExitCode.OK, done.said
        assert "1 skipped" in done.said
        assert reason in done.said


def test_a_mistake_in_the_file_is_told_with_its_line_before_anything_is_changed(
    user: User, options: tuple[str, ...], shop: Shop
) -> None:
    option = engine(shop)
    file = Path(option.partition("=")[2])
    file.write_text(file.read_text().replace("name: FORCE", "name: FORCES"))

    done = user.pytest("chaos", *options, option)

    assert done.status == pytest.ExitCode.USAGE_ERROR, done.said
    assert f"{file}:" in done.said
    assert "FORCES" in done.said
