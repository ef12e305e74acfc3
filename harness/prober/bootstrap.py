"""Starting the agent in a container: ours has it, any other with Python is sent it."""

from pathlib import Path
from typing import Final

from harness.errors import ProbeError
from harness.kube.client import Api, ApiError
from harness.kube.exec import ExecStream
from harness.prober import agent
from harness.prober.stream import OPEN_SECONDS, AgentStream

DRIVE: Final = ("python3", "-ISu", "/prober/agent.py", "drive")
"""Without what a site has installed: it takes longer to find than the agent to start."""
OLDEST_PYTHON: Final = (3, 8)
TOO_OLD: Final = 126
"""The exit status that says so: a python3 that is too old is as good as one that cannot be executed."""

LOADER: Final = f"""\
import sys
if sys.version_info < {OLDEST_PYTHON}:
    sys.stderr.write("python3 is %s.%s" % sys.version_info[:2])
    sys.exit({TOO_OLD})
stdin = sys.stdin.buffer
exec(compile(stdin.read(int(stdin.readline())), "agent.py", "exec"))
"""
"""Reads a line with the length of the agent's source, and the source, and becomes the agent."""


class NoPython(ProbeError):
    """A container cannot run the agent: it has no python3, or one that is too old."""


def start_agent(
    api: Api, namespace: str, pod: str, container: str | None = None, *, bootstrap: bool = False
) -> AgentStream:
    """Run the agent in a container of our image, or with ``bootstrap`` in any that has Python 3.8 or newer.

    It ends with the stream, and leaves no file. Raises NoPython in a bootstrap, and ProbeError for anything else.
    """
    try:
        return _start(api, namespace, pod, container, bootstrap=bootstrap)
    except ApiError as error:
        raise ProbeError(f"no prober in pod {namespace}/{pod}: {error.output}") from error


def _start(api: Api, namespace: str, pod: str, container: str | None, *, bootstrap: bool) -> AgentStream:
    # Apart from the application: neither its folder nor its variables may change what the agent imports.
    command = ("python3", "-ISu", "-c", LOADER, "drive") if bootstrap else DRIVE
    channel = ExecStream(api, namespace, pod, command, container, seconds=OPEN_SECONDS)
    try:
        if bootstrap:
            source = Path(agent.__file__).read_bytes()
            channel.write(b"%d\n%b" % (len(source), source))
        return AgentStream(channel, channel.where)
    except ProbeError as error:
        channel.close()
        if bootstrap and channel.ending and channel.ending.never_started:
            raise NoPython(f"{channel.where} has no python3 that can run the prober: {channel.last_words()}") from error
        raise
    except BaseException:
        channel.close()
        raise
