"""The deployed API is tested against its own OpenAPI document, with requests that schemathesis generates."""

from http import HTTPStatus
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, unsupported_method

from penstock.local.state import LocalState
from tests.support.described import BEYOND_SCHEMAS, wrong
from tests.support.openapi import OPERATIONS

pytestmark = [pytest.mark.xdist_group("deployment")]

ACCEPTED = 202
OUTCOME = "/writes/{receipt}"


class Deployed:
    """The deployed API and its OpenAPI document, over HTTP."""

    def __init__(self, live: LocalState) -> None:
        self.schema = schemathesis.openapi.from_url(f"{live.api_url}/openapi.json", headers=dict(live.api_headers))
        self._session = requests.Session()
        self._session.trust_env = False
        self._transport: dict[str, Any] = {"base_url": live.api_url, "session": self._session}
        self._headers = dict(live.api_headers)

    def check(self, path: str, method: str, mode: GenerationMode, examples: int) -> None:
        """Send generated requests to an operation, and validate each answer against the document."""
        # An HTTP API answers 404 to a method that has no route. A batch is not refused for one bad item.
        excluded = [unsupported_method, *([negative_data_rejection] if path == "/batches" else [])]

        @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        @given(case=self.schema[path][method].as_strategy(generation_mode=mode))
        def check(case: Case[Any]) -> None:
            response = self._ask(case, excluded)
            if response.status_code == ACCEPTED and path != "/batches":
                receipt = response.json()["links"]["self"].removeprefix("/writes/")
                self._ask(self.schema[OUTCOME]["get"].Case(path_parameters={"receipt": receipt}), excluded)

        check()

    def _ask(self, case: Case[Any], excluded: list[Any]) -> Any:
        headers = self._headers | dict(case.headers or {})
        transport = {**self._transport, "headers": headers}
        response = case.call(**transport)
        refused_beyond = response.status_code >= HTTPStatus.BAD_REQUEST and beyond(response.json())
        if not refused_beyond:
            case.validate_response(response, excluded_checks=excluded, headers=headers, transport_kwargs=transport)
        return response


def beyond(refusal: dict[str, Any]) -> bool:
    """Return whether a request was refused for a reason that a schema cannot express."""
    return "type" in refusal and wrong(refusal) <= BEYOND_SCHEMAS


@pytest.fixture
def described(live: LocalState) -> Deployed:
    """The deployed API with its current document."""
    return Deployed(live)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_deployed_api_is_as_described(
    described: Deployed, path: str, method: str, mode: GenerationMode
) -> None:
    """Every request is answered as the document describes, and every accepted write has an outcome."""
    described.check(path, method, mode, examples=40)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_deployed_api_at_length(described: Deployed, path: str, method: str, mode: GenerationMode) -> None:
    """The same with many more requests."""
    described.check(path, method, mode, examples=500)


def test_the_description_is_of_every_operation(described: Deployed) -> None:
    """The deployed document has the operations of the repository's document: these tests cover all of them."""
    paths = described.schema.raw_schema["paths"]
    assert {(path, method) for path, methods in paths.items() for method in methods} == set(OPERATIONS)
