"""Loads the plugin: a checkout works without being installed. And lets the tests of Ctrl-C run from any shell."""

import signal

# A shell without job control starts what runs in its background with SIGINT ignored, and programs inherit that: those
# that a test starts to interrupt would wait for nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["harness.plugin"]
