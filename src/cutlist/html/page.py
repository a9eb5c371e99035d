"""A table of columns and rows as HTML that stands alone: no script, no file, no address; dark where its page is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutlist.html.spread import Spread

MOST_COLUMNS = 40
"""Columns that are shown; more are named below the table."""

_STYLE = (
    ".cutlist{font:13px/1.45 system-ui,sans-serif;margin:4px 0}"
    ".cutlist .wide{overflow-x:auto}"
    ".cutlist table{border-collapse:collapse;border:0;width:max-content;margin:4px 0;color:inherit}"
    ".cutlist table th,.cutlist table td{padding:4px 10px;text-align:left!important;vertical-align:top;border:0;"
    "border-bottom:1px solid #8883;max-width:280px;white-space:normal;font-size:13px;overflow-wrap:break-word}"
    ".cutlist table th{vertical-align:bottom;font-weight:600;white-space:nowrap}"
    ".cutlist table td.n{text-align:right!important;font-variant-numeric:tabular-nums}"
    ".cutlist small{opacity:.65;font-weight:400;font-size:11px}"
    ".cutlist i.null{opacity:.45}"
    ".cutlist .e{color:#d9534f}"
    ".cutlist svg{display:block;margin:3px 0 0}"
    ".cutlist img,.cutlist video{display:block;max-width:256px;max-height:256px;border-radius:3px}"
    ".cutlist video{min-width:160px}"  # for its controls
    ".cutlist pre{margin:4px 0;white-space:pre-wrap;font-size:12px}"
    ".cutlist summary{cursor:pointer;opacity:.65}"
)

_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32)), "\ufffd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands above a column: its name and type, the share of NULLs, and how its values are spread.

    Attributes:
        num_null: Of the `num_rows` that were looked at; None where that is not known.
        is_number: Whether its cells are aligned to the right.
    """

    name: str
    type: str
    num_rows: int = 0
    num_null: int | None = None
    spread: Spread | None = None
    is_number: bool = False


def text(value: str, most: int | None = None) -> str:
    """Return text as HTML; of more than `most` characters the first, and up to 1,000 of them when it is pointed at.

    Examples:
        >>> text("<script>")
        '&lt;script&gt;'
        >>> text("a long text", most=6)
        '<span title="a long text">a long…</span>'
    """
    value = value.translate(_CONTROLS)
    if most is None or len(value) <= most:
        return escape(value)
    whole = value if len(value) <= 1000 else value[:1000] + "…"
    return f'<span title="{escape(whole)}">{escape(value[:most])}…</span>'


def failure(message: str) -> str:
    """Return an error as it stands in a cell."""
    return f'<span class="e">{text(message, 160)}</span>'


def page(
    title: str, heads: Sequence[Head], rows: Iterable[Sequence[str]], *, sql: str = "", notes: Iterable[str] = ()
) -> str:
    """Return a table as HTML, well formed.

    Args:
        title: What stands above the table, as text.
        heads: Of which the first `MOST_COLUMNS` are shown.
        rows: Cells, as HTML, at least as many in each row as columns are shown.
        sql: The query, shown when it is clicked on.
        notes: Lines below the table, as text.

    Examples:
        >>> "<td>1 &lt; 2</td>" in page("a row", [Head(name="a", type="varchar")], [[text("1 < 2")]])
        True
    """
    shown = heads[:MOST_COLUMNS]
    parts = [f'<div class="cutlist"><style>{_STYLE}</style><div>{text(title)}</div>']
    if shown:
        parts.append('<div class="wide"><table><thead><tr>')
        parts += [f"<th>{_head(each)}</th>" for each in shown]
        parts.append("</tr></thead><tbody>")
        classes = [' class="n"' if each.is_number else "" for each in shown]
        for row in rows:
            cells = zip(classes, row, strict=False)
            parts.append("<tr>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in cells) + "</tr>")
        parts.append("</tbody></table></div>")
    if len(heads) > len(shown):
        names = ", ".join(each.name for each in heads[len(shown) :])
        more = len(heads) - len(shown)
        parts.append(f"<details><summary>{more} more columns</summary>{text(names, 4000)}</details>")
    parts += [f"<div><small>{text(each, 400)}</small></div>" for each in notes]
    if sql:
        parts.append(f"<details><summary>SQL</summary><pre>{text(sql, 10_000)}</pre></details>")
    return "".join(parts) + "</div>"


def _head(head: Head) -> str:
    parts = [f"{text(head.name, 60)}<br/><small>{text(head.type, 60)}</small>"]
    below = []
    if head.spread is not None:
        parts.append(head.spread.svg())
        below.append(head.spread.said)
    if head.num_null and head.num_rows:
        share = head.num_null / head.num_rows
        below.append(f"{share:.0%} NULL" if 0.005 <= share <= 0.995 else f"{head.num_null:,} NULL")
    if below:
        parts.append(f"<div><small>{text(' · '.join(below), 60)}</small></div>")
    return "".join(parts)
