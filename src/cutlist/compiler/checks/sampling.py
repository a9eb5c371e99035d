"""Samples that are drawn anew in every run.

Measured with DuckDB 2.0.0, 300,000 rows of an Arrow source, on 1, 2 and 4 threads: with a seed, reservoir, bernoulli
and system samples of a table are the same in every run (also beside WHERE and joins); those of a GROUP BY are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

from cutlist.compiler.checks.clauses import from_items, named_query
from cutlist.compiler.checks.source import key_of, keyword_before
from cutlist.compiler.facts import Remark

if TYPE_CHECKING:
    from cutlist.compiler.checks.kinds import Kinds
    from cutlist.compiler.text import Statement

_SAMPLE = frozenset({TokenType.TABLE_SAMPLE, TokenType.USING})


def check_sampling(statement: Statement, kinds: Kinds) -> Iterator[Remark]:
    """Yield errors for samples without a seed, and warnings for those with one of what has no order of its own.

    Examples:
        >>> from cutlist.compiler.checks.kinds import Kinds
        >>> from cutlist.compiler.text import parse
        >>> [remark.error for remark in check_sampling(parse("FROM t USING SAMPLE 10%"), Kinds(lambda name: None))]
        [True]
    """
    for sample in statement.tree.find_all(exp.TableSample):
        percent = sample.args.get("percent")
        if isinstance(percent, exp.Literal) and float(percent.name) == 100:
            continue
        place = statement.at(keyword_before(statement, sample, _SAMPLE))
        share = f"{float(percent.name) / 100:g}" if isinstance(percent, exp.Literal) else "0.1"
        instead = f"write WHERE sample({key_of(kinds, sample)}, {share})"
        if not sample.args.get("seed"):
            text = f"a sample without REPEATABLE takes other rows in every run; {instead}"
            yield Remark(place=place, text=text, error=True)
        elif not _is_stable(kinds, sample.parent):
            text = (
                "REPEATABLE takes the same rows only of a table: those of a view, a subquery or a join "
                f"can come in another order in every run; {instead}"
            )
            yield Remark(place=place, text=text, error=False)


def _is_stable(kinds: Kinds, sampled: exp.Expr | None) -> bool:
    """Return whether the rows of what is sampled come in the same order in every run: those of a table or function."""
    if isinstance(sampled, exp.Select):
        items = list(from_items(sampled))
        return not items or (len(items) == 1 and _is_stable(kinds, items[0]))
    if not isinstance(sampled, exp.Table):
        return isinstance(sampled, exp.Unnest | exp.Values)
    function = not isinstance(sampled.this, exp.Identifier)
    return function or (named_query(sampled) is None and kinds.find(sampled.name) is not None)
