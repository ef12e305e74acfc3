"""Where the kustomize of these tests comes from."""

import os
import shutil

import pytest

from harness.paths import Paths


@pytest.fixture(scope="session")
def kustomize() -> list[str]:
    """The command that builds the folder appended to it: the project's own kubectl where it was built, else PATH's.

    Skips where there is neither: building one takes minutes, and ``deploy`` builds these folders in every scenario.
    """
    components = Paths.from_environment(os.environ).cache / "components"
    built = sorted(components.glob("kubenode/*/kubenode"), key=lambda path: path.stat().st_mtime)
    if built:
        return [str(built[-1]), "kubectl", "kustomize"]
    if kubectl := shutil.which("kubectl"):
        return [kubectl, "kustomize"]
    if standalone := shutil.which("kustomize"):
        return [standalone, "build"]
    pytest.skip("no kubectl was built yet, and neither kubectl nor kustomize is on PATH: `nox -s up` builds it")
