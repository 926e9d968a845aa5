"""Items with an id that another item of the batch has too: which of them differ from what took effect before.

The statement that compares a set with the ledger returns ids. If several payloads of one id are compared at once,
it tells how many of them differ, not which. Halves are compared then, those of all ids together: a few statements,
however many items there are.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from penstock.consumer.batch import Item
from penstock.consumer.pipeline.unit_of_work import UnitOfWork
from penstock.intents import WriteIntent
from penstock.intents.sensitive import REVEALED


class _Group(NamedTuple):
    """Items of one kind and id with different payloads; each stands for all that are equal to it."""

    kind: str
    id: UUID
    items: list[Item]


def conflicting(work: UnitOfWork, items: Iterable[Item]) -> set[Item]:
    """Return those of the items under whose id another payload took effect before."""
    equal: dict[tuple[str, UUID, str], list[Item]] = {}
    for item in items:
        envelope = item.require_envelope()
        equal.setdefault((envelope.type, envelope.id, _payload(item)), []).append(item)
    groups: dict[tuple[str, UUID], _Group] = {}
    for (kind, id_, _), same in equal.items():
        groups.setdefault((kind, id_), _Group(kind, id_, [])).items.append(same[0])
    found = {id(item) for item in _differing(work, list(groups.values()))}
    return {item for same in equal.values() if id(same[0]) in found for item in same}


def _differing(work: UnitOfWork, groups: list[_Group]) -> list[Item]:
    found: list[Item] = []
    todo = list(zip(groups, _count(work, groups), strict=True))
    while todo:
        found += [item for group, count in todo if count >= len(group.items) for item in group.items]
        # One group of each id at a time: the answer names nothing but the id.
        now: dict[tuple[str, UUID], tuple[_Group, int]] = {}
        later = []
        for group, count in todo:
            if 0 < count < len(group.items):
                first_group, _ = now.setdefault((group.kind, group.id), (group, count))
                if first_group is not group:
                    later.append((group, count))
        halves = [_halves(group) for group, _ in now.values()]
        counts = _count(work, [first for first, _ in halves])
        todo = later
        for (first, second), (_, count), of_first in zip(halves, now.values(), counts, strict=True):
            todo += [(first, of_first), (second, count - of_first)]
    return found


def _halves(group: _Group) -> tuple[_Group, _Group]:
    middle = len(group.items) // 2
    return group._replace(items=group.items[:middle]), group._replace(items=group.items[middle:])


def _count(work: UnitOfWork, groups: Collection[_Group]) -> list[int]:
    """Count the payloads of each group that differ from what took effect: one statement for each kind."""
    counts: Counter[tuple[str, UUID]] = Counter()
    for kind in dict.fromkeys(group.kind for group in groups):
        envelopes = [i.require_envelope() for group in groups if group.kind == kind for i in group.items]
        counts.update((kind, id_) for id_ in work.id_conflicts(kind, envelopes))
    return [counts[group.kind, group.id] for group in groups]


def _payload(item: Item) -> str:
    data = item.require_envelope().data
    if not isinstance(data, WriteIntent):
        return str(id(item))
    made_anew = {name for name, field in type(data).model_fields.items() if field.default_factory is not None}
    try:
        return data.model_dump_json(exclude=made_anew, context=REVEALED)
    except Exception:  # noqa: BLE001 (a serializer of the service's may raise anything)
        return str(id(item))
