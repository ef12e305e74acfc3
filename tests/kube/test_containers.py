"""Why a container does not run, in the kubelet's words and ours."""

import pytest

from harness.kube.diagnose import diagnose
from harness.kube.kubectl import JsonObject

from .objects import event, only, pod, snapshot, waiting


@pytest.mark.parametrize(
    ("message", "cause", "fix"),
    [
        (
            'container has runAsNonRoot and image will run as root (pod: "shop-7d9c-abcde_invoice(1)", container: app)',
            "its image registry.example/shop:1 runs as root, and the pod says runAsNonRoot: true",
            "USER 10001:10001",
        ),
        (
            "container has runAsNonRoot and image has non-numeric user (nobody), cannot verify user is non-root",
            "names its user `nobody` instead of numbering it",
            "runAsUser to that user's id",
        ),
        ("container's runAsUser breaks non-root policy (pod: …)", "both runAsUser: 0 and runAsNonRoot", "other than 0"),
        ("failed to generate container spec: no command specified", "which command to run", "ENTRYPOINT or CMD"),
    ],
)
def test_what_no_waiting_fixes_is_final(message: str, cause: str, fix: str) -> None:
    found = only(diagnose(snapshot(pod(status=waiting("CreateContainerConfigError", message)))))

    assert (found.workload, found.pod, found.container) == ("deployment/shop", "shop-7d9c-abcde", "app")
    assert cause in found.cause
    assert fix in found.fix
    assert found.final


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('configmap "settings" not found', "the ConfigMap settings that its environment refers to does not exist"),
        ('secret "login" not found', "the Secret login that its environment refers to does not exist"),
    ],
)
def test_what_is_missing_may_still_turn_up(message: str, cause: str) -> None:
    found = only(diagnose(snapshot(pod(status=waiting("CreateContainerConfigError", message)))))

    assert cause in found.cause
    assert not found.final


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("couldn't find key password in Secret invoice/login", "the Secret login has no key `password`"),
        ("couldn't find key URL in ConfigMap invoice/settings", "the ConfigMap settings has no key `URL`"),
    ],
)
def test_a_key_that_is_missing_in_what_is_there_is_final(message: str, cause: str) -> None:
    found = only(diagnose(snapshot(pod(status=waiting("CreateContainerConfigError", message)))))

    assert cause in found.cause
    assert found.final


def test_words_that_are_unknown_are_handed_on() -> None:
    found = only(diagnose(snapshot(pod(status=waiting("CreateContainerError", "the moon is full")))))

    assert "the moon is full" in found.cause
    assert not found.final


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_container_on_its_way_is_not_diagnosed(reason: str) -> None:
    assert diagnose(snapshot(pod(status=waiting(reason)))) == []


@pytest.mark.parametrize("change", [{"deletionTimestamp": "2026-11-24T00:00:00Z"}, {}])
def test_a_pod_that_goes_away_or_has_succeeded_is_not_diagnosed(change: JsonObject) -> None:
    body = pod(status=waiting("InvalidImageName", "bad"))
    body["metadata"] |= change
    body["status"]["phase"] = "Pending" if change else "Succeeded"

    assert diagnose(snapshot(body)) == []


@pytest.mark.parametrize(
    ("message", "cause", "final"),
    [
        ("pull access denied, repository does not exist or may require authorization", "needs a login", True),
        ('failed to resolve reference "registry.example/shop:1": not found', "has no such image or tag", True),
        ("no match for platform in manifest: not found", "not built for this node's processor", True),
        ("tls: failed to verify certificate: x509: unknown authority", "does not trust", True),
        ("dial tcp: lookup registry.example: no such host", "does not reach its registry", False),
        ("net/http: TLS handshake timeout", "does not reach its registry", False),
        ("toomanyrequests: You have reached your limit", "limits its callers", False),
        ("gremlins", "cannot be pulled: gremlins", False),
    ],
)
def test_an_image_that_cannot_be_pulled_is_told_with_the_likely_cause(message: str, cause: str, final: bool) -> None:  # noqa: FBT001
    found = only(diagnose(snapshot(pod(status=waiting("ErrImagePull", message)))))

    assert "registry.example/shop:1" in found.cause
    assert cause in found.cause
    assert found.final is final


def test_a_back_off_that_says_nothing_is_explained_by_the_event_before_it() -> None:
    body = pod(status=waiting("ImagePullBackOff", 'Back-off pulling image "registry.example/shop:1"'))
    failed = event("Failed", 'Failed to pull image "registry.example/shop:1": manifest unknown')

    assert "has no such image or tag" in only(diagnose(snapshot(body, failed))).cause


@pytest.mark.parametrize(
    ("reason", "image", "cause", "fix"),
    [
        ("ErrImageNeverPull", "shop:1", "imagePullPolicy: Never forbids", "load the image"),
        ("InvalidImageName", "Shop 1", "`Shop 1` is not a valid image name", "registry/name:tag"),
        ("ErrImagePull", "harness.dev/shop:1", "no registry has it", "python -m harness --cluster-name=NAME deploy"),
    ],
)
def test_an_image_that_only_the_user_can_bring_is_final(reason: str, image: str, cause: str, fix: str) -> None:
    found = only(diagnose(snapshot(pod(status=waiting(reason, "no"), container={"image": image}))))

    assert cause in found.cause
    assert fix in found.fix
    assert found.final


def test_replicas_that_fail_alike_are_told_once() -> None:
    first, second = (pod(status=waiting("InvalidImageName", "bad")) for _ in range(2))
    second["metadata"] |= {"name": "shop-7d9c-zzzzz", "uid": "pod-2"}
    both = snapshot(first)
    both = type(both)(pods=[first, second])

    assert len(diagnose(both)) == 1


@pytest.mark.parametrize(
    "name", ["acme/geofence:1", "acme/timeout-service:4.2", "acme/forbidden@sha256:04290429", "ip429"]
)
def test_a_name_that_reads_like_a_cause_is_not_taken_for_one(name: str) -> None:
    reference = f"docker.io/{name}"
    message = (
        f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}": {reference}: '
        f"unexpected status from HEAD request to https://registry-1.docker.io/v2/{name.partition(':')[0]}/manifests/x: "
        "404 Not Found"
    )
    body = pod(container={"image": name}, status=waiting("ErrImagePull", message))
    found = only(diagnose(snapshot(body)))

    assert "the registry has no such image or tag" in found.cause
    assert found.final
