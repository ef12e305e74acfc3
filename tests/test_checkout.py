"""Wherever somebody cloned it: a folder that only its owner may enter, with a blank in its name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("harness", "manifests", "services", "tests", "conftest.py", "pyproject.toml")
TESTS = (
    "tests/services/service_tests/test_postgres.py::test_the_superuser_may_not_be_the_services_role",
    "tests/services/service_tests/test_postgres.py::test_the_role_owns_its_database_and_is_no_superuser",
    "tests/images/test_build.py::test_a_dockerfile_of_two_stages_is_built_on_our_debian_and_leaves_nothing_mounted",
    "tests/manifests",
)


def test_a_checkout_that_only_its_user_may_enter_works(tmp_path: Path) -> None:
    checkout = tmp_path / "my own folder" / "check out"
    checkout.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, checkout / part)
    for path in (*checkout.rglob("*"), checkout):  # as a clone under `umask 077` is
        path.chmod(path.stat().st_mode & 0o700)
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HARNESS_", "COV_"))
    }

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS],
        cwd=checkout,
        env={**variables, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
