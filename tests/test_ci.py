"""What is in CI is a list of names: each is that of one test, or a renamed test would leave it unseen."""

import ast
import re
from collections import Counter
from pathlib import Path

LIVE = Path(__file__).parent / "live"


def test_each_live_test_of_the_list_exists_once() -> None:
    body = ast.parse((LIVE / "conftest.py").read_text()).body
    named = next(
        ast.literal_eval(one.value)
        for one in body
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "IN_CI"
    )
    texts = [file.read_text() for file in LIVE.glob("test_*.py")]
    defined = Counter(name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE))

    assert named
    assert {name: defined[name] for name in named} == dict.fromkeys(named, 1)
