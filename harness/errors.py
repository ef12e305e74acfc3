"""Every error that the harness raises on purpose.

HarnessError
├── UsageError               what the user gave is wrong; nothing was changed
│   ├── SettingsError        an option, environment variable or ini value
│   ├── ManifestError        a YAML file: names file, line and object
│   └── NameTaken            a cluster of that name exists, which the harness did not make
├── PrerequisiteError        the machine lacks something: names it and the fix
├── BuildError               a component or an image could not be built
├── CommandError             a program that we ran failed: carries its exit status and output
│   └── ApiError             (in kube/client.py, with its kinds) the API server refused a request, or did not answer
├── ObjectsRefused           the API server refused objects of a deployment: names each; others were applied
├── DatabaseError            a database refused a statement, or its connection broke: in the server's words
├── ForwardError             a port of a pod or a Service could not be forwarded, or the connection broke: says why
├── WaitTimeout              a deadline passed: says what was waited for and what was seen last
├── WorkloadNotReady         a workload cannot become ready: says container, cause and fix
├── ProbeError               a probe could not be run, so its cell is unknown
│   ├── ExecRefused          (in kube/exec.py) the API server did not let us run a program in a pod
│   ├── NoPython             (in prober/bootstrap.py) a container has no Python for the prober
│   └── NoMeans              (in prober/opening.py) no means to probe from a pod that is allowed: its cells are untested
└── ClusterError             a cluster could not be made, or broke
    ├── ComponentDied        a component ended: carries the last lines of its log
    ├── ClusterGone          the cluster went away while it was used
    └── PolicyNotEnforced    the canary: network policies have no effect here
"""

from collections.abc import Sequence


class HarnessError(Exception):
    """Base of all: its text is shown to the user as it is, without a traceback."""


class UsageError(HarnessError):
    """What the user gave is wrong. Raised before anything is changed."""


class SettingsError(UsageError):
    """An option, an environment variable or an ini value is wrong: names it and where it came from."""


class ManifestError(UsageError):
    """A manifest is wrong.

    ``where`` is ``file:line`` or ``file``, ``subject`` the object as ``Kind/name`` (empty if it has none yet).
    """

    def __init__(self, where: str, subject: str, problem: str) -> None:
        self.where = where
        self.subject = subject
        self.problem = problem
        super().__init__(f"{where}: {subject + ': ' if subject else ''}{problem}")

    @classmethod
    def of(cls, wrong: Sequence["ManifestError"]) -> "ManifestError":
        """One error that tells all of several, each on a line of its own, as the first of them."""
        first, *others = wrong
        return cls(first.where, first.subject, first.problem + "".join(f"\n{other}" for other in others))


class NameTaken(UsageError):
    """A cluster of the wanted name exists, which the harness did not make: it is not touched."""


class PrerequisiteError(HarnessError):
    """The machine lacks something. The text names what, and the command that fixes it."""


class BuildError(HarnessError):
    """A component or an image could not be built. The text ends with the last lines of the tool's own output."""


class CommandError(HarnessError):
    """A program that the harness ran failed.

    ``command`` is the argument list, ``status`` the exit status (negative: the signal), ``output`` what it printed.
    """

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        self.command = tuple(command)
        self.status = status
        self.output = output
        shown = " ".join(self.command[:8]) + (" …" if len(self.command) > 8 else "")  # noqa: PLR2004 -- a line's worth
        super().__init__(f"`{shown}` ended with status {status}:\n{output.strip() or '(it printed nothing)'}")


class ObjectsRefused(HarnessError):
    """The API server refused objects of a deployment, and took others. One line for each, with its file and line."""


class DatabaseError(HarnessError):
    """A database refused a statement, or the connection to it broke.

    ``database`` is its pod, ``problem`` what the server or the driver said, ``sqlstate`` the server's code (empty where
    it gave none). Not ``broke``: the statement was sent, and what it gave is nothing that can be handed on.
    """

    def __init__(self, database: str, problem: str, sqlstate: str = "", *, broke: bool = True) -> None:
        self.database = database
        self.problem = problem
        self.sqlstate = sqlstate
        broken = f"the connection to {database} broke" if broke else f"the answer of {database} cannot be handed on"
        said = f"the database {database} answered {sqlstate}" if sqlstate else broken
        super().__init__(f"{said}: {problem}")


class ForwardError(HarnessError):
    """A port could not be forwarded, or a connection to it broke. ``where`` is the pod's or the Service's port."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where} is not reached: {problem}")


class WaitTimeout(HarnessError):
    """A deadline passed.

    ``what`` is what was waited for, ``seconds`` how long, ``last`` what was seen last.
    """

    def __init__(self, what: str, seconds: float, last: str = "") -> None:
        self.what = what
        self.seconds = seconds
        self.last = last
        super().__init__(f"waited {seconds:.0f} s for {what}" + (f"; last seen: {last}" if last else ""))


class WorkloadNotReady(HarnessError):
    """A workload cannot become ready, and waiting longer would not help. One line for each cause."""


class ProbeError(HarnessError):
    """A probe could not be run: what it would have told is unknown, never denied."""


class ClusterError(HarnessError):
    """A cluster could not be made, or broke."""


class ComponentDied(ClusterError):
    """A component of the embedded node ended by itself."""


class ClusterGone(ClusterError):
    """The cluster went away while it was in use."""


class PolicyNotEnforced(ClusterError):
    """The policy canary failed: on this cluster a NetworkPolicy has no effect, or cannot be lifted."""
