"""What a probe asks, and of whom: the API server for a k8sProbe, the pod of probes for all others.

Codes are Litmus': what answers wrongly, late or not at all has failed; what cannot be asked is an error.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from harness.chaos.litmus import compare, values
from harness.chaos.litmus.contract import K8sInputs, Probe
from harness.chaos.litmus.failures import Code, ExperimentError
from harness.chaos.litmus.probepod import ProbePod
from harness.errors import HarnessError, ManifestError
from harness.kube.client import Api, ApiError, ApiNotFound, ApiUnreachable
from harness.kube.kubectl import JsonObject
from harness.kube.sources import read_text

_REGISTER: Final = re.compile(r"\{\{\s*\.([^\s.{}]+)\.ProbeArtifacts\.Register\s*\}\}")
_DATA: Final = Path("data")
_CODES: Final = {
    "httpProbe": (Code.HTTP_PROBE, Code.HTTP_PROBE_FAILED),
    "k8sProbe": (Code.K8S_PROBE, Code.K8S_PROBE_FAILED),
    "cmdProbe": (Code.CMD_PROBE, Code.CMD_PROBE_FAILED),
    "promProbe": (Code.PROM_PROBE, Code.PROM_PROBE_FAILED),
}


class Asker:
    """Runs probes of one experiment, each once at a call. Without ``pod`` it can run k8sProbes only."""

    def __init__(self, api: Api, pod: ProbePod | None) -> None:
        self._api, self._pod = api, pod
        self._lock = threading.Lock()
        self._outputs: dict[str, str] = {}

    def __call__(self, probe: Probe) -> str:
        """What it saw, in words. Raises ExperimentError: a code of failure where that was wrong, else of error."""
        broken, failed = _CODES[probe.type]
        try:
            match probe.type:
                case "httpProbe":
                    return self._http(probe)
                case "cmdProbe":
                    return self._cmd(probe)
                case "promProbe":
                    return self._prom(probe)
                case _:
                    return self._k8s(probe)
        except _Wrong as wrong:
            raise ExperimentError(failed, str(wrong), probe.name) from None
        except ApiUnreachable as error:
            late = "timed out" in error.output
            raise ExperimentError(failed if late else broken, str(error), probe.name) from error
        except ExperimentError:
            raise
        except HarnessError as error:
            raise ExperimentError(broken, str(error), probe.name) from error

    def _http(self, probe: Probe) -> str:
        inputs = probe.http
        assert inputs is not None  # noqa: S101 -- as it was read
        request: dict[str, Any] = {"do": "http", "url": inputs.url, "insecure": inputs.insecure_skip_verify}
        if inputs.method.post:
            post = inputs.method.post
            request |= {"body": post.body, "path": post.body_path, "type": post.content_type}
        asked = inputs.method.get or inputs.method.post
        assert asked is not None  # noqa: S101 -- as it was read
        status = self._asked(probe, request)["value"]
        _hold("int", asked.criteria, status, asked.response_code)
        return f"{inputs.url} answered with status {status}"

    def _cmd(self, probe: Probe) -> str:
        inputs = probe.cmd
        assert inputs is not None  # noqa: S101 -- as it was read
        assert inputs.comparator.type is not None  # noqa: S101
        answer = self._asked(probe, {"do": "cmd", "command": self._filled(inputs.command)})
        comparator = inputs.comparator
        problem = compare.failure(inputs.comparator.type, comparator.criteria, answer["value"], comparator.value)
        if problem:
            raise _Wrong(answer.get("errors") or problem)
        with self._lock:
            self._outputs[probe.name] = answer["value"]
        return f"actual value: {answer['value']!r}; expected: {comparator.criteria} {comparator.value!r}"

    def _prom(self, probe: Probe) -> str:
        inputs = probe.prom
        assert inputs is not None  # noqa: S101 -- as it was read
        request = {"do": "prom", "endpoint": inputs.endpoint, "query": inputs.query, "path": inputs.query_path}
        value = self._asked(probe, request)["value"]
        _hold("float", inputs.comparator.criteria, value, inputs.comparator.value)
        return f"actual value: {value}; expected: {inputs.comparator.criteria} {inputs.comparator.value}"

    def _asked(self, probe: Probe, request: Mapping[str, Any]) -> dict[str, str]:
        if self._pod is None:
            raise ExperimentError(_CODES[probe.type][0], "it needs a pod of probes, and there is none", probe.name)
        seconds = values.duration(probe.run_properties.probe_timeout)
        answer = self._pod.ask({**request, "seconds": seconds}, seconds)
        if "failed" in answer:
            raise _Wrong(answer["failed"])
        if "broken" in answer:
            raise ExperimentError(_CODES[probe.type][0], answer["broken"], probe.name)
        return answer

    def _filled(self, text: str) -> str:
        """With the output of other probes in the place of ``{{ .NAME.ProbeArtifacts.Register }}``."""
        with self._lock:
            return _REGISTER.sub(lambda found: self._outputs.get(found[1], ""), text)

    def _k8s(self, probe: Probe) -> str:
        inputs = probe.k8s
        assert inputs is not None  # noqa: S101 -- as it was read
        seconds = values.duration(probe.run_properties.probe_timeout)
        path = collection(inputs)
        names = values.words(self._filled(inputs.resource_names))
        selectors = {
            key: text
            for key, written in (("labelSelector", inputs.label_selector), ("fieldSelector", inputs.field_selector))
            if (text := self._filled(written))
        }
        if inputs.operation == "create":
            self._create(path, probe.data, seconds)
            return f"created in {path}"
        found = self._found(path, names, selectors, seconds)
        what = ", ".join(names) or f"{inputs.resource} with {selectors or 'any labels'}"
        if inputs.operation == "absent":
            if found:
                raise _Wrong(f"{what} must be absent, and is there: {len(found)}")
            return f"{what} is absent"
        if not found or len(found) < len(names):
            raise _Wrong(f"{what} must be there: {len(found)} found")
        if inputs.operation == "delete":
            for body in found:
                meta = body["metadata"]
                home = collection(inputs.model_copy(update={"namespace": meta.get("namespace", "")}))
                try:
                    self._api.delete(f"{home}/{quote(str(meta['name']))}", seconds)
                except ApiError as error:
                    raise _Wrong(str(error)) from error
            return f"{what}: {len(found)} deleted"
        return f"{what}: {len(found)} found"

    def _create(self, path: str, data: str, seconds: float) -> None:
        try:
            bodies: Sequence[JsonObject] = [source.object for source in read_text(data, _DATA)]
        except ManifestError as error:
            raise ExperimentError(Code.K8S_PROBE, f"data: {error.problem}") from error
        for body in bodies:
            try:
                self._api.post(path, body, seconds)
            except ApiError as error:
                raise _Wrong(str(error)) from error

    def _found(self, path: str, names: Sequence[str], selectors: Mapping[str, str], seconds: float) -> list[JsonObject]:
        if not names:
            return self._api.items(path, seconds, **selectors)
        found = []
        for name in names:
            try:
                found.append(self._api.get(f"{path}/{quote(name)}", seconds))
            except ApiNotFound:
                continue
        return found


class _Wrong(Exception):
    """What a probe saw is not what it should be."""


def _hold(kind: compare.Kind, criteria: str, actual: str, expected: str) -> None:
    if problem := compare.failure(kind, criteria, actual, expected):
        raise _Wrong(problem)


def collection(inputs: K8sInputs) -> str:
    """Where the API serves what a k8sProbe is about."""
    prefix = f"/apis/{inputs.group}/{inputs.version}" if inputs.group else f"/api/{inputs.version}"
    scope = f"/namespaces/{quote(inputs.namespace)}" if inputs.namespace else ""
    return f"{prefix}{scope}/{quote(inputs.resource)}"
