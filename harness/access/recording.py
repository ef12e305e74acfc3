"""What proofs of access leave in a run's folder: every cell as a JSON line, and what the run comes to in sentences."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.access.credentials import Credential, How
from harness.access.matrix import Compared, State, Who
from harness.access.proving import Judged
from harness.records import Records

MATRIX = "matrix.jsonl"


def record(records: Records, judged: Iterable[Judged | Compared]) -> None:
    """Write down each cell: who, what, what was expected where, and what each way says."""
    records.lines(MATRIX, (json.dumps(_line(one)) for one in judged))


def _line(one: Judged | Compared) -> Mapping[str, str | bool]:
    compared = one.compared if isinstance(one, Judged) else one
    request = compared.cell.request
    expected: dict[str, str | bool] = (
        {"expected": one.expected.allowed, "at": one.expected.at} if isinstance(one, Judged) else {}
    )
    return {
        "who": compared.cell.who.name,
        "verb": request.verb,
        "what": request.what,
        "namespace": request.namespace,
        "name": request.name,
        **expected,
        "model": compared.model.allowed,
        "review": compared.reviewed.state,
        "request": compared.asked.state,
        "answer": compared.asked.why,
        "source": compared.cell.source,
        "standing": compared.standing,
    }


def summary(compared: Sequence[Compared], credentials: Mapping[Who, Credential]) -> Iterator[str]:
    """Who asked and by which credentials, how many cells were settled in how many ways, and why not in three."""
    by_how: dict[How, list[str]] = {}
    for who, credential in credentials.items():
        by_how.setdefault(credential.how, []).append(who.name)
    yield "; ".join(f"{', '.join(names)} by {how}" for how, names in by_how.items())
    for who, credential in credentials.items():
        if credential.how is How.IMPERSONATED:
            yield f"{who.name} has no real credential: {credential.why}"
    ways = Counter(one.ways for one in compared)
    yield f"{len(compared)} cells: {ways[3]} settled three ways, {ways[2]} two ways (model and review)"
    why = Counter(one.asked.why.partition(": ")[2] for one in compared if one.asked.state is State.UNTESTED)
    for reason, number in why.most_common():
        yield f"  {number} of them: {reason}"
