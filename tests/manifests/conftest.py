"""Where the kustomize of these tests comes from."""

import shutil

import pytest


@pytest.fixture(scope="session")
def kustomize() -> list[str]:
    """The command that builds the folder appended to it: the project's own kubectl, or a kustomize on PATH."""
    standalone = shutil.which("kustomize")
    kubectl = shutil.which("kubectl")
    if standalone is not None:
        return [standalone, "build"]
    if kubectl is not None:
        return [kubectl, "kustomize"]
    pytest.skip("needs kubectl or kustomize on PATH")
