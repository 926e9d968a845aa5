"""docs/connections.md has a row for each feature of the two libraries for Node that it compares with."""

import re

import pytest

from tests.support.project import ROOT

LINES = (ROOT / "docs" / "connections.md").read_text().splitlines()
ROWS = [line.strip("|").split("|") for line in LINES if line.startswith("|")]

# The options, events and methods of the README of serverless-postgres 2.1.
SERVERLESS_POSTGRES = """
allowCredentialsDiffing application_name baseMs capMs clean config connUtilization connect debug delayMs end
library manualMaxConnections maxConnections maxConnsFreqMs maxIdleConnectionsToKill maxRetries
minConnectionIdleTimeSec plugin processCountCacheEnabled processCountFreqMs query setConfig strategy
"""
# The same of serverless-mysql 2.3.
SERVERLESS_MYSQL = """
backoff base cap changeUser config connUtilization connect end escape escapeId format getClient getConfig
getCounter getErrorCount library manageConns maxConnsFreq maxQueryRetries maxRetries onClose onConnect
onConnectError onError onKill onKillError onQueryRetry onRetry promise query queryRetryBackoff quit
returnFinalSqlQuery rollback transaction usedConnsFreq zombieMaxTimeout zombieMinTimeout
"""
FEATURES = [
    (column, name)
    for column, names in enumerate((SERVERLESS_POSTGRES, SERVERLESS_MYSQL))
    for name in re.findall(r"\w+", names)
]


@pytest.mark.parametrize(("column", "name"), FEATURES)
def test_every_feature_has_its_row(column: int, name: str) -> None:
    """Each option, event and method is in the column of its library, and the row says what is here instead."""
    found = [row for row in ROWS if re.search(rf"\b{name}\b", row[column])]
    assert found
    assert all(len(row) == 3 and row[2].strip() for row in found)
