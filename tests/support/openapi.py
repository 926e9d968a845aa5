"""The operations of the service's API."""

import json
from typing import Any

from tests.support.project import ROOT

FILE = ROOT / "producer" / "openapi.json"


DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())


OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
