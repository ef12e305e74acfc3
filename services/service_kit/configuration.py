"""Configuration from environment variables, checked once at start."""

import math
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

EXIT_STATUS = 2
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class ConfigurationError(Exception):
    """A variable is missing or wrong; the message is one line that begins with its name."""


@dataclass(frozen=True)
class Environment:
    """Typed reads of environment variables; each raises ConfigurationError. A blank variable counts as unset."""

    variables: Mapping[str, str]

    def text(self, name: str, default: str | None = None) -> str:
        """The variable's text without outer blanks."""
        value = self.variables.get(name, "").strip()
        if value:
            return value
        if default is None:
            raise ConfigurationError(f"{name} is not set")
        return default

    def secret(self, name: str) -> str:
        """The variable's text as it stands: blanks may belong to a password."""
        value = self.variables.get(name, "")
        if not value:
            raise ConfigurationError(f"{name} is not set")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """One of the choices; case does not matter."""
        value = self.text(name, default).upper()
        if value not in choices:
            raise ConfigurationError(f"{name} is {value!r}, but must be one of {', '.join(choices)}")
        return value

    def port(self, name: str, default: int) -> int:
        """A TCP port, 1 to 65535."""
        value = self.text(name, str(default))
        # Kubernetes sets <SERVICE>_PORT=tcp://address:port for Services: such a value is no port, as the message says.
        if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:  # noqa: PLR2004
            raise ConfigurationError(f"{name} is {value!r}, but must be a port number from 1 to 65535")
        return int(value)

    def seconds(self, name: str, default: float, *, least: float, most: float) -> float:
        """A duration in seconds within [least, most]."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ConfigurationError(f"{name} is {text!r}, but must be a number of seconds from {least:g} to {most:g}")
        return value

    def http_url(self, name: str) -> str:
        """An http or https URL of a host, without a query; the trailing slash is cut."""
        value = self.text(name)
        try:
            parts = urlsplit(value)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
            _ = parts.port  # reading it raises ValueError when it is no number
        except ValueError:
            valid = False
        if not valid or re.search(r"\s", value):
            raise ConfigurationError(f"{name} is {value!r}, but must be a URL such as http://host:8082")
        return value.rstrip("/")


@dataclass(frozen=True)
class DatabaseSettings:
    """Where the service's own database is."""

    host: str
    port: int
    name: str
    user: str
    password: str

    @classmethod
    def read(cls, environment: Environment) -> Self:
        """Read DATABASE_HOST, DATABASE_PORT, DATABASE_NAME, DATABASE_USER and DATABASE_PASSWORD."""
        return cls(
            host=environment.text("DATABASE_HOST"),
            port=environment.port("DATABASE_PORT", 5432),
            name=environment.text("DATABASE_NAME"),
            user=environment.text("DATABASE_USER"),
            password=environment.secret("DATABASE_PASSWORD"),
        )


@dataclass(frozen=True)
class ServerSettings:
    """How the process serves, logs and stops."""

    port: int
    log_level: str
    pod_name: str
    drain_seconds: float

    @classmethod
    def read(cls, environment: Environment, *, default_port: int) -> Self:
        """Read PORT, LOG_LEVEL, POD_NAME and DRAIN_SECONDS."""
        return cls(
            port=environment.port("PORT", default_port),
            log_level=environment.choice("LOG_LEVEL", LOG_LEVELS, "INFO"),
            pod_name=environment.text("POD_NAME", socket.gethostname()),
            drain_seconds=environment.seconds("DRAIN_SECONDS", 2, least=0, most=300),
        )
