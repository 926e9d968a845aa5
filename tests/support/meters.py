"""OpenTelemetry's API with a provider that keeps what it gets, as an SDK's does."""

from typing import Any

from opentelemetry import metrics


class Kept(metrics.MeterProvider):
    """A provider of meters, and the points of all its instruments.

    Attributes:
        points: the values by the name of the instrument, each with its attributes.
        made: the arguments with which each instrument was made.
    """

    def __init__(self, *, broken: bool = False) -> None:
        self.points: dict[str, list[tuple[float, dict[str, Any]]]] = {}
        self.made: list[dict[str, Any]] = []
        self._broken = broken

    def get_meter(self, name: str, *_: Any, **__: Any) -> Any:
        assert name == "penstock"
        return self

    def create_counter(self, **given: Any) -> Any:
        return self._instrument("add", given)

    def create_histogram(self, **given: Any) -> Any:
        return self._instrument("record", given)

    def create_gauge(self, **given: Any) -> Any:
        return self._instrument("set", given)

    def _instrument(self, method: str, given: dict[str, Any]) -> Any:
        self.made.append(given)
        kept = self.points.setdefault(given["name"], [])

        def take(value: float, attributes: dict[str, Any]) -> None:
            if self._broken:
                raise RuntimeError("no exporter")
            kept.append((value, attributes))

        return type("Instrument", (), {method: staticmethod(take)})
