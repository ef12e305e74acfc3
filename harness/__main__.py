"""``python -m harness``: see ``harness.cli``, whose own import takes a moment in which Ctrl-C may come."""

import sys

try:
    from harness.cli import main

    status = main()
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)  # noqa: T201 -- a command speaks to its user
    status = 130
sys.exit(status)
