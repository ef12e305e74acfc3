"""The metrics that both services have."""

from typing import Final

from prometheus_client import Counter, Histogram

REQUESTS: Final = Counter("http_requests_total", "Answered requests", ("method", "route", "status"))
SECONDS: Final = Histogram(
    "http_request_seconds",
    "Time from request to answer",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PAYMENTS: Final = Counter("payments_total", "Payments by outcome", ("outcome",))
