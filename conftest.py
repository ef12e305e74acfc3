"""Loads the plugin: a checkout works without being installed. And lets the tests of Ctrl-C run from any shell."""

import signal

import pytest

# A shell without job control starts what runs in its background with SIGINT ignored, and programs inherit that: those
# that a test starts to interrupt would wait for nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["harness.plugin"]


@pytest.hookimpl(tryfirst=True)  # before Hypothesis looks for its profile
def pytest_configure(config: pytest.Config) -> None:
    """Make the profile of `nox -s full`: other examples each time, and no test held to a time, as on a busy machine."""
    if config.getoption("--hypothesis-profile", default=None) == "full":
        from hypothesis import HealthCheck, settings  # noqa: PLC0415 -- a second, for those who need it

        slow = [HealthCheck.too_slow]
        settings.register_profile("full", deadline=None, database=None, print_blob=True, suppress_health_check=slow)
