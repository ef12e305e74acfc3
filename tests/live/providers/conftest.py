"""What tests of providers share."""

from collections.abc import Iterator

import pytest

from .engines import Place, users_engine


@pytest.fixture(scope="session")
def users_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with an engine of the user's."""
    with users_engine(tmp_path_factory.mktemp("engine") / "docker") as place:
        yield place
