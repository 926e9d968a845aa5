"""The dead letters in `penstock top`: by cause, one cause, one letter, and trials of them."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest
from sqlalchemy import Engine

from penstock.cli.operate.stage import OperatedStage
from penstock.cli.support.errors import Failure
from penstock.cli.top.screens.causes import CausesScreen
from penstock.cli.top.screens.letter import LetterScreen
from penstock.cli.top.screens.letters import LettersScreen
from penstock.cli.top.screens.trial import TrialScreen
from penstock.consumer.dead_letter import LETTER_ATTRIBUTE
from penstock.consumer.dry_run import DryRunOutcome, DryRunResult
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.queue import Attribute, Outgoing
from penstock.testing.clock import ManualClock
from penstock.testing.queue import MemoryQueue
from tests.support.dead_letters import InterceptedQueue
from tests.support.dlq import FOREIGN, moved_by_sqs
from tests.support.operate import CHECK, NULL, dead_letter, operated
from tests.support.top import SIZES, Player, play

HOSTILE = "[red]x\x1b[2J[/]\u202e"
SECRET = "4111-1111-1111-1111"


def queue_of(*messages: Outgoing) -> MemoryQueue:
    queue = MemoryQueue(ManualClock())
    assert queue.send(messages) == {}
    return queue


def mixed() -> MemoryQueue:
    """Three checks of two tenants, two nulls, one of SQS, one of another program."""
    checks = [replace(dead_letter(n, card=SECRET), group="acme" if n else "globex") for n in range(3)]
    nulls = [dead_letter(number, NULL, "email.requested") for number in (3, 4)]
    return queue_of(*checks, *nulls, moved_by_sqs(5), FOREIGN)


def opening(queue: MemoryQueue, **parts: object) -> Callable[[], OperatedStage]:
    return lambda: operated(queue, MemoryQueue(queue.clock), **parts)  # type: ignore[arg-type]


async def open_causes(player: Player) -> None:
    await player.sees("shop-production")
    await player.press("enter")
    await player.until(lambda: isinstance(player.app.screen, CausesScreen) and bool(player.app.screen.selected))


@pytest.mark.parametrize("size", SIZES)
def test_causes_letters_and_one_letter(size: tuple[int, int]) -> None:
    """Enter leads from the stage to the causes, to the letters of one, to one letter; Escape leads back."""
    queue = mixed()

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.sees("3 stock", "2 email", "Read 7 at")
        await player.press("enter")
        await player.until(lambda: isinstance(player.app.screen, LettersScreen))
        await player.sees("stock.adjusted CheckViolation 23514", "3 dead letters.", "00000000-0000")
        await player.press("down", "enter")
        await player.until(lambda: isinstance(player.app.screen, LetterScreen))
        await player.sees("CheckViolation")
        await player.press("escape", "escape", "escape")
        await player.sees("shop-production")

    play(steps, opening(queue), size=size)
    assert queue.depth().visible == 7
    assert {one.receive_count for one in queue.receive(10)} == {2}


def test_a_read_says_what_it_did() -> None:
    """The causes say how many were read, that it counted as a receive, what others lease, and whose they are."""
    queue = mixed()
    queue.receive(1)

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.sees("Read 6 at", "one receive of each", "About 1 more could not be read")
        await player.sees("Tenants: acme 2, without a tenant 4.")

    play(steps, opening(queue))


def test_the_payload_is_hidden_until_it_is_asked_for() -> None:
    """Only v shows the values; another screen on top, or leaving and coming back, hides them again."""

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.press("enter", "enter")
        screen = await player.sees("shape of the payload")
        assert SECRET not in screen
        assert "text of 19" in screen
        await player.press("v")
        await player.sees(SECRET, "hidden again")
        await player.press("t")
        await player.until(lambda: isinstance(player.app.screen, TrialScreen))
        await player.press("escape")
        assert SECRET not in await player.sees("shape of the payload")
        await player.press("v")
        await player.sees(SECRET)
        await player.press("escape", "enter")
        assert SECRET not in await player.sees("shape of the payload")

    play(steps, opening(mixed()), size=(80, 40))


def test_a_senders_text_is_text_on_every_screen() -> None:
    """Kinds, groups and payloads act neither as markup nor as control characters."""
    queue = queue_of(replace(dead_letter(1, CHECK, HOSTILE, note=HOSTILE), group="[b]tenant[/b]"))
    safe = "[red]x\N{REPLACEMENT CHARACTER}[2J[/]\N{REPLACEMENT CHARACTER}"

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.sees(safe, "[b]tenant[/b] 1")
        await player.press("t")
        await player.sees(f"trial {safe}")
        await player.press("escape", "enter")
        await player.sees(safe, "[b]tenant[/b]")
        await player.press("enter", "v")
        await player.sees(safe, "[b]tenant[/b]", r'"[red]x\u001b[2J[/]\u202e"')
        await player.press("p")
        await player.sees("Replay dead letter")

    play(steps, opening(queue), size=(120, 40))


def test_the_filter() -> None:
    """A slash filters the list while it is typed; Escape drops the filter first, and then leaves the list."""

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.press("slash")
        await player.type("EMAIL")
        await player.until(lambda: "stock.adjusted" not in player.screen)
        assert "email.requested" in player.screen
        await player.press("enter", "enter")
        await player.sees("email.requested NotNullViolation 23502", "2 dead letters.")
        await player.press("escape", "escape")
        await player.sees("stock.adjusted")
        await player.press("escape")
        await player.sees("shop-production")

    play(steps, opening(mixed()))


def test_a_cause_that_nothing_selects_is_said_so() -> None:
    """Dead letters whose cause was forged have no selector: a replay of the cause is refused, one letter goes."""
    message = dead_letter(1)
    forged = Attribute('{"fault": "F", "reason": "R", "detail": "D"}')
    queue = queue_of(replace(message, attributes=dict(message.attributes) | {LETTER_ATTRIBUTE: forged}))

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.press("p")
        await player.sees("has no name that selects its dead letters")

    play(steps, opening(queue))


def test_a_queue_that_cannot_be_read() -> None:
    """The reason is on the screen, and reading again works once the queue is back."""
    queue = mixed()
    queue.refuse("AccessDenied", call="receive")

    async def steps(player: Player) -> None:
        await player.sees("shop-production")
        await player.press("c")
        await player.sees("cannot be read: AccessDenied")
        await player.press("r")
        await player.sees("stock.adjusted")

    play(steps, opening(queue))


def test_a_stage_that_cannot_be_opened() -> None:
    """If the stage cannot be opened, the reason and the way out are on the screen, and the first screen stays."""

    def fail() -> OperatedStage:
        raise Failure("Unable to locate credentials\nCheck the AWS credentials: --profile, or AWS_PROFILE")

    async def steps(player: Player) -> None:
        await player.sees("shop-production")
        await player.press("c")
        await player.sees("Unable to locate credentials", "AWS_PROFILE")
        await player.press("escape", "b")
        await player.sees("not known: Unable to locate credentials")
        await player.press("escape")
        await player.sees("shop-production")

    play(steps, fail)


def test_quitting_in_the_middle_of_a_read() -> None:
    """Quitting does not wait for a read, and what it has leased is given back."""
    queue, reading, go_on = queue_of(*(dead_letter(number) for number in range(50))), Event(), Event()

    def before(call: str) -> None:
        if call == "receive" and queue.depth().in_flight:
            reading.set()
            go_on.wait(30)

    slow = InterceptedQueue(queue, before)

    async def steps(player: Player) -> None:
        await player.sees("shop-production")
        await player.press("c")
        await player.until(reading.is_set)
        await player.press("q")

    app = play(steps, lambda: operated(slow, queue))  # type: ignore[arg-type]
    assert app.session.threads.must_clean_up
    assert queue.depth().in_flight
    go_on.set()
    assert app.session.threads.stop_all(30)
    assert queue.depth().in_flight == 0


@pytest.mark.server
def test_a_trial_of_a_cause(engine: Engine) -> None:
    """A trial lists what would become of each dead letter, and sends nothing."""
    queue = queue_of(*(dead_letter(number) for number in range(3)))

    def dry_run(bodies: list[str]) -> list[DryRunResult]:
        fault = DataFault(Cause("CheckViolation", sqlstate="23514"))
        outcomes = [DryRunOutcome.APPLIED, DryRunOutcome.DEAD, DryRunOutcome.STALE]
        faults = [None, fault, None]
        return [DryRunResult(outcome, None, None, fault) for outcome, fault in zip(outcomes, faults, strict=True)]

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.press("t")
        await player.sees("1 applied, 1 dead, 1 stale", "CheckViolation", "Nothing was sent or written")

    play(steps, opening(queue, engine=engine, trial=lambda: lambda _: dry_run))
    assert queue.depth().visible == 3


def test_a_trial_without_the_database() -> None:
    """If Postgres is down, the trial says so, with the way out."""

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.press("enter", "t")
        await player.sees("connection refused", "--database-url")

    play(steps, opening(mixed()))
