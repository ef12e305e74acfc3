"""How an experiment ends that does not end well, by the names that Litmus gives to errors (``pkg/cerrors``)."""

from enum import StrEnum

from harness.errors import HarnessError


class Code(StrEnum):
    """The codes of ``errorOutput``."""

    GENERIC = "GENERIC_ERROR"
    RESULT = "CHAOS_RESULT_CRUD_ERROR"
    STATUS_CHECKS = "STATUS_CHECKS_ERROR"
    TARGET_SELECTION = "TARGET_SELECTION_ERROR"
    ABORTED = "EXPERIMENT_ABORTED"
    HELPER = "HELPER_ERROR"
    HELPER_POD = "HELPER_POD_FAILED_ERROR"
    RUNTIME = "CONTAINER_RUNTIME_ERROR"
    INJECT = "CHAOS_INJECT_ERROR"
    REVERT = "CHAOS_REVERT_ERROR"
    K8S_PROBE = "K8S_PROBE_ERROR"
    K8S_PROBE_FAILED = "K8S_PROBE_FAILURE"
    CMD_PROBE = "CMD_PROBE_ERROR"
    CMD_PROBE_FAILED = "CMD_PROBE_FAILURE"
    HTTP_PROBE = "HTTP_PROBE_ERROR"
    HTTP_PROBE_FAILED = "HTTP_PROBE_FAILURE"
    PROM_PROBE = "PROM_PROBE_ERROR"
    PROM_PROBE_FAILED = "PROM_PROBE_FAILURE"
    TIMEOUT = "TIMEOUT"
    PROBE_TIMEOUT = "PROBE_TIMEOUT"

    @property
    def failed(self) -> bool:
        """Whether it means that a probe ran, and what it saw was wrong: the verdict is Fail and not Error."""
        return self.value.endswith("_PROBE_FAILURE") or self is Code.PROBE_TIMEOUT


class ExperimentError(HarnessError):
    """An experiment, or a probe of one, could not go on: ``code`` is Litmus' name for why."""

    def __init__(self, code: Code, reason: str, target: str = "") -> None:
        self.code = code
        self.reason = reason
        self.target = target
        super().__init__(f"{code}: {reason}" + (f" ({target})" if target else ""))


class Halted(Exception):
    """The experiment is to end now: a probe with ``stopOnFailure`` failed, or the run is over."""


class RunnerAbsent(HarnessError):
    """What is to run the experiments is not here: says why, so that a test can skip with the reason."""
