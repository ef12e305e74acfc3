"""Why a container's image is not there: the kubelet's, the runtime's and the registry's words, told in ours."""

import re
from dataclasses import dataclass

from harness.kube.container import Container, short
from harness.kube.diagnosis import Diagnosis

_LOCAL_ONLY = re.compile(r"^(harness\.dev|localhost)/")


@dataclass(frozen=True)
class _PullRule:
    pattern: str
    cause: str
    fix: str
    final: bool = False


_PULL_RULES = (
    _PullRule(
        r"pull access denied|unauthorized|insufficient_scope|authorization failed|forbidden|denied",
        "the registry refused: there is no such repository, or it needs a login",
        "correct the name, or give the pod's ServiceAccount an imagePullSecret for that registry",
        final=True,
    ),
    _PullRule(
        r"no match for platform|no matching manifest|exec format",
        "it was not built for this node's processor",
        "build it for the node's platform",
        final=True,
    ),
    _PullRule(r"toomanyrequests|too many requests|\b429\b", "the registry limits its callers", "log in, or wait"),
    _PullRule(
        r"x509|tls:|server gave HTTP response to HTTPS client",
        "the node does not trust the registry's certificate, or it speaks plain HTTP",
        "give the node's container runtime the registry's CA, or declare the registry insecure there",
        final=True,
    ),
    _PullRule(
        r"no such host|server misbehaving|dial tcp|connection refused|network is unreachable|no route to host"
        r"|timeout|deadline exceeded|\bEOF\b|connection reset|temporary failure in name resolution",
        "the node does not reach its registry",
        "load the image onto the node, or give the node a way to the registry",
    ),
    _PullRule(
        r"manifest unknown|not found|\b404\b|does not exist",
        "the registry has no such image or tag",
        "correct the name and the tag, or push the image",
        final=True,
    ),
)


def not_pulled(one: Container, reason: str, message: str) -> Diagnosis:
    """ErrImagePull and its kin: why, and what to do."""
    said = _pull_message(one, message)
    if reason == "InvalidImageName":
        return one.says(
            "image name",
            f"`{one.image}` is not a valid image name: {said}",
            "write it as registry/name:tag",
            final=True,
        )
    if reason == "ErrImageNeverPull":
        return one.says(
            "image never pulled",
            f"its image {one.image} is not on the node, and imagePullPolicy: Never forbids to pull it",
            "load the image onto the node, or use imagePullPolicy: IfNotPresent",
            final=True,
        )
    if _LOCAL_ONLY.match(one.image):
        return one.says(
            "image not loaded",
            f"its image {one.image} is not on the node, and no registry has it",
            "build the image and load it onto the node (`cluster.load_images`; for the case's own "
            "`python -m harness --cluster-name=NAME deploy`), or correct its tag",
            final=True,
        )
    words = _without_name(one.image, said)
    for rule in _PULL_RULES:
        if re.search(rule.pattern, words, re.IGNORECASE):
            cause = f"its image {one.image} cannot be pulled: {rule.cause} ({short(said)})"
            return one.says("image pull", cause, rule.fix, final=rule.final)
    return one.says(
        "image pull",
        f"its image {one.image} cannot be pulled" + (f": {short(said)}" if said else ""),
        "correct the name and the tag, or load the image onto the node",
    )


def _without_name(image: str, said: str) -> str:
    """What was said, less the references and addresses with the image's name: it may read like a cause itself."""
    repository = re.sub(r":[^:/]*$", "", image.partition("@")[0])
    return re.sub(rf"(?<![^\s\"])(?:[^\s\"]*/)?{re.escape(repository)}(?![\w.-])[^\s\"]*", "", said)


def _pull_message(one: Container, message: str) -> str:
    """What the pull failed with. A back-off repeats it in newer kubelets only; the event always has it."""
    failures = [str(event.get("message", "")) for event in one.events if event.get("reason") == "Failed"]
    told = [text for text in failures if "pull" in text and not text.startswith("Error: ")]
    if message.startswith("Back-off pulling image") and "ErrImagePull" not in message:
        return told[-1] if told else message
    return message or (told[-1] if told else "")
