"""Events as other senders write them, each with its documented outcome (docs/outside-python.md)."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

UUID_ = "0199aa00-0000-7000-8000-0000000000"
_GONE = object()


class Foreign(NamedTuple):
    """A message of another sender.

    Attributes:
        name: what is special about it.
        body: the text of the message.
        fault: the detail of its dead letter; None if it lands.
    """

    name: str
    body: str
    fault: str | None = None


def cloud_event(name: str, **changes: Any) -> str:
    """Write an event of `thing.made`. `_GONE` leaves an attribute out."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"id of {name}",
        "source": "/elsewhere",
        "type": "thing.made",
        "time": "2026-11-20T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {"name": name},
    }
    return json.dumps({key: value for key, value in (event | changes).items() if value is not _GONE})


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

LANDING: dict[str, dict[str, Any]] = {
    "Go, nanoseconds": {"id": "1", "time": "2026-11-20T10:00:00.123456789Z"},
    "Go, extensions": {"exbool": True, "exint": 42, "exstring": "exstring", "exurl": "http://example.com/source"},
    "Java, offset": {
        "id": "java",
        "time": "2018-04-26T14:48:09+02:00",
        "subject": "sub",
        "dataschema": "http://a/b",
    },
    "Java, numbers": {"astring": "aaa", "aboolean": True, "anumber": 10},
    "JavaScript": {"id": "3ddbb1ff-0e0d-4b1c-9f3f-6f1b8b0f4d2a", "time": "2026-11-20T10:00:00.000Z"},
    "JavaScript, tracing": {"traceparent": TRACE, "tracestate": "rojo=00f067aa0ba902b7", "baggage": "a=b"},
    "Python": {"id": "python", "time": "2026-11-20T10:00:00.123456+00:00"},
    "Python, Pydantic": {"dataschema": None, "subject": None, "datacontenttype": None, "data_base64": None},
    "C#": {"id": "A234-1234-1234", "datacontenttype": "application/json; charset=utf-8"},
    "C#, ticks": {"time": "2026-11-20T10:00:00.1234567Z"},
    "Ruby": {
        "id": "ruby",
        "datacontenttype": "application/json;charset=UTF-8",
        "time": "2026-11-20T10:00:00+00:00",
    },
    "Rust": {"id": f"{UUID_}01", "time": "2026-11-20T10:00:00.123+00:00", "someint": 10},
    "PHP": {"datacontenttype": "application/json", "dataschema": None, "subject": None, "time": None},
    "Knative": {"knativearrivaltime": "2026-11-20T10:00:01Z", "knativehistory": "default-kn.svc"},
    "Knative, dead letter": {
        "knativeerrordest": "http://a/",
        "knativeerrorcode": "500",
        "knativeerrordata": "PGh0bWw",
    },
    "Kafka": {"partitionkey": "p1", "key": "k", "kafkaoffset": 7},
    "Dapr": {"pubsubname": "pubsub", "topic": "things", "traceid": TRACE, "traceparent": TRACE, "tracestate": ""},
    "Event Grid": {"id": f"{UUID_}AB", "subject": "blobServices", "time": "2026-11-20T10:00:00.5177437Z"},
    "Eventarc": {"methodname": "m", "servicename": "s", "resourcename": "r"},
    "EventBridge Pipes": {"id": "d1f8a7", "awsaccount": "000000000000", "awsregion": "eu-central-1"},
    "EventBridge, input transformer": {"id": f"{UUID_}02", "source": "aws.partner", "detailtype": "Thing Made"},
    "SNS, raw": {"id": "sns", "source": "arn:aws:sns:eu-central-1:000000000000:things"},
    "OpenTelemetry": {"traceparent": TRACE, "tracestate": "vendor=a"},
    "correlation": {"correlationid": "c", "causationid": "d"},
    "sequence": {"sequence": "0007", "sequencetype": "Integer"},
    "sampling": {"sampledrate": 10},
    "expiry": {"expirytime": "2027-01-01T00:00:00Z", "recordedtime": "2026-11-20T10:00:01Z"},
    "authority": {"authtype": "app_user", "authid": "u", "authclaims": "{}"},
    "severity": {"severitytext": "ERROR", "severitynumber": 17},
    "classification": {"dataclassification": "confidential", "dataregulation": "GDPR"},
    "an extension that is an object": {"comexample": {"a": [1, None]}},
    "an extension that is null": {"comexample": None},
    "a long name": {"a" * 40: 1},
    "all null": dict.fromkeys(("time", "datacontenttype", "dataversion", "traceparent", "subject", "dataschema")),
    "reserved, null": {"dataref": None, "datasize": None, "datadigest": None},
    "no media type": {"datacontenttype": _GONE},
    "no time": {"time": _GONE},
    "text/json": {"datacontenttype": "text/json"},
    "a suffix": {"datacontenttype": "application/vnd.thing.v1+json"},
    "a suffix and a parameter": {"datacontenttype": "application/vnd.thing+json; profile=x"},
    "upper case": {"datacontenttype": "APPLICATION/JSON"},
    "a space": {"datacontenttype": "application/json ; charset=utf-8"},
    "two parameters": {"datacontenttype": "application/json;odata=verbose;charset=utf-8"},
    "id, a number": {"id": "42"},
    "id, a ULID": {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
    "id, a path": {"id": "/orders/7?v=1"},
    "id, not ASCII": {"id": "größe 😀"},
    "id, long": {"id": "x" * 5000},
    "id, upper case": {"id": f"{UUID_}03".upper()},
    "id, without hyphens": {"id": f"{UUID_}04".replace("-", "")},
    "id, in braces": {"id": f"{{{UUID_}05}}"},
    "id, a URN": {"id": f"urn:uuid:{UUID_}06"},
    "id, an upper case URN": {"id": f"URN:UUID:{UUID_}07"},
    "id, a space before": {"id": f" {UUID_}08"},
    "id, a hyphen missing": {"id": f"{UUID_}09".replace("-8000", "8000")},
    "lower case time": {"time": "2026-11-20t10:00:00z"},
    "version 1": {"dataversion": 1, "comexample": 1},
    "older attributes": {"schemaurl": "http://a/", "eventtypeversion": "1"},
}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "Go, bytes": ({"data": _GONE, "data_base64": "e30="}, "data_base64 not_supported_send_json_in_data"),
    "both kinds of data": ({"data_base64": "e30="}, "data_base64 not_supported_send_json_in_data"),
    "plain text": ({"datacontenttype": "text/plain"}, "datacontenttype not_json"),
    "XML": ({"datacontenttype": "application/xml"}, "datacontenttype not_json"),
    "lines": ({"datacontenttype": "application/json-seq"}, "datacontenttype not_json"),
    "no subtype": ({"datacontenttype": "json"}, "datacontenttype not_json"),
    "an empty media type": ({"datacontenttype": ""}, "datacontenttype not_json"),
    "a media type of a number": ({"datacontenttype": 7}, "datacontenttype literal_error"),
    "version 0.3": ({"specversion": "0.3"}, "specversion literal_error"),
    "version 1.0.2": ({"specversion": "1.0.2"}, "specversion literal_error"),
    "version as a number": ({"specversion": 1.0}, "specversion literal_error"),
    "no version": ({"specversion": _GONE}, "specversion missing"),
    "version null": ({"specversion": None}, "specversion missing"),
    "type null": ({"type": None}, "type missing"),
    "source null": ({"source": None}, "source missing"),
    "id null": ({"id": None}, "id missing"),
    "id empty": ({"id": ""}, "id uuid_parsing"),
    "id a number": ({"id": 42}, "id uuid_type"),
    "a bad time": ({"time": "yesterday"}, "time instant"),
    "seconds": ({"time": 1732000000}, "time instant"),
    "a misspelt type": ({"Type": "thing.made"}, "Type invalid_attribute_name"),
    "a misspelt version": ({"dataVersion": 2}, "dataVersion invalid_attribute_name"),
    "an underscore": ({"data_version": 2}, "data_version invalid_attribute_name"),
    "a header": ({"ce-id": "1"}, "ce-id invalid_attribute_name"),
    "no name": ({"": 1}, " invalid_attribute_name"),
    "a letter with an accent": ({"é": 1}, "? invalid_attribute_name"),
    "a claim check of others": ({"data": _GONE, "dataref": "https://a/b"}, "dataref reserved"),
    "an encoding": ({"datacontentencoding": "base64"}, "datacontentencoding reserved"),
    "version as text": ({"dataversion": "1"}, "dataversion int_type"),
    "a trace of a number": ({"traceparent": 7}, "traceparent string_type"),
}

SNS = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": "arn:aws:sns:eu-central-1:000000000000:things",
    "Message": cloud_event("in SNS"),
    "Timestamp": "2026-11-20T10:00:00.000Z",
    "SignatureVersion": "1",
    "Signature": "EXAMPLE",
    "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/a.pem",
    "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/",
}
EVENTBRIDGE = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "Thing Made",
    "source": "com.example",
    "account": "000000000000",
    "time": "2026-11-20T10:00:00Z",
    "region": "eu-central-1",
    "resources": [],
    "detail": json.loads(cloud_event("in EventBridge")),
}
_RAW = "sns-notification: turn on raw message delivery (RawMessageDelivery) of the SNS subscription"
_INPUT_PATH = "eventbridge-event: set InputPath of the EventBridge target to $.detail or use an input transformer"
_ALL_MISSING = "specversion missing, id missing, source missing, type missing"

WRAPPED = {
    "SNS": (json.dumps(SNS), _RAW),
    "SNS, with attributes": (json.dumps(SNS | {"Subject": "s", "MessageAttributes": {}}), _RAW),
    "SNS, a subscription": (json.dumps(SNS | {"Type": "SubscriptionConfirmation", "Token": "t"}), _RAW),
    "EventBridge": (json.dumps(EVENTBRIDGE), _INPUT_PATH),
    "EventBridge, of AWS": (json.dumps(EVENTBRIDGE | {"source": "aws.s3", "detail": {}}), _INPUT_PATH),
    "S3": (
        json.dumps({"Records": [{"eventSource": "aws:s3", "s3": {}}]}),
        "not-an-envelope: Records invalid_attribute_name",
    ),
    "an array without an event": ("[1, []]", "not-an-envelope: dataclass_type"),
    "binary mode": (json.dumps({"name": "binary"}), f"not-an-envelope: {_ALL_MISSING}, data missing"),
}


def _all() -> Iterator[Foreign]:
    for name, changes in LANDING.items():
        yield Foreign(name, cloud_event(name, **changes))
    for name, (changes, fault) in REFUSED.items():
        yield Foreign(name, cloud_event(name, **changes), f"not-an-envelope: {fault}")
    for name, (body, fault) in WRAPPED.items():
        yield Foreign(name, body, fault)


FOREIGN = tuple(_all())
"""Every message, those that land first."""
