"""The ``harness_…`` keys of pytest's ini file, for the commands: they and a run of pytest mean the same cluster."""

import configparser
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import SettingsError
from harness.settings import from_ini

SECTIONS = {
    "pytest.toml": ("pytest",),
    ".pytest.toml": ("pytest",),
    "pytest.ini": ("pytest",),
    ".pytest.ini": ("pytest",),
    "pyproject.toml": ("tool.pytest", "tool.pytest.ini_options"),
    "tox.ini": ("pytest",),
    "setup.cfg": ("tool:pytest",),
}
"""Where pytest looks, in its order, and the sections it reads there."""

ALWAYS = frozenset({"pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"})
"""Those that pytest takes for its configuration even without a section: it looks no further up."""


def ini_values(folder: Path | None = None) -> dict[str, object]:
    """The harness's keys of the ini file that pytest would take, from ``folder`` (default the current one) upwards.

    Paths are taken from the file's own folder. Raises SettingsError for a file that cannot be parsed.
    """
    start = (folder or Path.cwd()).resolve()
    for place in (start, *start.parents):
        for name, sections in SECTIONS.items():
            file = place / name
            if file.is_file() and (found := _pytest_section(file, sections)) is not None:
                return from_ini(found, place)
    return {}


def _pytest_section(file: Path, sections: tuple[str, ...]) -> Mapping[str, Any] | None:
    nothing: Mapping[str, Any] | None = {} if file.name in ALWAYS else None
    try:
        if file.suffix == ".toml":
            content: Any = tomllib.loads(file.read_text(encoding="utf-8"))
            tables = [_table(content, section.split(".")) for section in sections]
            merged = {key: value for table in tables if table for key, value in table.items()}
            return merged if any(table is not None for table in tables) else nothing
        parser = configparser.RawConfigParser()
        parser.read_string(file.read_text(encoding="utf-8"), str(file))
    except (tomllib.TOMLDecodeError, configparser.Error, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{file}: {error}") from None
    [section] = sections
    return dict(parser[section]) if parser.has_section(section) else nothing


def _table(content: Any, path: list[str]) -> Mapping[str, Any] | None:  # noqa: ANN401 -- TOML may hold anything there
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else None
