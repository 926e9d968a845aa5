"""An explanation as a page of HTML that loads nothing, runs no script, and can be sent to others."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from penstock.explain import tree, words
from penstock.explain.run import Explanation


def page(explanation: Explanation) -> str:
    """Return the page.

    Names of tables, columns and functions are escaped, whatever they contain. The page's own policy refuses
    scripts and requests all the same.
    """
    environment = Environment(
        loader=PackageLoader("penstock.explain", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.jinja").render(
        kind=explanation.kind,
        summary=words.summary(explanation),
        faults=explanation.faults.items(),
        notes=words.notes(explanation),
        hints=explanation.hints,
        statements=explanation.statements,
        title=words.title,
        figures=tree.figures,
        details=tree.details,
        trigger_words=tree.trigger_words,
        format_ms=tree.format_ms,
    )
