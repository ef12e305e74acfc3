"""Image references as container runtimes read them: the short names of Docker are names of its registry."""

from typing import Final

_HUB: Final = "docker.io"
_OFFICIAL: Final = "library"


def normalized(reference: str) -> str:
    """The whole reference that a short one stands for: ``my-service:1`` is ``docker.io/library/my-service:1``.

    A kubelet asks its runtime for whole ones only. Without a tag or digest it is ``latest`` (github.com/distribution/
    reference, ParseNormalizedNamed and TagNameOnly).
    """
    domain, slash, path = reference.partition("/")
    if not slash or not ("." in domain or ":" in domain or domain == "localhost" or domain.lower() != domain):
        domain, path = _HUB, reference
    if domain in (_HUB, f"index.{_HUB}"):
        domain = _HUB
        path = path if "/" in path.partition("@")[0] else f"{_OFFICIAL}/{path}"
    named = f"{domain}/{path}"
    last = named.rpartition("/")[2]
    return named if ":" in last or "@" in last else f"{named}:latest"
