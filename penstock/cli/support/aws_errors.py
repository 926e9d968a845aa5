"""How AWS refuses a caller."""

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
"""What AWS says to a caller whom it does not know, or not any more, or does not let."""
