"""The commands: ``python -m harness build``, ``up``, ``down``, ``status``, ``doctor``, ``deploy``, … (see COMMANDS).

Exit status: 0 done, 1 failed (a message says why), 2 the command line is wrong, 130 Ctrl-C; ``kubectl`` gives its own,
and ``access diff`` 1 where the files differ.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from harness import doctor
from harness.clusters import pool
from harness.clusters.lease import Lease
from harness.clusters.pool import DEFAULT_NAME
from harness.clusters.provider import Provider
from harness.errors import HarnessError, UsageError
from harness.inifile import ini_values
from harness.kube.kubectl import child_environment
from harness.kube.wait import be_patient
from harness.settings import OF_PYTEST, OPTIONS, Settings, add_options, gather
from harness.timeline import Timeline

WIDE = 400
"""The width of tables that are not shown on a terminal: no line is broken."""

OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options, rest = _parser().parse_known_args(given)
    if rest and options.command != "kubectl":
        _parser().error(f"unknown arguments: {' '.join(rest)}")
    try:
        settings = gather(
            {option.field: getattr(options, option.field, None) for option in OPTIONS},
            ini=ini_values(),
            default_name=DEFAULT_NAME,
        )
        be_patient(settings.patience)
        return COMMANDS[options.command](_with_default_name(settings), options)
    except UsageError as error:
        return _fail(error, WRONG_USAGE)
    except HarnessError as error:
        return _fail(error, FAILED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201 -- a command speaks to its user
        return INTERRUPTED


def _fail(error: HarnessError, status: int) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201 -- a command speaks to its user
    return status


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 -- a command speaks to its user


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Real Kubernetes clusters for tests, and the example case on them.",
        epilog="Each option can also be set as HARNESS_<OPTION>, or as harness_<option> in pytest's ini file.",
        allow_abbrev=False,
    )
    add_options(parser.add_argument, without=OF_PYTEST)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        add_options(_suppressed(one.add_argument), without=OF_PYTEST)
        return one

    command("build", "build what a cluster and the case are made of, and start nothing")
    command("up", "create a cluster that stays, or find it running")
    down = command("down", "end a cluster")
    down.add_argument("--all", action="store_true", dest="all_clusters", help="every cluster that no run uses")
    command("status", "list the clusters")
    command("doctor", "check what this machine needs, and name the fix for what it lacks")
    for name, text in (("deploy", "deploy one service or all"), ("destroy", "remove one service or all")):
        command(name, text).add_argument("service", nargs="?", default="all", help="a service's name, default all")
    heal = command("heal", "repair now what killed runs of chaos have broken").add_mutually_exclusive_group()
    heal.add_argument("--all", action="store_true", dest="all_clusters", help="on every running cluster")
    heal.add_argument("--entry", metavar="ID", help="one that is registered, for the cluster's supervisor")
    access = command("access", "who may do what through the API: write it down, or compare two files of it")
    actions = access.add_subparsers(dest="action", required=True, metavar="action")
    text = "write down who may do what today: a file of expectations to begin with"
    export = actions.add_parser("export", help=text, description=text, allow_abbrev=False)
    add_options(_suppressed(export.add_argument), without=OF_PYTEST)
    who = "whom to ask for: NAME=user:…,group:…, NAME=service-account:namespace/name or NAME=anonymous"
    export.add_argument("--subject", action="append", default=[], dest="subjects", metavar="SUBJECT", help=who)
    where = "where to ask, default all namespaces that are not the cluster's own"
    export.add_argument("--namespace", action="append", default=[], dest="namespaces", metavar="NAMESPACE", help=where)
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="the file to write, default standard output")
    text = "say who gains and loses what from one file of expectations to another"
    diff = actions.add_parser("diff", help=text, description=text, allow_abbrev=False)
    for name in ("before", "after"):
        diff.add_argument(name, type=Path, help="a file of expectations")
    command("rights", "print the roles of a user who may do all that runs need on a cluster of his own")
    kubectl = commands.add_parser(
        "kubectl", help="run the project's kubectl on the cluster", add_help=False, prefix_chars="\0"
    )
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _suppressed(add: Callable[..., object]) -> Callable[..., object]:
    """Register an option again after the command, unset by default so that it keeps a value from before the command."""
    return lambda *flags, **details: add(*flags, **{**details, "default": argparse.SUPPRESS})


def _with_default_name(settings: Settings) -> Settings:
    """Where no name is given: the one kept cluster if there is exactly one, else ``harness``."""
    if settings.cluster_name:
        return settings
    return settings.with_cluster(pool.default_name(settings.paths))


def build(settings: Settings, _options: argparse.Namespace) -> int:
    """Build what the next cluster and the case need, so that nothing is built beside tests; what is there stays."""
    from harness.images.catalogue import case_images  # noqa: PLC0415 -- as in deploy

    timeline = Timeline()
    _provider(settings).build(timeline)
    case_images(timeline)
    _say("everything is built")
    return OK


def up(settings: Settings, _options: argparse.Namespace) -> int:
    """Create the cluster and let it stay, or find it running; say how to use it."""
    timeline = Timeline()
    kept = settings.with_cluster(settings.name, keep=True)
    with pool.acquire(kept, timeline, _provider(settings)) as held:
        fresh = "entered" if held.cluster.provider == "existing" else "ready"
        state = fresh if held.created else "running"
        _say(f"cluster {settings.name} is {state} and stays until `{pool.command(settings, 'down')}`")
        _say(f"  kubeconfig  {held.cluster.kubeconfig}")
        if held.cluster.ingress_url:
            _say(f"  Ingress     {held.cluster.ingress_url}")
        _say(f"  next        {pool.command(settings, 'deploy')}")
        _say(f"              {pool.command(settings, 'kubectl get pods -A')}")
        _say(f"              pytest -m e2e --cluster-name={settings.name}")
    return OK


def down(settings: Settings, options: argparse.Namespace) -> int:
    """End the cluster, or every cluster; one that a run still uses goes when that run ends."""
    timeline = Timeline()
    provider = _provider(settings)
    for name in provider.sweep():
        _say(f"removed what was left of cluster {name}")
    every = [one.name for one in _known(settings)]
    names = every if options.all_clusters else [settings.name]
    for name in names:
        one = _named(settings, name)
        if name not in every:
            _say(f"there is no cluster {name}")
            continue
        Lease(one.paths.cluster(name)).release()
        left = "left, and what was made there is removed" if one.provider == "existing" else "gone"
        gone = pool.leave(one, timeline, _provider(one))
        _say(f"cluster {name} is {left}" if gone else f"cluster {name} is in use: it goes when its last user ends")
    return OK


def status(settings: Settings, _options: argparse.Namespace) -> int:
    """List the clusters."""
    clusters = _known(settings)
    if not clusters:
        _say("no clusters")
        return OK
    table = Table("name", "state", "kept", "in use", "age", box=None)
    table.add_column("kubeconfig", overflow="fold")
    for one in clusters:
        table.add_row(
            one.name,
            one.state,
            "yes" if one.kept else "no",
            "yes" if one.held else "no",
            age(time.time() - one.since),
            one.kubeconfig,
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(table)
    return OK


def age(seconds: float) -> str:
    """A duration as kubectl shows it: its largest unit only."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(seconds, 0):.0f}s"


def _known(settings: Settings) -> list[pool.Known]:
    """The clusters of every provider."""
    return pool.known(settings.paths, lambda name: _provider(_named(settings, name)))


def _named(settings: Settings, name: str) -> Settings:
    """The settings for the cluster of a name, whichever provider it is of."""
    asked = {"cluster": "auto", "kubeconfig": None, "cluster_context": None}
    return settings.model_copy(update=asked).with_cluster(name)


def _provider(settings: Settings) -> Provider:
    from harness.wiring import provider_of  # noqa: PLC0415 -- `doctor` and `--help` answer without the Kubernetes client

    return provider_of(settings)


def deploy(settings: Settings, options: argparse.Namespace) -> int:
    """Deploy one service or all when no other process does, wait until they are ready, and print what changed."""
    from harness.case import SERVICES, open_case  # noqa: PLC0415 -- the other commands need no Kubernetes client

    service = _service(options.service, SERVICES)
    timeline = Timeline()
    with pool.join(settings, _provider(settings), visit=timeline) as cluster:
        from harness.chaos.healing import heal_first  # noqa: PLC0415 -- as above

        case = open_case(cluster, settings, timeline)
        with pool.alone_deploying(settings, timeline), timeline.phase("rollout"):
            heal_first(cluster, settings, timeline)
            changed = case.deploy(service, on_hint=timeline.meanwhile)
        for line in changed or ["nothing changed"]:
            _say(line)
        if cluster.ingress_url:
            _say(f"invoice-app: curl -H 'Host: {case.host}' {cluster.ingress_url}/invoices")
        else:
            forward = "kubectl port-forward -n invoice service/invoice-app 8080:8081"
            _say(f"invoice-app: {pool.command(settings, forward)}")
    return OK


def destroy(settings: Settings, options: argparse.Namespace) -> int:
    """Remove one service or all with everything in their namespaces, and wait until they are gone."""
    from harness.case import SERVICES, Case, manifests_folder  # noqa: PLC0415 -- as in deploy

    service = _service(options.service, SERVICES)
    with pool.join(settings, _provider(settings), visit=Timeline()) as cluster:
        case = Case(cluster, {}, manifests_folder(settings), {})
        with pool.alone_deploying(settings, Timeline()):
            removed = case.destroy(service)
        for line in removed or ["nothing was there"]:
            _say(line)
    return OK


def heal(settings: Settings, options: argparse.Namespace) -> int:
    """Undo every fault that is registered with the cluster, or with each, and say so; FAILED if one is not undone."""
    provider = _provider(settings)
    if options.entry:
        return _heal_entry(settings, provider, options.entry)
    if not options.all_clusters:
        return _heal_cluster(settings, provider)
    running = [one.name for one in _known(settings) if one.running]
    if not running:
        _say("no clusters")
    statuses = []
    for name in running:
        _say(f"cluster {name}:")
        one = _named(settings, name)
        statuses.append(_heal_cluster(one, _provider(one)))
    return max(statuses, default=OK)


def _heal_cluster(settings: Settings, provider: Provider) -> int:
    with pool.join(settings, provider) as cluster:
        from harness.chaos.healing import heal_all  # noqa: PLC0415 -- as in deploy

        healed = heal_all(cluster, cluster.api, settings.paths)
    for line in healed.done or (["nothing to heal"] if not healed.failed else []):
        _say(line)
    for failed in healed.failed:
        _fail(failed, FAILED)
    return FAILED if healed.failed else OK


def _heal_entry(settings: Settings, provider: Provider, entry: str) -> int:
    """For the cluster's supervisor, which must be able to end: so nothing is held."""
    cluster = provider.attach(settings.name)
    if cluster is None:
        raise pool.not_running(settings)
    from harness.chaos.healing import heal_entry  # noqa: PLC0415 -- as in deploy

    with closing(cluster):
        _say(heal_entry(cluster, cluster.api, settings.paths, entry))
    return OK


def _service(given: str, services: Mapping[str, str]) -> str | None:
    if given == "all":
        return None
    if given not in services:
        raise UsageError(f"there is no service {given!r}: choose {', '.join(services)} or all")
    return given


def access(settings: Settings, options: argparse.Namespace) -> int:
    """Write today's matrix of the cluster, or compare two files."""
    from harness.access import commands  # noqa: PLC0415 -- as in deploy

    if options.action == "diff":
        found = commands.diff(options.before, options.after)
        for line in map(str, found):
            _say(line)
        return FAILED if found else OK
    if options.output and not options.output.parent.is_dir():
        raise UsageError(f"--output: there is no folder {options.output.parent}")
    with pool.join(settings, _provider(settings)) as cluster:
        text = commands.export(cluster.api, options.subjects, options.namespaces)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        _say(text.rstrip())
    return OK


def rights(_settings: Settings, _options: argparse.Namespace) -> int:
    """Print the roles of a user who may do all that runs need, as YAML."""
    from harness.clusters.rights import roles  # noqa: PLC0415 -- as in deploy

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    written = StringIO()
    yaml.dump_all(roles(), written)
    _say(written.getvalue().rstrip())
    return OK


def kubectl(settings: Settings, options: argparse.Namespace) -> int:
    """Become the project's kubectl: terminal, signals and exit status are its own."""
    with pool.join(settings, _provider(settings), beyond_exec=True) as cluster:
        bound = cluster.kubectl
        cache = {"KUBECACHEDIR": str(bound.cache)} if bound.cache else {}
        environment = {**child_environment(), **cache, "KUBECONFIG": str(bound.kubeconfig)}
        context = ["--context", bound.context] if bound.context else []
        os.execve(bound.binary, ["kubectl", *context, *options.arguments], environment)  # noqa: S606 -- its own arguments


def check(settings: Settings, _options: argparse.Namespace) -> int:
    """Run the doctor; FAILED if a required check fails."""
    return OK if doctor.report(doctor.checks(settings), Console(soft_wrap=True, highlight=False)) else FAILED


COMMANDS: Mapping[str, Callable[[Settings, argparse.Namespace], int]] = {
    "build": build,
    "up": up,
    "down": down,
    "status": status,
    "doctor": check,
    "deploy": deploy,
    "destroy": destroy,
    "heal": heal,
    "access": access,
    "rights": rights,
    "kubectl": kubectl,
}
