"""Litmus files for tests, as their users write them."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

from harness.chaos.litmus.parse import Engine, Planned, read_engines

ENGINE = """\
apiVersion: litmuschaos.io/v1alpha1
kind: ChaosEngine
metadata:
  name: shop
  namespace: web
spec:
  engineState: active
  appinfo:
    appns: web
    applabel: app=shop
    appkind: deployment
  chaosServiceAccount: chaos
  experiments:
    - name: pod-delete
      spec:
        components:
          env:
            - name: TOTAL_CHAOS_DURATION
              value: '4'
"""
"""Line 18 has the first variable."""

EXPERIMENT = """\
apiVersion: litmuschaos.io/v1alpha1
kind: ChaosExperiment
metadata:
  name: pod-delete
  namespace: web
spec:
  definition:
    scope: Namespaced
    image: example.com/go-runner:1
    args: ["-c", "./experiments -name pod-delete"]
    command: ["/bin/bash"]
    labels:
      name: pod-delete
    env:
      - name: FORCE
        value: 'true'
      - name: TOTAL_CHAOS_DURATION
        value: '15'
      - name: CHAOS_INTERVAL
        value: ''
"""


def engine(experiment: str = "pod-delete", env: Sequence[str] = (), probes: str = "", **changes: str) -> str:
    """An engine with variables ``NAME=value`` and probes; ``changes`` replace texts of ENGINE (``old`` by ``new``)."""
    text = ENGINE.replace("name: pod-delete", f"name: {experiment}")
    if "old" in changes:
        assert changes["old"] in text
        text = text.replace(changes["old"], changes["new"])
    for one in env:
        name, _, value = one.partition("=")
        text += f"            - name: {name}\n              value: '{value}'\n"
    return text + (indent("probe:\n" + indent(probes, "  "), " " * 8) if probes else "")


def written(folder: Path, *documents: str) -> Path:
    """A file of some documents."""
    file = folder / "engine.yaml"
    file.write_text("---\n".join(documents))
    return file


def read(folder: Path, *documents: str) -> list[Engine]:
    """The engines of some documents."""
    return read_engines(written(folder, *documents))


def planned(folder: Path, *documents: str) -> Planned:
    """The one experiment of some documents."""
    [one] = read(folder, *documents)
    [found] = one.experiments
    return found


def probe(mode: str = "SOT", inputs: str = "", kind: str = "httpProbe", name: str = "look", more: str = "") -> str:
    """A probe as YAML. ``more`` are lines of its runProperties."""
    inputs = (
        inputs
        or "httpProbe/inputs:\n  url: http://shop.web:80/\n  method: {get: {criteria: ==, responseCode: '200'}}\n"
    )
    head = (
        f"- name: {name}\n  type: {kind}\n  mode: {mode}\n  runProperties:\n    probeTimeout: 1s\n    interval: 10ms\n"
    )
    return head + indent(more, "    ") + indent(inputs, "  ")
