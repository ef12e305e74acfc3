"""What all tests of the harness need."""

import signal

# A shell without job control starts what runs in its background with SIGINT ignored, and programs inherit that: the
# tests that send Ctrl-C would wait for nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
