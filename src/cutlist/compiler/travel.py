"""Time travel: `FROM videos AS v AT (VERSION => 12)` and `AT (VERSION => 'baseline')`, a tag."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

from cutlist.errors import CatalogError, QueryError

if TYPE_CHECKING:
    from cutlist.compiler.plan import Catalog, Plan, Use
    from cutlist.compiler.text import Statement


def travel_in_time(plan: Plan, catalog: Catalog) -> Plan:
    """Scan tables at the version that `AT (VERSION => …)` names, and take that clause out of the text.

    Raises:
        QueryError: for a version or tag that is not there; for `AT (TIMESTAMP => …)`; for a view or CTE with a version.
    """
    uses = []
    known = {id(use.node) for use in plan.uses}
    for statement in plan.statements.values():
        for node in statement.tree.find_all(exp.Table):
            if node.args.get("when") is not None and id(node) not in known:
                offset = int(node.this.meta.get("start", 0))
                raise QueryError(
                    f"{statement.at(offset)}: {node.name or 'this'} is no table, so it has no versions; "
                    f"write AT (VERSION => …) behind the tables that it reads"
                )
    for use in plan.uses:
        when = use.node.args.get("when")
        if when is not None:
            statement = plan.statements[use.statement]
            before, start, stop = _clause(statement, use)
            use = _at(use, when, statement.at(start), catalog)
            plan = plan.edited(use.statement, (before, stop, ""))
        uses.append(use)
    return replace(plan, uses=tuple(uses))


def _at(use: Use, when: exp.HistoricalData, place: str, catalog: Catalog) -> Use:
    """Return a place with the version that is asked for there."""
    wanted = when.expression
    named = when.this.upper() == "AT" and when.args["kind"].upper() == "VERSION" and isinstance(wanted, exp.Literal)
    if not named or not (wanted.is_string or re.fullmatch(r"\d{1,18}", wanted.this)):
        raise QueryError(
            f"{place}: expected AT (VERSION => 12), a number, or AT (VERSION => 'baseline'), a tag; "
            f"`SELECT * FROM {use.scan.table} AT (VERSION => 1)` is the first version"
        )
    if use.scan.selection:
        raise QueryError(f"{place}: a saved selection has its versions in it; leave AT (…) out")
    version: int | str = wanted.this if wanted.is_string else int(wanted.this)
    try:
        facts = catalog.table(use.scan.table, version)
        now = catalog.table(use.scan.table)
    except CatalogError as error:
        raise QueryError(f"{place}: {error}") from error
    assert facts is not None
    assert now is not None
    number = None if facts.version == now.version else facts.version
    return replace(use, scan=replace(use.scan, version=number), facts=facts)


def _clause(statement: Statement, use: Use) -> tuple[int, int, int]:
    """Return where the white space before `AT (…)` behind a table's name starts, and the span of the clause itself."""
    tokens = [token for token in statement.tokens if token.start >= use.stop]
    at = next(
        index
        for index, token in enumerate(tokens)
        if token.text.upper() == "AT" and tokens[index + 1].token_type == TokenType.L_PAREN
    )
    close = next(token for token in tokens[at:] if token.token_type == TokenType.R_PAREN)
    return tokens[at - 1].end + 1 if at else use.stop, tokens[at].start, close.end + 1
