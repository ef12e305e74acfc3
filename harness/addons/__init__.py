"""YAML of what every cluster gets beside Kubernetes itself: DNS, Ingress, metrics, storage, and Calico's settings.

Image references are ``harness.dev/NAME`` without a tag: ``render`` puts in what was built.
"""

from collections.abc import Mapping
from importlib import resources

NAMES = ("dns", "ingress", "metrics", "storage")


def render(name: str, images: Mapping[str, str]) -> str:
    """The YAML of one add-on, with ``images`` (name to full reference, such as ``coredns``) in place."""
    text = resources.files(__name__).joinpath(f"{name}.yaml").read_text()
    for image, reference in images.items():
        text = text.replace(f"image: harness.dev/{image}\n", f"image: {reference}\n")
    return text
