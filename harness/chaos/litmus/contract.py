"""Litmus' objects as they are written: every field that a ChaosEngine and a ChaosExperiment may have, with its type.

Source: ``api/litmuschaos/v1alpha1/*_types.go`` and ``deploy/crds`` of chaos-operator. What is Kubernetes' own below
them (tolerations, resources, volumes) is of no use to a runner without pods of its own, and is taken as it is.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from harness.chaos.litmus import values

API_VERSION: Final = "litmuschaos.io/v1alpha1"

Json = dict[str, Any]
WorkloadKind = Literal["", "deployment", "statefulset", "daemonset", "deploymentconfig", "rollout"]
Mode = Literal["SOT", "EOT", "Edge", "Continuous", "OnChaos"]
ProbeType = Literal["httpProbe", "k8sProbe", "cmdProbe", "promProbe", "sloProbe"]


class Part(BaseModel):
    """Every part of the contract: no field that is not known, no value of another type."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, hide_input_in_errors=True
    )


def _some(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _duration(text: str) -> str:
    values.duration(text)
    return text


Text = Annotated[str, AfterValidator(_some)]
Duration = Annotated[str, AfterValidator(_duration)]


class Variable(Part):
    """A variable of a container's environment."""

    name: Text
    value: str | None = None
    value_from: Json | None = None


class Mounted(Part):
    """A ConfigMap or Secret that is mounted."""

    name: Text
    mount_path: Text
    data: Json | None = None


class Comparator(Part):
    """What the output is held against."""

    type: Literal["int", "float", "string"] | None = None
    criteria: Text
    value: str


class Get(Part):
    """An HTTP GET and the status that is expected."""

    criteria: Text
    response_code: Text


class Post(Get):
    """An HTTP POST: ``body`` counts where ``bodyPath`` is written too."""

    content_type: str = ""
    body: str = ""
    body_path: str = ""


class Method(Part):
    """One of both."""

    get: Get | None = None
    post: Post | None = None


class HttpInputs(Part):
    """Of an httpProbe."""

    url: Text
    insecure_skip_verify: bool = False
    method: Method


class K8sInputs(Part):
    """Of a k8sProbe: an empty ``namespace`` means all of them, or an object that lies in none."""

    group: str = ""
    version: Text
    resource: Text
    namespace: str = ""
    resource_names: str = ""
    field_selector: str = ""
    label_selector: str = ""
    operation: Literal["present", "absent", "create", "delete"]


class CmdInputs(Part):
    """Of a cmdProbe. ``source`` would be a pod of its own, of another image."""

    command: Text
    comparator: Comparator
    source: Json | None = None


class PromInputs(Part):
    """Of a promProbe: ``query`` counts where ``queryPath`` is written too."""

    endpoint: Text
    query: str = ""
    query_path: str = ""
    comparator: Comparator


class RunProperties(Part):
    """How a probe is tried: ``attempt`` times (or the older ``retry``), ``interval`` apart."""

    probe_timeout: Duration
    interval: Duration
    retry: Annotated[int, Field(ge=0)] = 0
    attempt: Annotated[int, Field(ge=0)] = 0
    probe_polling_interval: Duration = ""
    initial_delay: Duration = ""
    initial_delay_seconds: int = 0
    evaluation_timeout: Duration = ""
    verbosity: str = ""
    stop_on_failure: bool = False


class Probe(Part):
    """One probe. Which inputs it needs follows from its type."""

    name: Text
    type: ProbeType
    mode: Mode
    run_properties: RunProperties
    http: HttpInputs | None = Field(None, alias="httpProbe/inputs")
    k8s: K8sInputs | None = Field(None, alias="k8sProbe/inputs")
    cmd: CmdInputs | None = Field(None, alias="cmdProbe/inputs")
    prom: PromInputs | None = Field(None, alias="promProbe/inputs")
    slo: Json | None = Field(None, alias="sloProbe/inputs")
    data: str = ""


class StatusCheckTimeouts(Part):
    """Seconds between two looks at pods, and altogether."""

    delay: Annotated[int, Field(ge=0)] = 0
    timeout: Annotated[int, Field(ge=0)] = 0


class Components(Part):
    """What an engine sets anew for one of its experiments."""

    env: list[Variable] = Field(default_factory=list)
    config_maps: list[Mounted] = Field(default_factory=list)
    secrets: list[Mounted] = Field(default_factory=list)
    experiment_annotations: Json = Field(default_factory=dict)
    experiment_image: str = ""
    experiment_image_pull_secrets: list[Json] = Field(default_factory=list)
    node_selector: Json = Field(default_factory=dict)
    status_check_timeouts: StatusCheckTimeouts = StatusCheckTimeouts()
    resources: Json = Field(default_factory=dict)
    tolerations: list[Json] = Field(default_factory=list)


class Attributes(Part):
    """Of one experiment of an engine."""

    components: Components = Components()
    probe: list[Probe] = Field(default_factory=list)


class Listed(Part):
    """One experiment of an engine."""

    name: Text
    spec: Attributes = Attributes()


class AppInfo(Part):
    """The application, as older engines name it."""

    appns: str = ""
    applabel: str = ""
    appkind: WorkloadKind = ""


class Pods(Part):
    """Pods by name."""

    namespace: Text
    names: Text


class Workloads(Part):
    """Workloads by name, or by their pods' labels."""

    kind: WorkloadKind
    namespace: Text
    names: str = ""
    labels: str = ""


class Selectors(Part):
    """One of both."""

    pods: list[Pods] | None = None
    workloads: list[Workloads] | None = None


class Runner(Part):
    """The pod of Litmus' own runner."""

    image: str = ""
    type: Literal["go"] | None = None
    args: list[str] = Field(default_factory=list)
    command: list[str] = Field(default_factory=list)
    image_pull_policy: str = ""
    image_pull_secrets: list[Json] = Field(default_factory=list)
    runner_annotations: Json = Field(default_factory=dict)
    runner_labels: Json = Field(default_factory=dict)
    node_selector: Json = Field(default_factory=dict)
    config_maps: list[Mounted] = Field(default_factory=list)
    secrets: list[Mounted] = Field(default_factory=list)
    tolerations: list[Json] = Field(default_factory=list)
    resources: Json = Field(default_factory=dict)


class EngineComponents(Part):
    """What runs beside the experiments."""

    runner: Runner | None = None
    sidecar: list[Json] = Field(default_factory=list)


class EngineSpec(Part):
    """Of a ChaosEngine."""

    appinfo: AppInfo | None = None
    selectors: Selectors | None = None
    default_health_check: bool = False
    chaos_service_account: Text
    components: EngineComponents = EngineComponents()
    experiments: Annotated[list[Listed], Field(min_length=1)]
    job_clean_up_policy: Literal["delete", "retain"] | None = None
    auxiliary_app_info: str = ""
    engine_state: Literal["active", "stop"]
    termination_grace_period_seconds: int = 0


class Engine(Part):
    """A ChaosEngine."""

    api_version: Literal["litmuschaos.io/v1alpha1"]
    kind: Literal["ChaosEngine"]
    metadata: Json
    spec: EngineSpec
    status: Json = Field(default_factory=dict)


class SecurityContext(Part):
    """Of the pod of an experiment."""

    pod_security_context: Json = Field(default_factory=dict)
    container_security_context: Json = Field(default_factory=dict)


class Definition(Part):
    """What an experiment is made of."""

    scope: Literal["Namespaced", "Cluster"] | None = None
    permissions: list[Json] = Field(default_factory=list)
    image: str = ""
    image_pull_policy: str = ""
    args: list[str] = Field(default_factory=list)
    command: list[str] = Field(default_factory=list)
    env: list[Variable] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    config_maps: list[Mounted] = Field(default_factory=list)
    secrets: list[Mounted] = Field(default_factory=list)
    host_file_volumes: list[Json] = Field(default_factory=list)
    experiment_annotations: Json = Field(default_factory=dict)
    security_context: SecurityContext = SecurityContext()
    host_pid: bool = Field(default=False, alias="hostPID")


class ExperimentSpec(Part):
    """Of a ChaosExperiment."""

    definition: Definition


class Experiment(Part):
    """A ChaosExperiment. Those of the charts have a ``description`` beside the spec."""

    api_version: Literal["litmuschaos.io/v1alpha1"]
    kind: Literal["ChaosExperiment"]
    description: Json = Field(default_factory=dict)
    metadata: Json
    spec: ExperimentSpec
    status: Json = Field(default_factory=dict)
