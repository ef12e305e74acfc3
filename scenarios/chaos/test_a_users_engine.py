"""A ChaosEngine as Litmus' users write it, in place of a plan: the same clients ask, the same promises are kept."""

from pathlib import Path

import pytest

from harness.chaos.litmus.run import EngineFile
from harness.chaos.recording import told
from harness.chaoscase import Chaos

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("case"), pytest.mark.timeout(600)]

ENGINE = """\
apiVersion: litmuschaos.io/v1alpha1
kind: ChaosEngine
metadata: {name: pods-go, namespace: invoice}
spec:
  engineState: active
  appinfo: {appns: invoice, applabel: app.kubernetes.io/name=invoice-app, appkind: deployment}
  chaosServiceAccount: default
  experiments:
    - name: pod-delete
      spec:
        components:
          env:
            - {name: TOTAL_CHAOS_DURATION, value: '8'}
            - {name: CHAOS_INTERVAL, value: '2'}
            - {name: FORCE, value: 'true'}
"""


def test_no_promise_is_broken_while_its_pods_are_deleted(chaos: Chaos, tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text(ENGINE)

    run = chaos.run_engine(EngineFile(file, seed=7), "a-users-engine")

    assert not run.failed, told(run)
    [strike] = run.strikes
    assert strike.said == "pods-go/pod-delete: Pass"
    assert run.judgement("every invoice is paid once").looked_at > 0
    assert run.operations[-1].began > 3 + 8, "clients ask for as long as the experiment lasts"
