"""2,000 dead letters of five causes, as the drain and other senders leave them."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from penstock import WriteIntent
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.intents import encode_envelope, kind_of
from penstock.queue import Outgoing
from shared.intents import OrderPlaced, OrderStatusChanged, PageViewed, StockAdjusted

_ABOUT = "page_views"


def letters() -> list[Outgoing]:
    """Return the dead letters."""
    made = [_letter(_viewed(n), _check("duration_within_a_day")) for n in range(1300)]
    made += [_letter(StockAdjusted(sku=f"article-{n % 7}", delta=5), _TOO_LARGE) for n in range(400)]
    made += [_letter(_placed(n), Cause("unknown-field", fields=("coupon",))) for n in range(240)]
    made += [
        _letter(_changed(), Cause("ForeignKeyViolation", sqlstate="23503", table="orders")) for _ in range(50)
    ]
    made += [Outgoing(f"reindex {n}") for n in range(10)]
    return made


_NO_ORDER = Cause("ForeignKeyViolation", sqlstate="23503", table="orders")
_TOO_LARGE = Cause("NumericValueOutOfRange", sqlstate="22003")


def _check(constraint: str) -> Cause:
    return Cause("CheckViolation", sqlstate="23514", constraint=constraint, table=_ABOUT)


def _letter(intent: WriteIntent, cause: Cause) -> Outgoing:
    id_ = uuid4()
    letter = DeadLetter.of(
        DataFault(cause), kind=kind_of(intent), id=str(id_), receive_count=1, first_seen=None, function_version="7"
    )
    return letter.stamp(Outgoing(encode_envelope(intent, id=id_, source="/shop")))


def _viewed(number: int) -> PageViewed:
    return PageViewed(path=f"/articles/{number}", visitor=uuid4(), viewed_at=_now(), duration_ms=90_000_000)


def _placed(number: int) -> OrderPlaced:
    return OrderPlaced(order_id=UUID(int=number), customer="customer-1", total=Decimal("19.90"), placed_at=_now())


def _changed() -> OrderStatusChanged:
    return OrderStatusChanged(order_id=uuid4(), status="paid", changed_at=_now())


def _now() -> datetime:
    return datetime.now(UTC)
