"""Routing by the route that API Gateway chose, on Powertools' resolver.

No other module uses private members of Powertools. It has no public way to choose a route other than by the path,
or to accept a proxy response from a handler. `tests/producer/http/test_powertools.py` checks these members.
"""

import re
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route


class RouteKeyResolver(APIGatewayHttpResolver):
    """Powertools' resolver for HTTP APIs, which goes by the event's route key and accepts proxy responses."""

    @property
    def registered_routes(self) -> list[Route]:
        """The registered routes, those without parameters first."""
        return self._static_routes + self._dynamic_routes

    def finish_response(self, response: Response[str]) -> Response[str]:
        """Return the response to send for a handler's proxy response; a subclass may change it."""
        return response

    def _resolve(self) -> Any:
        """Call the route that API Gateway names. If it names none of ours (`$default`), match the path.

        Powertools always matches the path. API Gateway has decoded it, so that it may hold characters that
        Powertools does not match.
        """
        event = self.current_event
        for route in self.registered_routes:
            if event.get("routeKey") == f"{route.method} {route.openapi_path}":
                self.context.update(_route=route, _path=event.raw_path)
                values = {name: _decode_percent(value) for name, value in event.path_parameters.items()}
                return self._call_route(route, values)
        return super()._resolve()

    def _convert_matches_into_route_keys(self, match: re.Match[str]) -> dict[str, str]:
        """Decode the values of a matched path. Bytes that are not UTF-8 become lone surrogates, refused later."""
        return {name: unquote(text, errors="surrogateescape") for name, text in match.groupdict().items()}

    def _to_response(self, result: Any) -> Any:
        """Accept a proxy response of this framework, beside the results that Powertools accepts."""
        if isinstance(result, dict) and "statusCode" in result:
            return self.finish_response(response_of(result))
        return super()._to_response(result)


def response_of(answer: dict[str, Any]) -> Response[str]:
    """Convert a proxy response of this framework to a response of Powertools."""
    headers = dict(answer["headers"])
    return Response(answer["statusCode"], headers.pop("Content-Type"), answer["body"], headers)


def _decode_percent(value: str) -> str:
    """Decode `%25`, the one escape that some platforms leave in a path parameter."""
    return value.replace("%25", "%")
