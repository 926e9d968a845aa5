"""The styles of the severities of findings on a terminal."""

from collections.abc import Mapping
from typing import Final

from penstock.consumer.schema_check.finding import Severity

SEVERITIES: Final[Mapping[str, str]] = {Severity.FAULT: "red", Severity.WARNING: "yellow"}
