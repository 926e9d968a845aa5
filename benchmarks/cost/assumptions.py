"""What the costs assume, besides the prices and what `make bench-drain` measured."""

from typing import Final

SECONDS_A_MONTH: Final = 730 * 3600

VCPU_MB: Final = 1769
"""The memory with which a Lambda function has one vCPU. Less memory has as much less of it."""
FUNCTION_MB: Final = 512
"""The memory of a function that answers requests, as in the shop's `serverless.yml`."""
DRAIN_MB: Final = 1024

HANDLER_SECONDS: Final = 0.005
"""A request in a Python function that is warm, without any write."""
SQS_CALL_SECONDS: Final = 0.010
DYNAMODB_CALL_SECONDS: Final = 0.005
DYNAMODB_BATCH: Final = 25
"""Items of one BatchWriteItem."""
EMIT_SECONDS: Final = 0.0001
"""Validating and encoding one intent, with the processor of `FUNCTION_MB`."""

MESSAGE_BYTES: Final = 450
"""A page view of the shop: its envelope has about 400 bytes, and its attributes are billed too."""
PACKED_BYTES: Final = 249
"""An intent in a pack, a message with many intents of one kind."""
CHUNK_BYTES: Final = 65_536
"""What SQS bills as one call."""
CALL_MESSAGES: Final = 10
"""The most messages in one call of SQS."""

POLLERS: Final = 5
"""What an event source mapping with a maximum concurrency reads a queue with, also while it is empty."""
LONG_POLL_SECONDS: Final = 20
RECEIVE_SECONDS: Final = 0.010
WINDOW_SECONDS: Final = 1
BATCH_MESSAGES: Final = 1000

PLATFORM_LOG_BYTES: Final = 300
"""START, END and REPORT of one invocation."""
REQUEST_LOG_BYTES: Final = 400
"""Penstock's metrics of a request, as docs/metrics.md says."""
BATCH_LOG_BYTES: Final = 1200
METRICS: Final = 11
"""Metrics of a service with one kind and one function that emits, while all is well."""
PROBE_SECONDS: Final = 0.1
"""A run of the probe, once a minute."""

PROXY_VCPUS: Final = 2
"""Of db.t4g.medium, which is also the least that RDS Proxy bills."""
