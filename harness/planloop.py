"""``--plan`` in pytest: in place of running the tests that were collected, it is told what they would do."""

from collections.abc import Collection
from contextlib import AbstractContextManager

import pytest

from harness.errors import HarnessError
from harness.settings import Settings
from harness.timeline import Timeline


class PlanLoop:
    """Takes the place of pytest's loop. ``markers`` are what tests are counted by, ``shown`` lets lines be seen."""

    def __init__(self, settings: Settings, markers: Collection[str], shown: AbstractContextManager[None]) -> None:
        self._settings, self._markers, self._shown = settings, markers, shown

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Tell it. Raises UsageError where what is there cannot be read."""
        if session.config.option.collectonly or session.testsfailed:
            return False
        from harness.preview import asked_by, preview  # noqa: PLC0415 -- the Kubernetes client, for those who need it
        from harness.wiring import looked_at  # noqa: PLC0415

        timeline = Timeline()
        asked = asked_by(
            ([one for one in self._markers if item.get_closest_marker(one)], getattr(item, "fixturenames", ()))
            for item in session.items
        )
        with self._shown:
            try:
                with looked_at(self._settings, timeline) as cluster:
                    for line in preview(self._settings, asked, cluster):
                        timeline.say(line)
            except HarnessError as error:
                raise pytest.UsageError(str(error)) from None
        return True
