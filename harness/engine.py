"""Docker or Podman: whichever answers here, and how it is asked."""

import functools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.errors import CommandError, WaitTimeout
from harness.kube.kubectl import child_environment
from harness.kube.wait import patient

PROGRAMS: Final = ("docker", "podman")
CHOICE: Final = "KIND_EXPERIMENTAL_PROVIDER"
"""The variable by which kind's users choose their engine."""
LEADING: Final = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG"),
    *("CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINER_SSHKEY"),
)
"""The variables by which Docker and Podman are led to an engine."""
ANSWER_SECONDS: Final = 60.0
COMMAND_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Engine:
    """A container engine: ``docker`` or ``podman``, and those of ``LEADING`` that lead to it: no others count.

    ``folder`` is where the program lies that is not on PATH.
    """

    program: str
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """For a program that is to use this engine."""
        others = {name: value for name, value in child_environment().items() if name not in LEADING}
        return {**others, **self.leading}

    @property
    def leading(self) -> dict[str, str]:
        """The variables by which a program uses this engine."""
        search = {"PATH": f"{self.folder}:{os.environ.get('PATH', os.defpath)}"} if self.folder else {}
        return {**self.variables, **search}

    def run(self, *arguments: str, stdin: Path | None = None, seconds: float = COMMAND_SECONDS) -> str:
        """Run one of its commands and return what it printed; ``stdin`` is a file of this machine.

        Raises CommandError, with what it said, where it fails, WaitTimeout where it does not end in ``seconds``.
        """
        command = [str(Path(self.folder, self.program)), *arguments]
        with (stdin or Path(os.devnull)).open("rb") as source:
            try:
                done = subprocess.run(
                    command,
                    stdin=source,
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    check=False,
                    timeout=patient(seconds),
                    env=self.environment,
                )
            except subprocess.TimeoutExpired as expired:
                raise WaitTimeout(f"`{' '.join(command[:6])}` to end", patient(seconds)) from expired
            except FileNotFoundError as error:
                raise CommandError(
                    command, 127, f"{self.program} is not {f'in {self.folder}' if self.folder else 'on PATH'}"
                ) from error
        if done.returncode:
            raise CommandError(command, done.returncode, done.stderr + done.stdout)
        return done.stdout

    def succeeds(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> bool:
        """Whether one of its commands ends well and in time."""
        try:
            self.run(*arguments, seconds=seconds)
        except (CommandError, WaitTimeout):
            return False
        return True

    def answers(self) -> bool:
        """Whether the engine itself is there, and not only the program that asks it."""
        return self.succeeds("info", seconds=ANSWER_SECONDS)

    def can_have(self, image: str, seconds: float) -> bool:
        """Whether it has an image, or can pull it within ``seconds``."""
        return self.has(image) or self.pulls(image, seconds)

    def has(self, image: str) -> bool:
        """Whether it has an image."""
        return self.succeeds("image", "inspect", image)

    def pulls(self, image: str, seconds: float) -> bool:
        """Pull an image within ``seconds``; whether that succeeded."""
        return self.succeeds("pull", "--quiet", image, seconds=seconds)


def candidates(environment: Mapping[str, str]) -> Sequence[str]:
    """The engines to ask, in order: the one that kind's own variable names, else Docker first."""
    chosen = environment.get(CHOICE, "")
    return (chosen,) if chosen in PROGRAMS else PROGRAMS


@functools.cache
def found() -> Engine | None:
    """The engine of this machine that answers; None without one. Asked once per process."""
    leading = {name: os.environ[name] for name in LEADING if os.environ.get(name)}
    for program in candidates(os.environ):
        engine = Engine(program, leading)
        if shutil.which(program) and engine.answers():
            return engine
    return None
