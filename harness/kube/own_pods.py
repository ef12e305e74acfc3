"""The selector of a workload must match the pods that it makes: the API server refuses any other."""

from collections.abc import Iterator, Mapping
from typing import Final

from harness.errors import ManifestError
from harness.kube.fields import Field
from harness.kube.selectors import selector_of
from harness.kube.templates import kind_of, labels_of, template_of

_SELECTING: Final = {("apps/v1", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")}
"""Of a Job the selector is the API server's own."""
_FIX: Final = "make it and spec.template.metadata.labels agree"


def problems(body: Field) -> Iterator[ManifestError]:
    """What of a workload's selector the labels of its template do not meet."""
    template = template_of(body)
    if template is None or kind_of(body) not in _SELECTING:
        return
    labels, selector = labels_of(template), body["spec"]["selector"]
    wanted = selector["matchLabels"].value or {}
    if not {None} & {*wanted.values(), *(template["metadata"]["labels"].value or {}).values()}:
        try:
            template["metadata"]["labels"].labels()
            requirements = selector_of(selector)
        except ManifestError as wrong:
            yield wrong
            return
    else:  # null is the empty text to the API server, and none of a label elsewhere
        requirements = None
    for key, value in wanted.items():
        if labels.get(key) != (value or ""):
            yield selector["matchLabels"][key].wrong(f"{value!r} selects none of its own pods, {_has(labels, key)}")
    for index, one in enumerate(requirements.requirements if requirements else ()):
        if not one.matches(labels):
            said = " ".join((one.key, one.operator, ", ".join(one.values))).strip()
            field = selector["matchExpressions"][index]
            yield field.wrong(f"{said!r} selects none of its own pods, {_has(labels, one.key)}")


def _has(labels: Mapping[str, str], key: str) -> str:
    """What the pods have instead, and what to do."""
    return f"which {f'have {labels[key]!r}' if key in labels else 'lack the label'}: {_FIX}"
