"""The deliveries that are tried, and how one that fails gets smaller."""

from collections import Counter
from itertools import chain, permutations

import pytest

from penstock.testing.deliveries import ORDERS, Delivery, deliveries, smallest


@pytest.mark.parametrize("count", range(6))
def test_every_order_of_a_few_intents_is_tried(count: int) -> None:
    """Each permutation of up to five intents is delivered as one batch, and once more with repetitions."""
    tried = list(deliveries(count))
    assert {delivery[0] for delivery in tried if len(delivery) == 1} >= set(permutations(range(count)))
    repeated = [Counter(chain(*delivery)) for delivery in tried[1::2]]
    assert repeated == [Counter(dict.fromkeys(range(count), 2))] * len(repeated)


def test_a_sample_of_more_intents_is_the_same_in_each_run() -> None:
    """Of many intents a fixed number of orders is tried, always the same ones, cut in many ways."""
    tried = list(deliveries(20))
    assert tried == list(deliveries(20))
    assert len(set(tried)) == len(tried) == 2 * ORDERS
    assert len({len(delivery) for delivery in tried}) > 10


def test_a_failing_delivery_gets_as_small_as_it_can() -> None:
    """What does not matter for the failure is left out: intents, repetitions, cuts and disorder."""

    def fails(delivery: Delivery) -> bool:
        flat = list(chain(*delivery))
        return 3 in flat and 1 in flat[flat.index(3) :]

    assert smallest(((4, 3), (0,), (2, 1), (3, 1, 4)), fails) == ((3, 1),)


def test_a_cut_that_matters_stays() -> None:
    """A failure that needs two batches keeps them."""

    def fails(delivery: Delivery) -> bool:
        return any(1 in batch for batch in delivery) and len(delivery) > 1

    assert smallest(((2, 0), (1, 1), (2,)), fails) == ((1,), (2,))
