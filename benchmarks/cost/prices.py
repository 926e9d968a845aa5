"""Prices of AWS in us-east-1, in dollars: on demand, first tier, without the free tier, arm64 for Lambda.

AWS publishes its prices on pages that are made in the browser. The sources are pages that repeat them, read in
November 2026.
"""

from typing import Final, NamedTuple


class Price(NamedTuple):
    """A price.

    Attributes:
        usd: dollars for one unit.
        unit: what is counted.
        source: where it was read.
    """

    usd: float
    unit: str
    source: str


_MILLION: Final = 1e-6

API_REQUEST: Final = Price(
    1.00 * _MILLION,
    "request to an API Gateway HTTP API, per 512 KB",
    "[AWS whitepaper](https://docs.aws.amazon.com/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html)",
)
INVOCATION: Final = Price(
    0.20 * _MILLION,
    "invocation of Lambda",
    "[cloudchipr.com](https://cloudchipr.com/blog/aws-lambda-pricing)",
)
GB_SECOND: Final = Price(
    13.3334 * _MILLION,
    "GB-second of Lambda, arm64",
    "[cloudchipr.com](https://cloudchipr.com/blog/aws-lambda-pricing)",
)
SQS_REQUEST: Final = Price(
    0.40 * _MILLION,
    "call of SQS, standard queue, per 64 KB",
    "[cloudburn.io](https://cloudburn.io/blog/amazon-sqs-pricing), March 2026",
)
LOG_GB: Final = Price(
    0.50,
    "GB of log that CloudWatch takes in",
    "[duckbillgroup.com](https://www.duckbillgroup.com/?p=9080), 2025",
)
METRIC_MONTH: Final = Price(
    0.30,
    "metric of CloudWatch, per month",
    "[AWS](https://aws.amazon.com/cloudwatch/pricing/), as others quoted it in 2026",
)
WRITE_UNIT: Final = Price(
    0.625 * _MILLION,
    "write request unit of DynamoDB, on demand, per 1 KB",
    "[airbyte.com](https://airbyte.com/data-engineering-resources/dynamodb-pricing), July 2025",
)
PROXY_VCPU_HOUR: Final = Price(
    0.015,
    "hour of RDS Proxy, per vCPU of the database, at least 2",
    "[AWS](https://aws.amazon.com/rds/proxy/pricing/), as others quoted it in 2026",
)
DATABASE_HOUR: Final = Price(
    0.065,
    "hour of db.t4g.medium, RDS for PostgreSQL, one zone",
    "[infratally.com](https://infratally.com/articles/aws-rds-pricing-explained-2026.html), 2026",
)

PRICES: Final = (
    API_REQUEST,
    INVOCATION,
    GB_SECOND,
    SQS_REQUEST,
    LOG_GB,
    METRIC_MONTH,
    WRITE_UNIT,
    PROXY_VCPU_HOUR,
    DATABASE_HOUR,
)
