"""Every option, once: the command line, then ``HARNESS_<OPTION>``, then ini ``harness_<option>``, as one frozen object.

A field of ``Settings`` is an option: ``--chaos-seed`` on the command line, ``HARNESS_CHAOS_SEED`` in the environment,
``harness_chaos_seed`` in pytest's ini file. Its description is its help text, its annotation its check.
"""

import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from harness.choice import automatic
from harness.errors import SettingsError
from harness.paths import Paths

PYTEST_KIND_DEFAULT_NAME = "pytest-kind"
"""pytest-kind's default of ``--cluster-name``: it counts as unset, or two runs on one machine would share a cluster."""

PYTEST_KIND_OPTIONS = frozenset(
    {"cluster_name", "keep_cluster", "kubeconfig", "kind_image", "kind_bin", "kind_kubectl_bin"}
)
"""The options that pytest-kind registers itself where it is loaded: pytest refuses to have them registered twice."""

OBJECT_SECONDS = 6 * 3600
"""After how long what a run created counts as abandoned, on clusters that the run does not end."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_NAME_RULE = "must be at most 40 of a-z, 0-9 and -, and neither begin nor end with -"
_DEFAULT_NAME = "harness-"
_RUN_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_RUN_ID_RULE = (
    f"must be at most 32 of a-z, 0-9 and -, and neither begin nor end with -: the cluster is called {_DEFAULT_NAME}<id>"
)


def _cluster_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(_NAME_RULE)
    return value


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#]+/?", value):
        raise ValueError("must be a base URL such as http://127.0.0.1:8080")
    return value.rstrip("/")


def _repository(value: str) -> str:
    """The beginning of image names, as the reference grammar of images has it (distribution/reference)."""
    part = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
    if not re.fullmatch(
        rf"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::\d+)?(?:/{part})*", value
    ):
        raise ValueError("must be a registry and a path in it, such as registry.example.com/team: no https://, no tag")
    return value


def _existing_path(value: Path) -> Path:
    try:
        there = value.exists()
    except OSError as error:  # below a folder that this user may not enter, or of an impossible name
        raise ValueError(f"must be readable: {error.strerror}") from error
    if not there:
        raise ValueError(f"must exist: there is no {value.absolute()}")
    return value


def _words(value: object) -> object:
    """Split ``a,b`` as the environment and ini files give lists; leave real sequences alone."""
    return tuple(word for word in re.split(r"[,\s]+", value) if word) if isinstance(value, str) else value


ExistingPath = Annotated[Path, AfterValidator(_existing_path)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Repository = Annotated[str, AfterValidator(_repository)]
ClusterName = Annotated[str, AfterValidator(_cluster_name)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Options(BaseModel):
    """What the user may set. Seeds and counts that are None are chosen by the proof that uses them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: Literal["auto", "embedded", "kind", "minikube", "existing"] = Field(
        "auto",
        description=(
            "where the cluster comes from; auto is the cluster of that name, else a new one: of kind where Docker or"
            " Podman answers, else an embedded node"
        ),
    )
    cluster_context: str | None = Field(
        None, description="the context of the kubeconfig that --cluster=existing uses; never the user's default unnamed"
    )
    cluster_cni: str | None = Field(
        None,
        description=(
            "the network plugin: a cluster of kind has kindnet, its own, or calico; one of Minikube calico, or bridge,"
            " its own"
        ),
    )
    artifacts: Path = Field(Path("artifacts"), description="the folder for reports, benchmarks and the runs' folders")
    manifests: ExistingPath | None = Field(
        None, description="a folder of manifests to deploy and prove instead of the checkout's own"
    )
    isolation_worlds: PositiveInt | None = Field(None, description="how many generated policy worlds to probe")
    isolation_seed: int | None = Field(None, description="the seed of the generated policy worlds")
    isolation_expectations: ExistingPath | None = Field(
        None, description="a file with the expected matrix of who can talk to whom"
    )
    access_expectations: ExistingPath | None = Field(
        None, description="a file with the expected matrix of who may do what through the API"
    )
    access_live: bool = Field(default=False, description="send real requests for access proofs, not only reviews")
    chaos_seed: int | None = Field(None, description="the seed of the chaos plan")
    chaos_duration: PositiveFloat | None = Field(
        None, allow_inf_nan=False, description="seconds that a chaos run lasts"
    )
    chaos_plan: ExistingPath | None = Field(None, description="a recorded chaos plan to replay")
    chaos_engine: ExistingPath | None = Field(None, description="a Litmus ChaosEngine YAML file to run")
    chaos_runner: Literal["native", "operator", "litmus-python"] = Field(
        "native", description="what runs Litmus experiments"
    )
    litmus_python: ExistingPath | None = Field(None, description="a checkout of litmus-python")
    image_prefix: Repository | None = Field(
        None, description="a registry with a path, to which images are pushed that an existing cluster is to pull"
    )
    ingress_url: HttpUrl | None = Field(None, description="where the Ingress of an existing cluster answers")
    ingress_class: str | None = Field(None, description="the ingressClassName to use instead of the manifests' own")
    ingress_selector: str | None = Field(
        None, description="labels (namespace/key=value,…) of the Ingress controller's pods on an existing cluster"
    )
    allow_context: Words = Field((), description="contexts of existing clusters that a run may change")
    allow_ephemeral: bool = Field(default=False, description="allow ephemeral containers in the user's own pods")
    minikube_addons: Words = Field((), description="addons to enable on a minikube cluster")

    plan: bool = Field(default=False, description="say what the run would make, ask and break, and change nothing")

    patience: PositiveFloat = Field(
        1.0,
        le=1000,
        allow_inf_nan=False,
        description="multiplies every deadline, for slow machines: a deadline bounds a hang, it judges nothing",
    )

    cluster_name: ClusterName | None = Field(
        None, description="the cluster's name: an existing one is joined; default harness-<the run's id>"
    )
    keep_cluster: bool = Field(default=False, description="let the cluster stay after the run; `harness down` ends it")
    kubeconfig: ExistingPath | None = Field(None, description="the kubeconfig that --cluster=existing uses")
    kind_image: str | None = Field(None, description="the node image of a kind cluster")
    kind_bin: ExistingPath | None = Field(None, description="the kind program to use instead of our pinned one")
    kind_kubectl_bin: ExistingPath | None = Field(None, description="the kubectl to use instead of our pinned one")


class Settings(Options):
    """The options of one run, with what was derived from them and from the environment."""

    name: str
    """The cluster's name: as given, or ``harness-<run id>``."""
    run_id: str
    """The run's id: the name of its folder under ``artifacts/runs/`` and the value of the label ``harness.dev/run``."""
    paths: Paths
    """The cache and the state folder."""

    @property
    def provider(self) -> Literal["embedded", "existing", "kind", "minikube"]:
        """The provider that ``cluster`` comes to.

        ``auto`` is that of the cluster which has the name already, else what ``harness.choice`` says.
        """
        if self.cluster == "auto":
            return self.paths.provider(self.name) or automatic()
        return self.cluster

    @property
    def place(self) -> str:
        """Where the run is, in eight characters: a machine and a state folder, in which it sees the locks of others."""
        return sha256(f"{socket.gethostname()} {self.paths.state}".encode()).hexdigest()[:8]

    @property
    def run_folder(self) -> Path:
        """Where this run's bundles and records go."""
        return self.artifacts.absolute() / "runs" / self.run_id

    def labels(self, owner: str) -> dict[str, str]:
        """The labels of everything that this run creates; after the deadline it counts as abandoned."""
        return {
            "harness.dev/run": self.run_id,
            "harness.dev/owner": owner,
            "harness.dev/deadline": str(int(time.time()) + OBJECT_SECONDS),
            **({"harness.dev/place": self.place} if self.provider == "existing" else {}),
        }

    @property
    def may_attach(self) -> bool:
        """Whether pods may get ephemeral containers, which stay in them: in a cluster not ours, only if allowed."""
        return self.provider != "existing" or self.allow_ephemeral

    def with_cluster(self, name: str, *, keep: bool | None = None) -> Self:
        """The same settings for the cluster of that name."""
        return self.model_copy(
            update={"name": name, "cluster_name": name, "keep_cluster": self.keep_cluster if keep is None else keep}
        )


@dataclass(frozen=True)
class Option:
    """An option as argparse and pytest want it. ``repeatable`` ones may be given several times."""

    field: str
    help: str
    is_flag: bool
    is_path: bool
    repeatable: bool
    choices: tuple[str, ...]

    @property
    def flag(self) -> str:
        """As on the command line."""
        return "--" + self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        """As in the environment."""
        return "HARNESS_" + self.field.upper()

    @property
    def ini(self) -> str:
        """As in pytest's ini file."""
        return "harness_" + self.field

    @property
    def metavar(self) -> str | None:
        """What help texts show for the value; None lets the flag stand alone."""
        if self.is_flag:
            return None
        return "{" + ",".join(self.choices) + "}" if self.choices else self.field.rsplit("_", 1)[-1].upper()


def _has_path(annotation: object) -> bool:
    return annotation is Path or any(map(_has_path, get_args(annotation)))


def _option(field: str) -> Option:
    info = Options.model_fields[field]
    choices = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    return Option(
        field=field,
        help=info.description or "",
        is_flag=info.annotation is bool,
        is_path=_has_path(info.annotation),
        repeatable=get_origin(info.annotation) is tuple,
        choices=choices,
    )


OPTIONS: tuple[Option, ...] = tuple(_option(field) for field in Options.model_fields)
"""All options, in the order of the reference."""


OF_PYTEST = frozenset({"plan"})
"""What is about tests that are collected, and so no option of commands."""


def add_options(add: Callable[..., Any], *, without: frozenset[str] = frozenset()) -> None:
    """Register all options but those in ``without`` by ``add``: argparse's ``add_argument`` or pytest's ``addoption``.

    Values stay text and unset ones None: ``gather`` checks them and knows where they came from.
    """
    for option in OPTIONS:
        if option.field in without:
            continue
        if option.is_flag:
            add(option.flag, dest=option.field, action="store_true", default=None, help=option.help)
        else:
            action = "append" if option.repeatable else "store"
            add(
                option.flag,
                dest=option.field,
                action=action,
                default=None,
                metavar=option.metavar,
                help=option.help,
            )


def from_ini(found: Mapping[str, object], folder: Path) -> dict[str, object]:
    """What stands in the ini file of a folder as ``gather`` takes it: values as text, paths as seen from that folder.

    TOML has types of its own. What no option could be, such as a table, is left for ``gather`` to refuse.
    """
    options = ((option, found[option.ini]) for option in OPTIONS if option.ini in found)
    return {option.ini: _seen_from(folder, option, _as_text(option, value)) for option, value in options}


def _as_text(option: Option, value: object) -> object:
    """A TOML value as the text that an ini file would have. Dates are text, too: a name may look like one."""
    if isinstance(value, list) and option.repeatable and not any(isinstance(one, list | dict) for one in value):
        return ",".join(str(one) for one in value)
    if value is None or isinstance(value, list | dict):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seen_from(folder: Path, option: Option, value: object) -> object:
    """A path of an ini file, which is not to depend on where pytest was started below its folder."""
    if not (option.is_path and isinstance(value, str) and value) or folder == Path.cwd():
        return value
    return str(folder / value)


def new_run_id() -> str:
    """A fresh run id: ``r`` and eight hexadecimal digits. Without the letter one in forty would look like a number."""
    return f"r{secrets.token_hex(4)}"


def _unset(option: Option, value: object) -> bool:
    """Whether the value is what a source has where nobody set it: an empty variable, a default of pytest-kind."""
    if value is None or value in ("", []):
        return True
    if option.field == "cluster_name":
        return value == PYTEST_KIND_DEFAULT_NAME
    return option.is_flag and value is False


def _split_repeated(option: Option, value: object) -> object:
    """Several values as one text, as the command line and ini files in TOML give them; what is no text stays."""
    several = option.repeatable and isinstance(value, list) and all(isinstance(one, str) for one in value)
    return ",".join(cast("list[str]", value)) if several else value


def gather(
    command_line: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
    ini: Mapping[str, object] | None = None,
    *,
    run_id: str | None = None,
    default_name: str | None = None,
    default_artifacts: Path | None = None,
) -> Settings:
    """The settings, by precedence, from values by field name (command line), variable name and ini key.

    ``ini`` is as ``from_ini`` gives it. ``run_id`` is another process's, for an xdist worker; ``default_name`` the
    cluster's name where none is set, ``default_artifacts`` the artifacts folder.
    Raises SettingsError that names each wrong value, where it came from and what is allowed.
    """
    environment = os.environ if environment is None else environment
    ini = ini or {}
    values: dict[str, object] = {}
    origin: dict[str, str] = {}
    for option in OPTIONS:
        for source, value in (
            (option.flag, command_line.get(option.field)),
            (f"environment variable {option.variable}", environment.get(option.variable)),
            (f"ini key {option.ini}", ini.get(option.ini)),
        ):
            if value == "" and source == option.flag and option.field not in PYTEST_KIND_OPTIONS:
                raise SettingsError(
                    f"{source}: is empty, as of a variable that is not set: give a value, or leave it out"
                )
            if not _unset(option, value):
                values[option.field] = _split_repeated(option, value)
                origin[option.field] = source
                break
    if default_artifacts is not None:
        values.setdefault("artifacts", default_artifacts)
    run = run_id or environment.get("HARNESS_RUN_ID") or new_run_id()
    if not _RUN_ID.fullmatch(run):
        raise SettingsError(f"environment variable HARNESS_RUN_ID: {run!r} is not allowed: {_RUN_ID_RULE}")
    try:
        options = Options.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_problem(dict(problem), values, origin) for problem in error.errors())) from None
    _check_together(options, origin)
    return Settings(
        **options.model_dump(),
        name=options.cluster_name or _entered_name(options) or default_name or f"{_DEFAULT_NAME}{run}",
        run_id=run,
        paths=Paths.from_environment(environment),
    )


def _entered_name(options: Options) -> str | None:
    """The name of an existing cluster where none is given: the same in every run, so that they find each other."""
    if options.cluster != "existing" or not (options.kubeconfig and options.cluster_context):
        return None
    digest = sha256(f"{options.kubeconfig.absolute()} {options.cluster_context}".encode()).hexdigest()[:6]
    words = re.sub(r"[^a-z0-9]+", "-", options.cluster_context.lower())[:30].strip("-")
    return f"{words or 'context'}-{digest}"


_RULES = {
    "greater_than": "must be greater than 0",
    "less_than_equal": "must be 1000 at most",
    "finite_number": "must be a number",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "path_type": "must be a path",
    "tuple_type": "must be a list of texts",
}
"""What is allowed, by Pydantic's name for the error; our own rules speak for themselves."""


def _problem(problem: Mapping[str, Any], values: Mapping[str, object], origin: Mapping[str, str]) -> str:
    field = str(problem["loc"][0])
    option = _option(field)
    message = _RULES.get(str(problem["type"])) or str(problem["msg"]).removeprefix("Value error, ")
    allowed = "must be one of " + ", ".join(option.choices) if option.choices else message
    return f"{origin[field]}: {values[field]!r} is not allowed: {allowed}"


def _check_together(options: Options, origin: Mapping[str, str]) -> None:
    if options.cluster == "existing" and not (options.cluster_context and options.kubeconfig):
        raise SettingsError(
            f"{origin['cluster']}: an existing cluster must be named with --cluster-context, "
            "and its kubeconfig with --kubeconfig: the harness never uses your default context"
        )
    if options.image_prefix and options.cluster not in ("auto", "existing"):
        raise SettingsError(
            f"{origin['image_prefix']}: images are loaded onto the nodes of a cluster of ours: it is for"
            " --cluster=existing only"
        )
    if options.isolation_expectations and not options.manifests:
        raise SettingsError(
            f"{origin['isolation_expectations']}: {options.isolation_expectations} is held against nothing: "
            "give the manifests that it speaks of with --manifests"
        )
    if options.chaos_engine and options.chaos_plan:
        raise SettingsError(
            f"{origin['chaos_engine']}: {options.chaos_engine} takes the place of a plan: give it or --chaos-plan"
        )
    if options.chaos_runner != "native" and not options.chaos_engine:
        raise SettingsError(f"{origin['chaos_runner']}: there is nothing to run: name a file with --chaos-engine")
    if options.litmus_python and options.chaos_runner != "litmus-python":
        raise SettingsError(f"{origin['litmus_python']}: it is used with --chaos-runner=litmus-python only")
