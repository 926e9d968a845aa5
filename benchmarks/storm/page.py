"""The page of the figures, docs/figures-storm.md, from its template."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.figures import VERDICTS, Figure
from benchmarks.storm import account, load, sampler, server
from benchmarks.storm.account import SPAN_SECONDS, Account
from benchmarks.storm.contenders import CONTENDERS
from benchmarks.storm.report import HEADINGS, StormReport, rows

_SHOWN_REASONS: Final = 3


def write_page(report: StormReport, path: Path) -> None:
    """Write the page."""
    # The page is Markdown: nothing is escaped.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("page.md.jinja").render(
        report=report,
        storm=report.storm,
        contenders=[CONTENDERS[name] for name in next(iter(report.accounts.values()))],
        account=account,
        load=load,
        sampler=sampler,
        server=server,
        summary=_summary,
        outage_of=_outage_of,
        reasons=_reasons,
        promises=_promises,
        connections=_connections,
        fewest_samples=min(one.samples for accounts in report.accounts.values() for one in accounts.values()),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _summary(accounts: Mapping[str, Account]) -> str:
    return _table(("", *HEADINGS), rows(accounts))


def _outage_of(accounts: Mapping[str, Account]) -> tuple[float, float] | None:
    """Return the longest outage of a run."""
    outages = [one.outage for one in accounts.values() if one.outage]
    return max(outages, key=lambda outage: outage[1] - outage[0], default=None)


def _reasons(accounts: Mapping[str, Account]) -> str:
    body = [
        (CONTENDERS[name].title, reason, f"{count:,}")
        for name, one in accounts.items()
        for reason, count in list(one.reasons.items())[:_SHOWN_REASONS]
    ]
    return _table(("", "reason", "requests"), body, texts=2)


def _promises(figures: Iterable[Figure]) -> str:
    body = [
        (figure.name, f"{figure.value:g}", f"<= {figure.at_most:g}", VERDICTS[figure.reached])
        for figure in figures
    ]
    return _table(("figure", "measured", "target", ""), body)


def _connections(accounts: Mapping[str, Account]) -> str:
    return _table(("s", *(CONTENDERS[name].title for name in accounts)), _spans(accounts.values()), texts=0)


def _spans(accounts: Iterable[Account]) -> Iterator[Sequence[str]]:
    for number, span in enumerate(zip_longest(*(one.connections for one in accounts))):
        yield str(number * SPAN_SECONDS), *("" if count is None else str(count) for count in span)


def _table(headings: Sequence[str], body: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Return a table in Markdown, whose first columns are texts and the others numbers."""
    rules = ["---" if number < texts else "---:" for number in range(len(headings))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rules, *body))
