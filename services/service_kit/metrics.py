"""The metrics that both services have."""

from typing import Final

from prometheus_client import Counter, Histogram

REQUESTS: Final = Counter("http_requests_total", "Answered requests", ("method", "route", "status"))
ABANDONED: Final = Counter(
    "http_requests_abandoned_total", "Requests whose caller hung up before the answer", ("method", "route")
)
SECONDS: Final = Histogram(
    "http_request_seconds",
    "Time from request to answer",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
OTHER: Final = "other"
"""The label of all that callers make up: methods and paths without end must not become series without end."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PAYMENTS: Final = Counter("payments_total", "Payments by outcome", ("outcome",))
