"""Where the functions of a service find the URL of the database, according to its template."""

import re
from dataclasses import dataclass
from typing import Any, Final

from penstock.local.errors import LocalError
from penstock.local.packaged import PackagedService

VARIABLES: Final = ("PENSTOCK_DATABASE_URL", "PENSTOCK_DATABASE_READER_URL")
PSEUDO_PARAMETER: Final = re.compile(r"\$\{AWS::(\w+)\}")
ACCOUNT: Final = "000000000000"
SECRET_ARN: Final = re.compile(r"arn:[^:]+:secretsmanager:[^:]*:(?P<account>[^:]*):secret:(?P<name>[^:}]+)")
DYNAMIC_REFERENCE: Final = re.compile(r"\{\{resolve:secretsmanager:(?P<name>[^:}]+)")


@dataclass(frozen=True)
class DatabaseSecrets:
    """The secrets that have to hold the database's URL.

    Attributes:
        names: Secrets that have to exist before the deployment.
        logical_ids: Secrets that the stack itself creates.
    """

    names: frozenset[str]
    logical_ids: frozenset[str]

    @classmethod
    def of(cls, service: PackagedService, database_url: str) -> "DatabaseSecrets":
        """Return the secrets that the environment variables of a service's functions refer to.

        Args:
            service: The packaged service.
            database_url: The URL of the local database.

        Raises:
            LocalError: A function would use another database than the local one.
        """
        found = [
            _refer(function, variable, value)
            for function, variable, value in service.variables()
            if variable in VARIABLES and value != database_url
        ]
        names = {text for kind, text in found if kind == "name"}
        return cls(frozenset(names), frozenset(text for kind, text in found if kind == "id"))


def _refer(function: str, variable: str, value: Any) -> tuple[str, str]:
    """Return the secret that a variable refers to: `name` or logical `id`, and the text."""
    match value:
        case {"Ref": str(logical_id)} | {"Fn::GetAtt": [str(logical_id), *_]}:
            return "id", logical_id
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), *_]} | str(text):
            pass
        case {"Fn::Join": [str(separator), list(parts)]}:
            text = separator.join(part if isinstance(part, str) else "${}" for part in parts)
        case _:
            text = ""
    text = PSEUDO_PARAMETER.sub(r"\1", text)
    found = SECRET_ARN.search(text) or DYNAMIC_REFERENCE.search(text)
    if found is None or "${" in found["name"]:
        message = (
            f"serverless.yml: {variable} of the function {function} is not the local database's. Set it to "
            "${env:PENSTOCK_DATABASE_URL}, which `penstock local up` sets, or to the ARN of a secret, e.g. "
            "!Sub arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:NAME"
        )
        raise LocalError(message)
    account = found.groupdict().get("account", ACCOUNT)
    if account.isdigit() and account != ACCOUNT:
        message = (
            f"serverless.yml: {variable} of the function {function} is a secret of the account {account}. The "
            f"local AWS is the account {ACCOUNT}: write ${{aws:accountId}}, or ${{AWS::AccountId}} in !Sub"
        )
        raise LocalError(message)
    return "name", found["name"]
