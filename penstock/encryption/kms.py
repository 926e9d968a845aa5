"""Data keys of AWS KMS (AWS KMS API Reference, "GenerateDataKey" and "Decrypt")."""

from functools import cached_property
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from penstock.aws import aws_client, fail_fast_config
from penstock.encryption.keys import DataKey, KeyProblem, KeyServiceError

CONTEXT: Final = {"penstock": "sensitive"}
"""The encryption context of each data key, which key policies can name and CloudTrail shows."""

THREADS: Final = 8
"""The most keys that one batch unwraps at the same time."""

_DENIED: Final = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "InvalidGrantTokenException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
"""`KMSInvalidStateException` is among them: the deletion of a key can be cancelled while it is pending."""

_PROBLEMS: Final = {
    **dict.fromkeys(_DENIED, KeyProblem.DENIED),
    "NotFoundException": KeyProblem.LOST,
    "InvalidCiphertextException": KeyProblem.ALTERED,
    "IncorrectKeyException": KeyProblem.ALTERED,
}


class KmsKeys:
    """The data keys of one KMS key. Those of its former versions, and of former keys, are unwrapped as well."""

    def __init__(self, key: str, client: Any = None) -> None:
        """Make the service; this calls nothing.

        Args:
            key: the id, the ARN or the alias of the KMS key. Without it, keys can only be unwrapped.
            client: a KMS client of boto3 or botocore; by default one that fails within seconds.
        """
        self._key = key
        self._given_client = client

    def generate(self) -> DataKey:
        """Make a new data key (KMS: GenerateDataKey)."""
        answer = self._call("generate_data_key", KeyId=self._key, KeySpec="AES_256")
        return DataKey(answer["Plaintext"], answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the plain key (KMS: Decrypt). The wrapped key names its KMS key, whichever that was."""
        plain: bytes = self._call("decrypt", CiphertextBlob=wrapped)["Plaintext"]
        return plain

    def _call(self, operation: str, **parameters: Any) -> Any:
        try:
            return getattr(self._client, operation)(EncryptionContext=CONTEXT, **parameters)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise KeyServiceError(_PROBLEMS.get(code, KeyProblem.UNAVAILABLE), code) from None
        except BotoCoreError as error:
            raise KeyServiceError(KeyProblem.UNAVAILABLE, type(error).__name__) from None

    @cached_property
    def _client(self) -> Any:
        return self._given_client or aws_client(
            "kms", fail_fast_config(read_timeout=2, max_pool_connections=THREADS)
        )
