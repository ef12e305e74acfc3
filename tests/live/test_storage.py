"""Volumes of the default StorageClass: a pod that is not root can write them, and they go with their claim."""

from pathlib import Path

import pytest

from harness.clusters.embedded.provider import EmbeddedCluster
from harness.kube.client import Api
from harness.kube.wait import wait_until

from .pods import SECONDS, Pods

WRITE = """\
import os
with open("/data/note", "w") as file:
    file.write("kept")
print(os.getuid(), os.getgid(), os.getgroups())
"""
READ = "print(open('/data/note').read())"


@pytest.fixture
def claim(api: Api, namespace: str) -> str:
    api.post(
        f"/api/v1/namespaces/{namespace}/persistentvolumeclaims",
        {
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}},
        },
    )
    return f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data"


def with_the_volume(user: dict[str, int]) -> dict[str, object]:
    return {
        "securityContext": user,
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "container": {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
    }


@pytest.mark.parametrize(
    "user",
    [
        pytest.param({"runAsUser": 10002, "runAsGroup": 10002, "fsGroup": 10002}, id="with_fsGroup"),
        pytest.param({"runAsUser": 10002, "runAsGroup": 10002}, id="without_fsGroup"),
        pytest.param({"runAsUser": 10002, "runAsGroup": 10001, "fsGroup": 10777}, id="with_another_fsGroup"),
    ],
)
def test_a_pod_that_is_not_root_writes_its_volume_and_the_next_one_reads_it(
    pods: Pods, claim: str, user: dict[str, int]
) -> None:
    written = pods.run("writes", WRITE, **with_the_volume(user))
    pods.delete("writes")

    assert written.startswith("10002 ")
    assert pods.run("reads", READ, **with_the_volume(user)) == "kept\n"


def test_a_volumes_folder_goes_with_its_claim(pods: Pods, claim: str, embedded: EmbeddedCluster, api: Api) -> None:
    pods.run("writes", WRITE, **with_the_volume({"runAsUser": 10002}))
    volume = api.get(f"/api/v1/persistentvolumes/{api.get(claim)['spec']['volumeName']}")
    inside = Path((volume["spec"].get("hostPath") or volume["spec"]["local"])["path"])
    outside = embedded.kubeconfig.parent / "varlib" / inside.relative_to("/var/lib")
    assert (outside / "note").read_text() == "kept"

    pods.delete("writes")
    api.delete(claim)

    wait_until("the volume's folder to be gone", lambda: not outside.exists(), seconds=SECONDS)
    path = f"/api/v1/persistentvolumes/{volume['metadata']['name']}"
    wait_until("the volume to be gone", lambda: api.find(path) is None, seconds=SECONDS)


def test_the_default_class_waits_for_the_pod(api: Api) -> None:
    defaults = [
        c
        for c in api.items("/apis/storage.k8s.io/v1/storageclasses")
        if c["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    ]

    assert [c["volumeBindingMode"] for c in defaults] == ["WaitForFirstConsumer"]
