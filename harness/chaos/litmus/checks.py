"""What is wrong with a probe as it is written, beyond what its types tell. Pure.

Most of it Litmus would find out when the probe runs, in the middle of the chaos.
"""

import re
from typing import Final, TypeAlias

from harness.chaos.litmus import compare, values
from harness.chaos.litmus.contract import CmdInputs, Comparator, HttpInputs, Probe, PromInputs
from harness.kube.sources import FieldPath

Problem: TypeAlias = tuple[FieldPath, str]
"""Where below the probe, and what."""

_WEB: Final = re.compile(r"https?://[^/\s]+\S*")
_ADDRESS: Final = "is no address: begin it with http:// or https://"
_SLO: Final = (
    "sloProbe asks a service that no open Litmus has, and Litmus' runner passes it over without a word, so that the "
    "verdict would claim what nobody looked at: take it out, or write a promProbe"
)


def problem_of(probe: Probe) -> Problem | None:
    """The first problem of a probe; None where it has none."""
    if probe.type == "sloProbe":
        return ("type",), _SLO
    inputs = {"httpProbe": probe.http, "k8sProbe": probe.k8s, "cmdProbe": probe.cmd, "promProbe": probe.prom}
    if inputs[probe.type] is None:
        return (), f"{probe.type}/inputs is missing"
    for kind, given in {**inputs, "sloProbe": probe.slo}.items():
        if given is not None and kind != probe.type:
            return (f"{kind}/inputs",), f"is not known here: this is a {probe.type}"
    if not values.duration(probe.run_properties.probe_timeout):
        return ("runProperties", "probeTimeout"), "must be more than nothing, such as 5s"
    if probe.run_properties.initial_delay_seconds:
        return ("runProperties", "initialDelaySeconds"), "is read by no Litmus: write initialDelay: 5s"
    return _problem_of_inputs(probe)


def _problem_of_inputs(probe: Probe) -> Problem | None:
    if probe.k8s and probe.k8s.operation == "create" and not probe.data:
        return (), "data is missing: the object that is to be created, as YAML"
    found = (
        (probe.http and _http(probe.http))
        or (probe.cmd and _cmd(probe.cmd))
        or (probe.prom and _prom(probe.prom))
        or None
    )
    return ((f"{probe.type}/inputs", *found[0]), found[1]) if found else None


def _http(inputs: HttpInputs) -> Problem | None:
    get, post = inputs.method.get, inputs.method.post
    asked = get or post
    if asked is None or (get and post):
        return ("method",), "must have either get or post"
    if not _WEB.fullmatch(inputs.url):
        return ("url",), f"{inputs.url!r} {_ADDRESS}"
    path = ("method", "get" if get else "post")
    if post and not (post.body or post.body_path):
        return path, "needs body or bodyPath"
    problem = compare.mistake("int", asked.criteria, asked.response_code)
    return (path, problem) if problem else None


def _cmd(inputs: CmdInputs) -> Problem | None:
    if inputs.comparator.type is None:
        return ("comparator",), "type is missing: int, float or string"
    return _comparator(inputs.comparator, inputs.comparator.type)


def _prom(inputs: PromInputs) -> Problem | None:
    if not (inputs.query or inputs.query_path):
        return (), "needs query or queryPath"
    if not _WEB.fullmatch(inputs.endpoint):
        return ("endpoint",), f"{inputs.endpoint!r} {_ADDRESS}"
    return _comparator(inputs.comparator, "float")


def _comparator(comparator: Comparator, kind: compare.Kind) -> Problem | None:
    problem = compare.mistake(kind, comparator.criteria, comparator.value)
    return (("comparator",), problem) if problem else None
