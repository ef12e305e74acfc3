"""The context of a kubeconfig that the user names for ``--cluster=existing``, and whether it may be changed at all.

Nothing is asked of a cluster here: what is refused is refused before anybody is spoken to.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harness.errors import SettingsError, UsageError
from harness.settings import Settings

SUSPICIOUS: Final = re.compile("prod|live", re.IGNORECASE)
"""What the name of a context, of its cluster or of its server has where people depend on it."""


@dataclass(frozen=True)
class Context:
    """One context: its name, the name of its cluster in the kubeconfig, and the server's URL."""

    name: str
    cluster: str
    server: str


def read_context(kubeconfig: Path, name: str) -> Context:
    """A context of a kubeconfig. Raises SettingsError where the file is none, or has none of that name."""
    try:
        text = kubeconfig.read_text(encoding="utf-8")
        config = YAML(typ="safe", pure=True).load(text) or {}
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise SettingsError(f"--kubeconfig: {kubeconfig} cannot be read: {error}") from None
    contexts = _named(config, "contexts", "context")
    if not contexts:
        raise SettingsError(f"--kubeconfig: {kubeconfig} is no kubeconfig, or has no context")
    if name not in contexts:
        raise SettingsError(
            f"--cluster-context: {kubeconfig} has no context {name!r}: it has {', '.join(sorted(contexts))}"
        )
    cluster = str(contexts[name].get("cluster", ""))
    clusters = _named(config, "clusters", "cluster")
    server = str(clusters.get(cluster, {}).get("server", ""))
    if not server:
        raise SettingsError(
            f"--kubeconfig: {kubeconfig}: the context {name} names the cluster {cluster!r}, of which the file says no"
            " server"
        )
    return Context(name, cluster, server)


def refuse_production(context: Context, allowed: Collection[str]) -> None:
    """Raise UsageError for a context that looks like a cluster that people depend on, unless its name is allowed."""
    if context.name in allowed:
        return
    parts = (("its name", context.name), ("its cluster", context.cluster), ("its server", context.server))
    for what, text in parts:
        if found := SUSPICIOUS.search(text):
            raise UsageError(
                f"the context {context.name} is refused: {what}, {text}, has {found[0]!r} in it, and a run changes the"
                f" cluster and breaks things there. If that is meant, repeat its name: --allow-context={context.name}"
            )


@dataclass(frozen=True)
class Entrance:
    """Where the user says that his cluster is. ``allowed`` are contexts that may be used whatever they are called."""

    kubeconfig: Path
    context: str
    allowed: tuple[str, ...] = ()

    def read(self) -> Context:
        """The context. Raises SettingsError or UsageError; nothing is asked of the cluster."""
        found = read_context(self.kubeconfig, self.context)
        refuse_production(found, self.allowed)
        return found


def entrance_of(settings: Settings) -> Entrance | None:
    """Where the user says that an existing cluster is; None where one is meant that was entered before."""
    if settings.kubeconfig and settings.cluster_context:
        return Entrance(settings.kubeconfig, settings.cluster_context, settings.allow_context)
    return None


def _named(config: object, several: str, one: str) -> Mapping[str, Mapping[str, Any]]:
    """The entries of one of a kubeconfig's lists, by name; what is malformed is none."""
    entries = config.get(several) if isinstance(config, dict) else None
    found = {}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get(one), dict):
            found[str(entry.get("name"))] = cast("Mapping[str, Any]", entry[one])
    return found
