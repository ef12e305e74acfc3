"""An API of a few answers, for what asks only a little of one."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any, cast

from harness.kube.client import Api, ApiError, ApiNotFound

Answer = Any
"""An object, an error to raise, or what makes either of the body that was sent."""


class FakeApi:
    """Answers by method and path; what it has no answer for is not found. It keeps what it was asked."""

    def __init__(self, answers: Mapping[tuple[str, str], Answer]) -> None:
        self.answers = dict(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def _do(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 -- JSON
        self.asked.append((method, path, body))
        answer = self.answers.get((method, path), ApiNotFound(method, path, 404, f"{path} not found"))
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(body)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get(self, path: str, **_: str) -> Any:  # noqa: ANN401 -- JSON
        return self._do("GET", path)

    def text(self, path: str) -> str:
        return str(self._do("GET", path))

    def items(self, path: str) -> Any:  # noqa: ANN401 -- JSON
        return self._do("GET", path)

    def find(self, path: str) -> Any:  # noqa: ANN401 -- JSON
        try:
            return self._do("GET", path)
        except ApiNotFound:
            return None

    def post(self, path: str, body: Any) -> Any:  # noqa: ANN401 -- JSON
        return self._do("POST", path, body)

    def put(self, path: str, body: Any) -> Any:  # noqa: ANN401 -- JSON
        return self._do("PUT", path, body)

    def delete(self, path: str, **_: Any) -> Any:  # noqa: ANN401 -- JSON
        return self._do("DELETE", path)

    def credentials(self) -> dict[str, str]:
        return {"Authorization": "Bearer admin"}

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    @property
    def real(self) -> Api:
        """The same, as what takes an Api wants it."""
        return cast("Api", self)


def refusal(status: int, message: str = "no") -> ApiError:
    """What the API server's refusal is raised as."""
    return ApiError("POST", "/x", status, message)
