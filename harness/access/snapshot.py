"""A running cluster as a realm: its roles, bindings, ServiceAccounts and namespaces as they are now."""

from typing import Final

from harness.access.parse import GROUP, realm_of_objects
from harness.access.rules import Realm
from harness.kube.client import Api

LISTS: Final = (
    f"/apis/{GROUP}/v1/clusterroles",
    f"/apis/{GROUP}/v1/roles",
    f"/apis/{GROUP}/v1/clusterrolebindings",
    f"/apis/{GROUP}/v1/rolebindings",
    "/api/v1/serviceaccounts",
    "/api/v1/namespaces",
)


def realm_on(api: Api) -> Realm:
    """The realm that a cluster is now; each ``at`` is what something is there. Raises ApiError."""
    return realm_of_objects(body for path in LISTS for body in api.items(path))
