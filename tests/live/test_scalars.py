"""Our reader of manifests and kubectl mean the same by every scalar."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.clusters.provider import Cluster
from harness.errors import ManifestError
from harness.kube.kubectl import Kubectl, child_environment
from harness.kube.sources import read_text

EXACT = 2**53
"""Up to here a float has every whole number; Go writes larger ones with as few digits as tell them apart."""

WORDS = """
y n yes No ON off true False TRUE ~ null Null << = inf NaN .inf -.INF +.inf .nan .NaN +.nan
0x 0b 0o - + . -.5 +.5e3 .5_0 ._5 .5e1_0 0_ 1. -0 -0.0 1E+2 12e03 1_000 1__0 0x_1F 08 0644 0o17 -0b11 +0b1
3e846736 1e999 1e-999 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 0xFFFFFFFFFFFFFFFF +18446744073709551615
2026-11-24 2026-1-2 2026-13-01 2026-11-24T01:02:03Z 1:30 22:22:22 190:20:30.15
"""
KNOWN = ("", "2026-11-24 1:2:3.5", *WORDS.split())
TAGS = ("!!str", "!!int", "!!float", "!!bool", "!!null", "!!binary", "!!timestamp", "!mine", "!")
NUMBER = r"[-+]?[0-9_]{1,22}(\.[0-9_]{0,3})?([eE][-+]?[0-9]{1,6})?"
TIME = r"[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}([tT ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?Z?)?"

plain = st.one_of(
    st.sampled_from(KNOWN),
    st.text("0123456789eE+-._xXobB:~", min_size=1, max_size=9),
    st.text("01eE._-+", min_size=1, max_size=6),
    st.from_regex(r"[-+]?0[xXoObB][0-9a-fA-F_]{1,18}", fullmatch=True),
    st.from_regex(NUMBER, fullmatch=True),
    st.from_regex(TIME, fullmatch=True),
)
base64 = st.sampled_from(("aGVsbG8=", "aGVsbG8", "/+8=", "4oKs4oI=", "====")) | st.text("aGVs/+=", max_size=8)
quotes = st.sampled_from(("", "'"))
tagged = st.builds("{0} {2}{1}{2}".format, st.sampled_from(TAGS), plain | base64, quotes)
values = plain | plain | tagged
entries = st.builds(str.format, st.sampled_from(("v: {}", "{}: x")), values)


def manifest(name: str, entry: str) -> str:
    """An object that holds one entry of a mapping."""
    return f"apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: {name}\nspec:\n  {entry}\n"


def ours(entries: dict[str, str]) -> dict[str, object]:
    """What our reader makes of each entry that it does not refuse, by the name of its object."""
    found = {}
    for name, entry in entries.items():
        with suppress(ManifestError):
            found[name] = read_text(manifest(name, entry), Path("x.yaml"))[0].object["spec"]
    return found


def theirs(kubectl: Kubectl, entries: dict[str, str]) -> dict[str, object]:
    """The same of kubectl, which reads a folder of files, asks no server, and goes on after a file that it refuses."""
    with TemporaryDirectory() as folder:
        for name, entry in entries.items():
            (Path(folder) / f"{name}.yaml").write_text(manifest(name, entry))
        command = kubectl.command("patch", "--local", "--type=merge", "-p", "{}", "-o", "json", "-f", folder)
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=child_environment())
    refused = done.stderr.count("error parsing ")
    found, rest = {}, done.stdout.lstrip()
    while rest:
        one, end = json.JSONDecoder().raw_decode(rest)
        found[one["metadata"]["name"]] = one["spec"]
        rest = rest[end:].lstrip()
    assert len(found) + refused == len(entries), done.stderr
    return found


def typed(value: object) -> str:
    """A text that is the same for values that JSON does not tell apart, and for no others."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = int(value) if isinstance(value, int) and abs(value) < EXACT else float(value)
        value = int(value) if isinstance(value, float) and abs(value) < EXACT and value.is_integer() else value
    return json.dumps({key: typed(one) for key, one in value.items()} if isinstance(value, dict) else value)


@given(st.lists(entries, min_size=150, max_size=150, unique=True))
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_every_scalar_means_what_it_means_to_kubectl(cluster: Cluster, drawn: list[str]) -> None:
    named = {f"n{index}": entry for index, entry in enumerate(drawn)}
    mine, other = ours(named), theirs(cluster.kubectl, named)
    wrong = {
        named[name]: (mine.get(name, "refused"), other.get(name, "refused"))
        for name in named
        if typed(mine.get(name)) != typed(other.get(name))
    }
    assert wrong == {}, "(our reading, kubectl's)"
