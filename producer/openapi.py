"""The description of the API, written by `make openapi`."""

from pathlib import Path

from aws_lambda_powertools.event_handler import Response

from penstock.producer.http.api import HttpApi

api = HttpApi()
document = Path(__file__).with_name("openapi.json").read_text()


@api.get("/openapi.json")
def read_description() -> Response[str]:
    """Return the OpenAPI 3.1 document."""
    return Response(200, "application/json", document, {"Cache-Control": "private, max-age=300"})


handler = api.resolve
