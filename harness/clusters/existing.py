"""Clusters that the user has already: named in the interface, not built yet."""

from harness.clusters.provider import Provider
from harness.errors import NotBuiltYet
from harness.settings import Settings


def provider(settings: Settings) -> Provider:
    """The provider ``existing``. Raises NotBuiltYet."""
    raise NotBuiltYet(f"--cluster={settings.cluster} is not built yet: use --cluster=embedded")
