"""Short image references stand for whole ones."""

import pytest

from harness.clusters.references import normalized


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("my-service:1", "docker.io/library/my-service:1"),
        ("my-service", "docker.io/library/my-service:latest"),
        ("team/my-service:1", "docker.io/team/my-service:1"),
        ("docker.io/my-service:1", "docker.io/library/my-service:1"),
        ("index.docker.io/team/my-service:1", "docker.io/team/my-service:1"),
        ("localhost/my-service:1", "localhost/my-service:1"),
        ("localhost:5000/my-service", "localhost:5000/my-service:latest"),
        ("ghcr.io/team/my-service:1", "ghcr.io/team/my-service:1"),
        ("harness.dev/prober:h1", "harness.dev/prober:h1"),
        ("my-service@sha256:00", "docker.io/library/my-service@sha256:00"),
    ],
)
def test_a_reference_is_read_as_runtimes_read_it(short: str, whole: str) -> None:
    assert normalized(short) == whole
    assert normalized(whole) == whole
