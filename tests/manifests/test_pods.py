"""What every pod of the case promises: least privilege, bounded, probed, on its feet while others move."""

import re
from typing import Any

import pytest

from .documents import APPS, DATABASES, DOCUMENTS, FOLDERS, WORKLOADS, Document, Json, generated, of_kind, only

every_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=str)
every_app = pytest.mark.parametrize("app", APPS, ids=str)


def containers(workload: Document) -> list[Json]:
    spec = workload.pod["spec"]
    return [*spec["containers"], *spec.get("initContainers", [])]


def bytes_of(quantity: str) -> int:
    [(number, unit)] = re.findall(r"^(\d+)(Mi|Gi)$", quantity)
    return int(number) << {"Mi": 20, "Gi": 30}[unit]


def test_there_are_two_apps_with_a_database_each() -> None:
    assert {(w.namespace, w.kind, w.name) for w in WORKLOADS} == {
        ("invoice", "Deployment", "invoice-app"),
        ("invoice", "StatefulSet", "invoice-db"),
        ("payments", "Deployment", "payment-provider"),
        ("payments", "StatefulSet", "payments-db"),
    }


@every_workload
def test_every_pod_runs_as_a_numbered_user_that_is_not_root(workload: Document) -> None:
    context = workload.pod["spec"]["securityContext"]

    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == (10001 if workload in APPS else 10002)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


@every_workload
def test_every_container_has_a_read_only_root_and_no_capability(workload: Document) -> None:
    for container in containers(workload):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@every_workload
def test_every_container_asks_for_little_and_is_bounded(workload: Document) -> None:
    for container in containers(workload):
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert requests["cpu"] == "25m"
        assert limits["cpu"] == "1"
        assert 0 < bytes_of(requests["memory"]) < bytes_of(limits["memory"])


@every_workload
def test_every_container_has_three_probes_and_the_start_is_noticed_within_a_second(workload: Document) -> None:
    for container in containers(workload):
        startup, readiness, liveness = (container[f"{name}Probe"] for name in ("startup", "readiness", "liveness"))
        assert startup["periodSeconds"] == 1
        assert startup["failureThreshold"] >= 60
        assert readiness["periodSeconds"] <= 2
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 15, "a short stall must not restart it"


@every_app
def test_an_app_is_ready_by_its_own_database_and_alive_by_nothing_but_itself(app: Document) -> None:
    [container] = containers(app)

    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}


@every_workload
def test_no_pod_has_a_token_for_the_kubernetes_api(workload: Document) -> None:
    spec = workload.pod["spec"]

    assert spec["automountServiceAccountToken"] is False
    assert only("ServiceAccount", spec["serviceAccountName"]).body["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == workload.name, "an account of its own"


@every_workload
def test_images_carry_the_fixed_names_and_are_never_pulled_when_present(workload: Document) -> None:
    image = "harness.dev/postgres" if workload.kind == "StatefulSet" else f"harness.dev/{workload.name}"

    assert [(c["image"], c["imagePullPolicy"]) for c in containers(workload)] == [(f"{image}:dev", "IfNotPresent")]


@every_workload
def test_a_workload_selects_its_own_pods_and_no_others(workload: Document) -> None:
    selector = workload.spec["selector"]["matchLabels"].items()
    selected = [w.name for w in WORKLOADS if selector <= w.pod["metadata"]["labels"].items()]

    assert selected == [workload.name]


@pytest.mark.parametrize("service", of_kind("Service"), ids=str)
def test_a_service_selects_one_workload_and_its_target_port_exists_there(service: Document) -> None:
    selector = service.spec["selector"].items()
    [workload] = [
        w for w in WORKLOADS if w.namespace == service.namespace and selector <= w.pod["metadata"]["labels"].items()
    ]
    [port] = service.spec["ports"]
    [container_port] = [p for c in containers(workload) for p in c["ports"] if p["name"] == port["targetPort"]]

    assert port["port"] == container_port["containerPort"] == {
        "invoice-app": 8081, "payment-provider": 8082, "invoice-db": 5432, "payments-db": 5432
    }[service.name]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_object_says_what_it_is(document: Document) -> None:
    labels = document.body["metadata"]["labels"]

    assert labels["app.kubernetes.io/name"]
    assert labels["app.kubernetes.io/component"] in {"namespace", "app", "database", "network", "access"}


@every_app
def test_how_many_replicas_is_left_to_the_autoscaler_which_keeps_three(app: Document) -> None:
    autoscaler = only("HorizontalPodAutoscaler", app.name)

    assert "replicas" not in app.spec
    assert autoscaler.spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.name}
    assert autoscaler.spec["minReplicas"] == 3
    assert autoscaler.spec["maxReplicas"] > 3


@every_app
def test_a_new_version_takes_nothing_away_before_it_is_ready(app: Document) -> None:
    assert app.spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "100%"},
    }


@every_app
def test_replicas_spread_over_nodes_but_a_single_node_will_do(app: Document) -> None:
    [constraint] = app.pod["spec"]["topologySpreadConstraints"]

    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    assert constraint["labelSelector"]["matchLabels"] == app.spec["selector"]["matchLabels"]


@every_app
def test_a_leaving_pod_answers_until_the_proxies_know_and_has_the_time_for_it(app: Document) -> None:
    [container] = containers(app)
    leaving = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    draining = int(generated(app.name, "configMapGenerator")["DRAIN_SECONDS"])

    assert leaving >= 1
    assert app.pod["spec"]["terminationGracePeriodSeconds"] > leaving + draining + 45, (
        "45 s is a request's longest life"
    )


def test_the_apps_have_a_disruption_budget_and_the_databases_none_that_could_forbid_their_eviction() -> None:
    budgets = of_kind("PodDisruptionBudget")

    assert {(budget.namespace, budget.name) for budget in budgets} == {(app.namespace, app.name) for app in APPS}
    for budget in budgets:
        app = only("Deployment", budget.name)
        assert budget.spec["maxUnavailable"] == 1
        assert budget.spec["selector"] == app.spec["selector"]


@pytest.mark.parametrize("database", [w for w in WORKLOADS if w.kind == "StatefulSet"], ids=str)
def test_a_database_keeps_its_data_on_the_default_storage_where_its_group_may_write(database: Document) -> None:
    [claim] = database.spec["volumeClaimTemplates"]
    [container] = containers(database)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    variables = {variable["name"]: variable for variable in container["env"]}

    assert "storageClassName" not in claim["spec"]
    assert variables["PGDATA"]["value"].startswith(mounts["data"] + "/")
    assert database.pod["spec"]["securityContext"]["fsGroup"] == 10002
    assert database.spec["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Retain"


@every_app
def test_every_variable_comes_from_a_key_that_exists(app: Document) -> None:
    settings = generated(app.name, "configMapGenerator")
    secret = generated(app.name, "secretGenerator")
    database = only("StatefulSet", DATABASES[app.name])
    references: list[Any] = [
        variable["valueFrom"]["secretKeyRef"]
        for workload in (app, database)
        for container in containers(workload)
        for variable in container["env"]
        if "secretKeyRef" in variable.get("valueFrom", {})
    ]

    assert {reference["key"] for reference in references} == secret.keys()
    assert {reference["name"] for reference in references} == {database.name}
    assert settings["DATABASE_HOST"] == only("Service", database.name).name
    assert {"PORT", "LOG_LEVEL", "DATABASE_PORT", "DRAIN_SECONDS"} <= settings.keys()


def test_the_providers_url_names_its_service_and_port() -> None:
    url = generated("invoice-app", "configMapGenerator")["PAYMENT_PROVIDER_URL"]
    provider = only("Service", "payment-provider")

    assert url == f"http://{provider.name}.{provider.namespace}.svc.cluster.local:{provider.spec['ports'][0]['port']}"


@pytest.mark.parametrize(("folder", "namespace"), FOLDERS.items())
def test_a_teams_folder_holds_its_own_namespace_only(folder: str, namespace: str) -> None:
    assert {d.namespace for d in DOCUMENTS if d.where.startswith(f"{folder}/")} == {namespace}
