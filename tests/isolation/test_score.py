"""The mutation score: a table notices a mutant by a cell that it no longer meets, and the shipped table notices all."""

import json
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from harness.errors import ManifestError, SettingsError
from harness.isolation.expectations import Expectations, parse, read
from harness.isolation.policy import Direction, IpBlock, Peer, Policy, Port, Rule
from harness.isolation.score import main, questions, score
from harness.isolation.workloads import world_of
from harness.isolation.world import ContainerPort, Namespace, Pod, Service, ServicePort, World
from harness.kube.manifests import load
from harness.kube.selectors import Selector
from harness.kube.sources import read_text
from harness.mutation import Score, details

CHECKOUT = Path(__file__).parents[2]
BOTH = (Direction.INGRESS, Direction.EGRESS)
WEB = Selector((("app", "web"),))
DB = Selector((("app", "db"),))
DENY = Policy("shop", "deny", types=BOTH, at="f:1")
OUT = Policy("shop", "web", WEB, egress=(Rule((Peer(DB),), (Port(port=5432),)),), types=(Direction.EGRESS,), at="f:2")
IN = Policy("shop", "db", DB, ingress=(Rule((Peer(WEB),), (Port(port=5432),)),), at="f:3")
ACTORS = """\
actors:
  web: {namespace: shop, labels: {app: web}}
  db: {namespace: shop, labels: {app: db}}
  dns: {namespace: kube-system, labels: {k8s-app: dns}}
  stranger: {stand-in: {}}
  false-web: {stand-in: {labels-of: web}}
  false-db: {stand-in: {labels-of: db}}
  other: {stand-in: {namespace: shop}}
  outside: external
  node: node
connections: |
"""
FULL = """\
  from/to    db:5432  db:5433  web:5432  other:5432  false-db:5432  outside:5432
  web        allow    twice    -         twice       deny           deny
  db         -        -        twice     twice       deny           deny
  other      twice    twice    twice     -           deny           deny
  false-web  deny     deny     deny      deny        allow          allow
  stranger   deny     deny     deny      deny        allow          allow
"""


def shop(*policies: Policy) -> World:
    ports = (ContainerPort(5432),)
    pods = tuple(Pod("shop", name, f"10.0.0.{n}", {"app": name}, ports) for n, name in enumerate(("web", "db"), 1))
    service = Service("shop", "db", "10.96.0.1", {"app": "db"}, (ServicePort(5432, 5432),))
    return World((Namespace("shop"),), pods, policies, (service,))


def table(text: str, more: str = "") -> Expectations:
    return parse(read_text(ACTORS + text + more, Path("expected.yaml"))[0])


def scored(expectations: Expectations, *policies: Policy) -> Score:
    world, asked, _ = questions(shop(*policies), expectations)
    return score(world, asked, expectations.equivalent)


def survivors(of: Score) -> list[str]:
    return [one.mutant.what for one in of.of("survived")]


def test_a_table_that_tells_every_side_of_every_pod_notices_every_mutant_but_a_true_equivalent() -> None:
    assert survivors(scored(table(FULL), DENY, OUT, IN)) == [
        "policy shop/web isolates Ingress, too",  # `deny` does that for every pod of the namespace
        "policy shop/db isolates Egress, too",
    ]


def test_what_another_policy_denies_as_well_is_noticed_only_by_a_cell_that_is_denied_twice() -> None:
    once = scored(table(FULL.replace("twice", "deny ")), DENY, OUT, IN)

    lost = "policy shop/db ingress rule 1 has no ports: every port of every protocol"
    assert lost in survivors(once)
    [told] = [one for one in scored(table(FULL), DENY, OUT, IN).judged if one.mutant.what == lost]
    assert str(told.breach) == (
        "web -> db:5433 is expected as `twice` (expected.yaml:13), but ingress alone says allow: "
        "policy shop/db allows ingress with shop/web"
    )


def test_a_cell_that_is_denied_twice_does_not_hold_where_one_side_alone_denies() -> None:
    text = "  from/to   db:5432\n  web       allow\n  stranger  twice\n"

    with pytest.raises(ManifestError) as raised:
        scored(table(text), DENY, OUT, IN)

    assert raised.value.where == "expected.yaml:14"
    assert "stranger -> db:5432 is expected as `twice` (expected.yaml:14), but egress alone says allow" in str(
        raised.value
    )


def test_without_a_pod_that_carries_known_labels_elsewhere_a_lost_namespace_goes_unnoticed() -> None:
    without = "".join(line for line in FULL.splitlines(keepends=True) if "false-web" not in line or "from/to" in line)

    widened = "policy shop/db ingress rule 1 from 1 gets namespaceSelector {}"
    assert widened in survivors(scored(table(without), DENY, OUT, IN))
    assert widened not in survivors(scored(table(FULL), DENY, OUT, IN))


def test_the_policies_themselves_must_meet_the_table_and_every_cell_that_they_miss_is_told_with_reasons() -> None:
    with pytest.raises(ManifestError) as raised:
        scored(table("  from/to   db:5432\n  web       deny\n  stranger  allow\n"), DENY, OUT, IN)

    both_allow = "policy shop/web allows egress with shop/db; policy shop/db allows ingress with shop/web"
    isolated = "ingress of shop/db is isolated by policy shop/{} ({})"
    isolated = f"{isolated.format('deny', 'f:1')}; {isolated.format('db', 'f:3')}; no rule allows the peer on any port"
    first, *told = str(raised.value).splitlines()
    assert first == "expected.yaml:13: the policies do not meet the expectations:"
    assert told == [
        f"web -> db:5432 is expected as `deny` (expected.yaml:13), but the policies say allow: {both_allow}",
        f"stranger -> db:5432 is expected as `allow` (expected.yaml:14), but the policies say deny: {isolated}",
    ]


def test_what_kubernetes_does_not_say_meets_no_cell_and_notices_no_mutant() -> None:
    to_pods = replace(OUT, egress=(Rule((Peer(block=IpBlock(ip_network("10.0.0.0/8"))),)),))

    with pytest.raises(ManifestError, match="but the policies say undefined"):
        scored(table("  from/to   db:5432\n  web       allow\n  stranger  deny\n"), DENY, to_pods, IN)


def test_a_survivor_is_told_with_its_place_and_with_a_connection_that_a_cell_could_speak_of() -> None:
    said = scored(table("  from/to   db:5432\n  web       allow\n  stranger  deny\n"), DENY, OUT, IN)

    wider = [line for line in details(said) if "becomes 5432-5433" in line]
    begin = "survived  f:2: policy shop/web egress rule 1 port 1 (TCP 5432) becomes 5432-5433\n          no connection "
    assert wider[0].startswith(f"{begin}between these actors changes: either another policy denies the same")
    [deleted] = [line for line in details(said) if "policy shop/deny is deleted" in line]
    assert deleted.startswith("survived  f:1: policy shop/deny is deleted\n          no cell notices that shop/db -> ")


EQUIVALENT = """\
equivalent:
  - {mutant: "policy shop/web isolates Ingress, too", because: deny does}
  - {mutant: "policy shop/db isolates Egress, too", because: deny does}
"""


def test_a_survivor_can_be_argued_to_be_equivalent_and_then_no_longer_counts() -> None:
    said = scored(table(FULL, EQUIVALENT), DENY, OUT, IN)

    assert said.complete
    assert said.share == 1
    assert str(said).endswith("0 survived, 2 argued to be equivalent")
    assert "argued    f:3: policy shop/db isolates Egress, too: deny does" in list(details(said))


@pytest.mark.parametrize("mutant", ["policy shop/deny is deleted", "policy shop/nobody is deleted"])
def test_an_argument_for_what_does_not_survive_is_stale_and_spoils_the_score(mutant: str) -> None:
    said = scored(table(FULL, EQUIVALENT + f'  - {{mutant: "{mutant}", because: why not}}\n'), DENY, OUT, IN)

    assert not said.complete
    assert f"stale     expected.yaml:21: argues for '{mutant}', which does not survive: delete it" in list(
        details(said)
    )


def test_the_share_is_that_of_the_killed_among_those_that_are_not_argued() -> None:
    said = scored(table("  from/to   db:5432\n  web       allow\n  stranger  deny\n", EQUIVALENT), DENY, OUT, IN)
    killed, survived = len(said.of("killed")), len(said.of("survived"))

    assert len(said.judged) == killed + survived + 2
    assert said.share == killed / (killed + survived)
    assert 0 < said.share < 1
    assert not said.complete


def test_an_actor_that_the_manifests_do_not_have_is_made_up_by_its_namespace_and_labels() -> None:
    world, _, _ = questions(shop(), table(FULL.replace("allow", "-", 1).replace("stranger ", "dns      ")))

    made = {pod.name: pod for pod in world.pods if pod.name not in ("web", "db")}
    assert {name: (pod.namespace, pod.labels) for name, pod in made.items()} == {
        "dns": ("kube-system", {"k8s-app": "dns"}),
        "stranger": ("strangers", {}),
        "false-web": ("strangers", {"app": "web"}),
        "false-db": ("strangers", {"app": "db"}),
        "other": ("shop", {}),
    }
    assert len({pod.address for pod in world.pods}) == len(world.pods)
    assert {pod.node for pod in world.pods} == {node.name for node in world.nodes}
    assert len(world.externals) == 1


def test_an_actor_that_is_none_of_the_pods_of_its_namespace_is_an_error() -> None:
    wrong = ACTORS.replace("{app: web}", "{app: wbe}") + FULL

    with pytest.raises(ManifestError) as raised:
        questions(shop(), parse(read_text(wrong, Path("expected.yaml"))[0]))

    assert str(raised.value) == (
        "expected.yaml:2: actor web: is nobody: of the pods of namespace shop in the manifests none has its labels"
    )


def test_a_stand_in_in_a_namespace_that_nobody_has_is_an_error() -> None:
    wrong = ACTORS.replace("{stand-in: {namespace: shop}}", "{stand-in: {namespace: shpo}}") + FULL

    with pytest.raises(ManifestError, match=r"expected\.yaml:8: actor other: stands in namespace shpo, which neither"):
        questions(shop(), parse(read_text(wrong, Path("expected.yaml"))[0]))


def test_a_cell_of_one_pod_and_itself_is_an_error() -> None:
    with pytest.raises(ManifestError, match=r"expected\.yaml:13: web -> web:1: speaks of a pod and itself"):
        questions(shop(), table("  from/to  web:1\n  web      allow\n  db       deny\n"))


def test_services_of_the_manifests_are_judged_and_those_of_the_cluster_are_told_as_not_judged() -> None:
    rows = "  web       allow  -\n  stranger  deny  allow\n"

    world, asked, passed = questions(
        shop(DENY, OUT, IN), table(f"  from/to   service:shop/db:5432  service:kube-system/dns:53/udp\n{rows}")
    )

    assert [str(column) for column in passed] == ["service:kube-system/dns:53/udp"]
    assert {cell.destination for _, cell in asked} == set(world.services)
    assert score(world, asked).of("killed")


def test_a_service_that_the_manifests_lack_is_an_error() -> None:
    with pytest.raises(ManifestError, match=r"expected\.yaml:13: web -> service:shop/bd:5432: .* no Service shop/bd"):
        questions(shop(), table("  from/to  service:shop/bd:5432\n  web      allow\n  stranger deny\n"))


def case() -> World:
    """The world of the case's files, as they stand."""
    files = [file for file in sorted((CHECKOUT / "manifests").glob("*/*.yaml")) if file.name != "kustomization.yaml"]
    return world_of([manifest for file in files for manifest in load(file)])


def test_the_case_s_own_table_notices_every_mutant_of_its_policies() -> None:
    expectations = read(CHECKOUT / "scenarios" / "isolation" / "expected.yaml")
    world, asked, _ = questions(case(), expectations)

    said = score(world, asked, expectations.equivalent)

    assert survivors(said) == []
    assert said.stale == ()
    assert len(said.of("killed")) > 100


NETWORK = """\
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: db, image: db}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {matchLabels: {app: web}}
"""
EXPECTED = """\
actors:
  db: {namespace: shop, labels: {app: db}}
  web: {stand-in: {namespace: shop, labels: {app: web}}}
  stranger: {stand-in: {}}
  false-web: {stand-in: {labels-of: web}}
  other: {stand-in: {namespace: shop}}
connections: |
  from/to    db:1   other:1  stranger:1
  web        allow  allow    -
  db         -      allow    allow
  stranger   deny   allow    -
ROWS"""
COMPLETE = "  false-web  deny   allow    -\n  other      deny   -        -\n"


def folder(path: Path, rows: str) -> list[str]:
    """Manifests and expectations of somebody's own, as the command line names them."""
    (path / "shop").mkdir()
    (path / "shop" / "all.yaml").write_text(NETWORK)
    (path / "expected.yaml").write_text(EXPECTED.replace("ROWS", rows))
    own = (f"--manifests={path / 'shop'}", f"--isolation-expectations={path / 'expected.yaml'}")
    return [*own, f"--artifacts={path / 'artifacts'}"]


def recorded(path: Path) -> Sequence[dict[str, str]]:
    [file] = (path / "artifacts" / "runs").glob("*/isolation/mutants.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_command_ends_with_0_where_everything_is_noticed_and_records_each_mutant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(folder(tmp_path, COMPLETE)) == 0

    found = recorded(tmp_path)
    assert {one["outcome"] for one in found} == {"killed"}
    assert set(found[0]) == {"mutant", "at", "outcome", "because"}
    assert (found[0]["mutant"], found[0]["at"]) == ("policy shop/db is deleted", f"{tmp_path}/shop/all.yaml:6")
    assert f"mutation score 100.0%: {len(found)} killed, 0 survived, 0 argued" in capsys.readouterr().out


def test_the_command_ends_with_1_where_something_survives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(folder(tmp_path, "")) == 1

    out = capsys.readouterr().out
    place = f"{tmp_path}/shop/all.yaml:14"
    assert f"survived  {place}: policy shop/db ingress rule 1 from 1 gets namespaceSelector {{}}" in out
    assert "no cell notices that strangers/false-web -> shop/db TCP 1 is allow, not deny" in out


def test_manifests_of_one_s_own_need_expectations_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--manifests: these need their own table of who can talk to whom"):
        main([f"--manifests={tmp_path}"])
