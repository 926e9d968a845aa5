"""A producer with Penstock's `emit`, and without its `HttpApi`."""

import json
from typing import Any

from penstock import accepted, emit
from shared.intents import StockAdjusted


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Emit the intent of a request, and answer 202."""
    return accepted(emit(StockAdjusted.model_validate(json.loads(event["body"]) | event["pathParameters"])))
