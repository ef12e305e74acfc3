"""What the package says that a plain cluster serves is what it serves."""

from harness.access.discovery import discovered, shipped
from harness.access.resources import SERVED
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject


def test_the_package_carries_what_a_plain_cluster_serves(api: Api) -> None:
    told = SERVED.read_text(encoding="utf-8")

    assert told == shipped(discovered(api)), (
        f"{SERVED.name} is of another release: renew it with "
        f"`python -m harness.access.discovery KUBECONFIG > {SERVED.relative_to(SERVED.parents[2])}`"
    )


def test_an_older_servers_discovery_would_tell_the_same(api: Api) -> None:
    assert discovered(Plain.like(api)) == discovered(api)


class Plain(Api):
    """The API as a client asks it that does not know aggregated discovery."""

    @classmethod
    def like(cls, api: Api) -> "Plain":
        plain = cls.__new__(cls)
        plain.__dict__.update(api.__dict__)
        return plain

    def get(self, path: str, seconds: float = 10, *, accept: str = "application/json", **query: str) -> JsonObject:
        return super().get(path, seconds, accept=accept.rpartition(",")[2], **query)
