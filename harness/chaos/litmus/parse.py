"""From a user's YAML to engines that can be run: read strictly, every mistake told with its file and line."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel
from pydantic import ValidationError as Invalid

from harness.chaos.litmus import checks, contract
from harness.chaos.litmus.environment import Environment
from harness.chaos.litmus.probes import seconds_of
from harness.chaos.litmus.targets import Target
from harness.chaos.litmus.tunables import EXPERIMENTS, Partition, Tunables
from harness.chaos.litmus.values import words
from harness.errors import ManifestError
from harness.kube.fields import DEFAULT_NAMESPACE
from harness.kube.kubectl import JsonObject
from harness.kube.sources import FieldPath, Source, dotted, read_file, subject_of
from harness.kube.strict import did_you_mean

_BINARY: Final = re.compile(r"-name[ =]+(\S+)")
_ENV: Final[FieldPath] = ("components", "env")
_DEFINITION: Final[FieldPath] = ("spec", "definition")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Mount:
    """A ConfigMap or Secret with the folder at which probes find its files."""

    kind: str
    name: str
    path: str


@dataclass(frozen=True)
class Planned:
    """One experiment of an engine, with all that it needs. ``experiment`` is what it is, ``name`` what it is called."""

    engine: str
    namespace: str
    account: str
    name: str
    experiment: str
    targets: tuple[Target, ...]
    tunables: Tunables
    env: Mapping[str, str]
    probes: tuple[contract.Probe, ...]
    mounts: tuple[Mount, ...]
    labels: Mapping[str, str]
    unused: tuple[str, ...]
    at: str

    @property
    def result_name(self) -> str:
        """Of its ChaosResult (``pkg/types/types.go``, SetResultAttributes)."""
        return "-".join(filter(None, (self.engine, self.name, self.tunables.instance_id)))

    @property
    def longest(self) -> float:
        """Seconds after which a run of it must be over."""
        tuned = self.tunables
        looks = sum(seconds_of(probe) for probe in self.probes)
        return 2 * (tuned.ramp_time + tuned.total_chaos_duration + tuned.status_check_timeout + looks)


@dataclass(frozen=True)
class Engine:
    """A ChaosEngine of a file, with the ChaosExperiments of that file in its namespace."""

    name: str
    namespace: str
    experiments: tuple[Planned, ...]
    body: JsonObject
    definitions: tuple[JsonObject, ...]


@dataclass(frozen=True)
class _Read:
    """A document and what it says."""

    source: Source
    said: contract.Engine | contract.Experiment

    @property
    def home(self) -> str:
        return str(self.said.metadata.get("namespace") or DEFAULT_NAMESPACE)

    @property
    def name(self) -> str:
        return str(self.said.metadata["name"])

    def wrong(self, path: FieldPath, problem: str) -> ManifestError:
        return ManifestError(self.source.where(path), subject_of(self.source.object), f"{dotted(path)}: {problem}")

    def wrong_at(self, path: FieldPath) -> Callable[[int, str], ManifestError]:
        """For the items of the list at a path."""
        return lambda index, problem: self.wrong((*path, index), problem)


def read_engines(file: Path) -> list[Engine]:
    """The engines of a file, in its order. Raises ManifestError, which lists everything that is wrong."""
    wrong: list[ManifestError] = []
    engines: list[_Read] = []
    definitions: dict[tuple[str, str], _Read] = {}
    for source in read_file(file):
        try:
            read = _document(source)
        except ManifestError as error:
            wrong.append(error)
            continue
        if isinstance(read.said, contract.Engine):
            if (read.home, read.name) in {(one.home, one.name) for one in engines}:
                wrong.append(read.wrong(("metadata", "name"), "is defined already in this file"))
            engines.append(read)
        elif (read.home, read.name) in definitions:
            wrong.append(read.wrong(("metadata", "name"), "is defined already in this file"))
        else:
            definitions[read.home, read.name] = read
    if not wrong and not engines:
        raise ManifestError(str(file), "", "holds no ChaosEngine: that is what says which experiments are to run")
    found: list[Engine] = []
    for one in engines:
        try:
            found.append(_engine(one, definitions))
        except ManifestError as error:
            wrong.append(error)
    if wrong:
        raise ManifestError.of(wrong)
    return found


def _document(source: Source) -> _Read:
    kind = source.object.get("kind")
    said: contract.Engine | contract.Experiment
    if kind == "ChaosEngine":
        said = _validated(contract.Engine, source)
    elif kind == "ChaosExperiment":
        said = _validated(contract.Experiment, source)
    else:
        problem = f"{kind!r} is not known here: there are ChaosEngine and ChaosExperiment; apply others before"
        raise ManifestError(source.where(("kind",)), subject_of(source.object), problem)
    if not isinstance(said.metadata.get("name"), str):
        raise ManifestError(source.where(("metadata",)), subject_of(source.object), "metadata.name: is missing")
    return _Read(source, said)


def _validated(model: type[Model], source: Source) -> Model:
    """A document as a model; its errors told as ours."""
    try:
        return model.model_validate(source.object)
    except Invalid as invalid:
        subject = subject_of(source.object)
        wrong = []
        for one in invalid.errors():
            path: FieldPath = one["loc"]
            problem = f"{dotted(path)}: {_problem(model, path, dict(one))}"
            wrong.append(ManifestError(source.where(path), subject, problem))
        raise ManifestError.of(wrong) from None


def _problem(model: type[BaseModel], path: FieldPath, error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return f"is not known here{did_you_mean(str(path[-1]), _known_at(model, path[:-1]))}"
        case "missing":
            return "is missing"
        case "string_type":
            return f"must be text, not {error['input']!r}: put it in quotes"
        case "literal_error":
            return f"must be {error['ctx']['expected']}, exactly so, not {error['input']!r}"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return str(error["msg"])


def _known_at(model: type[BaseModel], path: FieldPath) -> list[str]:
    """The fields that a mapping at a path may have."""
    for key in path:
        if isinstance(key, int):
            continue
        annotation = next(field.annotation for field in model.model_fields.values() if field.alias == key)
        model = next(one for one in _classes(annotation) if issubclass(one, BaseModel))
    return [str(field.alias) for field in model.model_fields.values()]


def _classes(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for part in get_args(annotation):
        yield from _classes(part)


def _engine(read: _Read, definitions: Mapping[tuple[str, str], _Read]) -> Engine:
    said = read.said
    assert isinstance(said, contract.Engine)  # noqa: S101 -- as the caller sorted them
    if said.spec.engine_state == "stop":
        raise read.wrong(("spec", "engineState"), "stop says that this engine is not to run: write active")
    targets = _targets(read, said.spec)
    planned: list[Planned] = []
    wrong: list[ManifestError] = []
    for index, listed in enumerate(said.spec.experiments):
        try:
            planned.append(_planned(read, index, listed, targets, definitions.get((read.home, listed.name))))
        except ManifestError as error:
            wrong.append(error)
    names = [one.name for one in said.spec.experiments]
    for index, name in enumerate(names):
        if name in names[:index]:
            wrong.append(read.wrong(("spec", "experiments", index, "name"), f"{name} is listed already"))
    if wrong:
        raise ManifestError.of(wrong)
    bodies = tuple(one.source.object for (home, _), one in definitions.items() if home == read.home)
    return Engine(read.name, read.home, tuple(planned), read.source.object, bodies)


def _targets(read: _Read, spec: contract.EngineSpec) -> tuple[Target, ...]:
    """What an engine aims at (``chaosengine_controller.go``, getTargets)."""
    if spec.selectors is not None:
        both = spec.selectors.pods, spec.selectors.workloads
        if sum(1 for one in both if one) != 1:
            raise read.wrong(("spec", "selectors"), "must have either pods or workloads")
        pods = tuple(Target("pod", one.namespace, names=words(one.names)) for one in spec.selectors.pods or ())
        found = []
        for index, one in enumerate(spec.selectors.workloads or ()):
            if bool(one.names) == bool(one.labels):
                raise read.wrong(("spec", "selectors", "workloads", index), "must have either names or labels")
            found.append(Target(one.kind, one.namespace, names=words(one.names), labels=words(one.labels)))
        return pods or tuple(found)
    app = spec.appinfo
    if app is None or app == contract.AppInfo():
        return ()
    if bool(app.appkind) != bool(app.applabel):
        raise read.wrong(("spec", "appinfo"), "must have appkind and applabel together, or neither")
    return (Target(app.appkind, app.appns or read.home, labels=words(app.applabel)),)


def _planned(
    read: _Read, index: int, listed: contract.Listed, targets: tuple[Target, ...], definition: _Read | None
) -> Planned:
    spec = read.said.spec
    assert isinstance(spec, contract.EngineSpec)  # noqa: S101 -- as above
    base: FieldPath = ("spec", "experiments", index)
    defined = (
        definition.said.spec.definition if definition and isinstance(definition.said, contract.Experiment) else None
    )
    called = _BINARY.search(" ".join(defined.args)) if defined else None
    experiment = called[1] if called else listed.name
    if experiment not in EXPERIMENTS:
        known = f"there are {', '.join(EXPERIMENTS)}"
        raise read.wrong((*base, "name"), f"no experiment is named {experiment!r}: {known}")
    components = listed.spec.components
    environment = Environment(experiment)
    environment.derive("DEFAULT_HEALTH_CHECK", str(spec.default_health_check).lower())
    if components.status_check_timeouts.delay:
        environment.derive("STATUS_CHECK_DELAY", str(components.status_check_timeouts.delay))
    if components.status_check_timeouts.timeout:
        environment.derive("STATUS_CHECK_TIMEOUT", str(components.status_check_timeouts.timeout))
    if definition and defined:
        environment.add(defined.env, definition.wrong_at((*_DEFINITION, "env")))
    environment.add(components.env, read.wrong_at((*base, "spec", *_ENV)))
    tuned = environment.tunables(lambda problem: read.wrong(("spec",), problem))
    _check_targets(read, base, experiment, targets, tuned)
    for number, probe in enumerate(listed.spec.probe):
        if problem := checks.problem_of(probe):
            path, said = problem
            raise read.wrong((*base, "spec", "probe", number, *path), said)
    names = [probe.name for probe in listed.spec.probe]
    if len(set(names)) < len(names):
        raise read.wrong((*base, "spec", "probe"), "has two probes of one name: each needs its own")
    images = [("experimentImage", components.experiment_image), ("definition.image", defined.image if defined else "")]
    images += [("components.runner", "yes" if spec.components.runner else "")]
    images += [
        (f"source of probe {probe.name}", "yes") for probe in listed.spec.probe if probe.cmd and probe.cmd.source
    ]
    maps = [*components.config_maps, *(defined.config_maps if defined else ())]
    secrets = [*components.secrets, *(defined.secrets if defined else ())]
    mounts = [Mount("ConfigMap", one.name, one.mount_path) for one in maps]
    mounts += [Mount("Secret", one.name, one.mount_path) for one in secrets]
    return Planned(
        engine=read.name,
        namespace=read.home,
        account=spec.chaos_service_account,
        name=listed.name,
        experiment=experiment,
        targets=targets,
        tunables=tuned,
        env=environment.text,
        probes=tuple(listed.spec.probe),
        mounts=tuple({one.path: one for one in reversed(mounts)}.values()),
        labels=dict(defined.labels) if defined else {},
        unused=(*environment.unused(), *(name for name, value in images if value)),
        at=read.source.where(base),
    )


def _check_targets(read: _Read, base: FieldPath, experiment: str, targets: tuple[Target, ...], tuned: Tunables) -> None:
    if isinstance(tuned, Partition):
        if not targets or not targets[0].labels:
            raise read.wrong((*base, "name"), f"{experiment} needs the label of its pods: write appinfo.applabel")
    elif not targets and not tuned.target_pods:
        raise read.wrong((*base, "name"), f"{experiment} has no target: write appinfo, selectors or TARGET_PODS")
