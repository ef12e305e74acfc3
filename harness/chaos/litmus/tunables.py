"""The tunables of the experiments: what an experiment's environment may say, and what holds where it says nothing.

The defaults are those of Litmus' code (``pkg/generic/*/environment/environment.go``), not those that its charts write.
An empty value counts as none, as for Litmus' ``Getenv``.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt

from harness.chaos.litmus import values
from harness.chaos.litmus.values import Range

T = TypeVar("T")


def _read(reader: Callable[[str], T]) -> BeforeValidator:
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


Spread = Annotated[Range, _read(values.number_range)]
Truth = Annotated[bool, _read(values.truth)]
Words = Annotated[tuple[str, ...], _read(values.words)]
Labels = Annotated[dict[str, str], _read(values.labels)]
Ports = Annotated[tuple[tuple[str, int], ...], _read(values.ports)]
Networks = Annotated[tuple[str, ...], _read(values.networks)]
Sequence = Annotated[Literal["serial", "parallel", "random"], _read(str.lower)]
Order = Annotated[Literal["random", "alphabetical", "reverse"], _read(str.lower)]
PolicyTypes = Annotated[Literal["all", "ingress", "egress"], _read(str.lower)]
Seconds = NonNegativeInt


class Tunables(BaseModel):
    """What every experiment has. A field is named as its variable, in small letters."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=str.upper,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    total_chaos_duration: Seconds = 30
    ramp_time: Seconds = 0
    status_check_delay: Annotated[int, Field(ge=1)] = 2
    status_check_timeout: Seconds = 180
    default_health_check: Truth = True
    randomness: Truth = False
    sequence: Sequence = "parallel"
    target_pods: Words = ()
    node_label: str = ""
    pods_affected_perc: Spread = Range(0, 0)
    target_container: str = ""
    instance_id: str = ""

    job_cleanup_policy: str = ""
    lib: str = ""
    lib_image: str = ""
    lib_image_pull_policy: str = ""
    set_helper_data: str = ""
    container_runtime: str = ""
    socket_path: str = ""
    container_api_timeout: str = ""
    termination_grace_period_seconds: str = ""
    app_namespace: str = ""
    app_label: str = ""
    app_kind: str = ""
    otel_exporter_otlp_endpoint: str = ""


class PodDelete(Tunables):
    """Of pod-delete."""

    chaos_interval: Spread = Range(10, 10)
    force: Truth = False
    pod_termination_order: Order = "random"
    inter_pod_kill_interval_seconds: Seconds = 0


class ContainerKill(Tunables):
    """Of container-kill."""

    total_chaos_duration: Seconds = 20
    chaos_interval: Seconds = 10
    signal: Literal["SIGKILL", "SIGTERM"] = "SIGKILL"
    pod_termination_order: Order = "random"
    inter_pod_kill_interval_seconds: Seconds = 0


class Partition(Tunables):
    """Of pod-network-partition."""

    policy_types: PolicyTypes = "all"
    destination_ips: Networks = ()
    destination_hosts: Words = ()
    pod_selector: Labels = {}
    namespace_selector: Labels = {}
    ports: Ports = ()


EXPERIMENTS: Final[Mapping[str, type[Tunables]]] = {
    "pod-delete": PodDelete,
    "container-kill": ContainerKill,
    "pod-network-partition": Partition,
}
"""The experiments that there are, each with its tunables."""

_OF_HELPERS: Final = frozenset(
    {
        "JOB_CLEANUP_POLICY",
        "LIB",
        "LIB_IMAGE",
        "LIB_IMAGE_PULL_POLICY",
        "SET_HELPER_DATA",
        "CONTAINER_RUNTIME",
        "SOCKET_PATH",
        "CONTAINER_API_TIMEOUT",
        "TERMINATION_GRACE_PERIOD_SECONDS",
        "APP_NAMESPACE",
        "APP_LABEL",
        "APP_KIND",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    }
)
"""Images, sockets and policies of pods that Litmus starts, which are not needed here."""

UNUSED: Final[Mapping[str, frozenset[str]]] = {
    "pod-delete": _OF_HELPERS | {"TARGET_CONTAINER"},
    "container-kill": _OF_HELPERS | {"RANDOMNESS"},
    # As in Litmus' code: the policy selects all pods of a label, whatever these say.
    "pod-network-partition": _OF_HELPERS
    | {"TARGET_CONTAINER", "RANDOMNESS", "SEQUENCE", "TARGET_PODS", "NODE_LABEL", "PODS_AFFECTED_PERC"},
}
"""By experiment, the tunables that are taken and have no effect: told in the outcome."""

DERIVED: Final = frozenset(
    {"CHAOSENGINE", "TARGETS", "CHAOS_NAMESPACE", "CHAOS_UID", "EXPERIMENT_NAME", "CHAOS_SERVICE_ACCOUNT", "POD_NAME"}
)
"""What Litmus' runner sets from the engine."""


def known(experiment: str) -> list[str]:
    """The variables that an experiment knows."""
    return [name.upper() for name in EXPERIMENTS[experiment].model_fields]
