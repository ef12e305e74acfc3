"""metrics-server measures, and an autoscaler reads it."""

from harness.kube.client import Api, ApiError
from harness.kube.wait import wait_until

SECONDS = 90.0


def test_an_autoscaler_is_active_and_knows_the_current_value(api: Api, namespace: str, image: str) -> None:
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", "while True: pass"],
        "resources": {"requests": {"cpu": "50m"}, "limits": {"cpu": "50m"}},
    }
    labels = {"app": "busy"}
    api.post(
        f"/apis/apps/v1/namespaces/{namespace}/deployments",
        {
            "metadata": {"name": "busy"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
                },
            },
        },
    )
    target = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    autoscalers = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    api.post(
        autoscalers,
        {
            "metadata": {"name": "busy"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"},
                "minReplicas": 1,
                "maxReplicas": 2,
                "metrics": [target],
            },
        },
    )

    def utilization() -> int | None:
        status = api.get(f"{autoscalers}/busy")["status"]
        active = any(c["type"] == "ScalingActive" and c["status"] == "True" for c in status.get("conditions") or [])
        # Until the first measurement there is a metric without a type.
        measured = [m["resource"]["current"] for m in status.get("currentMetrics") or [] if m["type"] == "Resource"]
        return measured[0].get("averageUtilization") if active and measured else None

    measured = wait_until(
        "the autoscaler to be active with a current value",
        utilization,
        seconds=SECONDS,
        describe=lambda: str(api.get(f"{autoscalers}/busy").get("status")),
    )

    assert 1 <= measured <= 200

    wait_until(
        "the autoscaler to have a second replica made",
        lambda: api.get(f"{autoscalers}/busy")["status"].get("desiredReplicas") == 2,
        seconds=SECONDS,
        describe=lambda: str(api.get(f"{autoscalers}/busy").get("status")),
    )


def test_a_nodes_use_is_measured(api: Api) -> None:
    def used() -> str | None:
        nodes = api.items("/apis/metrics.k8s.io/v1beta1/nodes")
        return nodes[0]["usage"]["memory"] if nodes else None

    assert wait_until("metrics of the node", used, seconds=SECONDS, tolerate=(ApiError,))
