"""The AWS error codes that concern the caller's credentials."""

from typing import Final

CREDENTIAL_CODES: Final = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
"""The credentials are unknown, have expired, or lack a permission."""
