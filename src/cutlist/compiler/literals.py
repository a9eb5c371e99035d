"""Literals of DuckDB's SQL as Lance reads them for a column of a type."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

from sqlglot import exp

RANGES = {
    **{f"{name}INT": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in (("TINY", 8), ("SMALL", 16))},
    **{f"U{name}INT": (0, 2**bits - 1) for name, bits in (("TINY", 8), ("SMALL", 16), ("BIG", 64))},
    "INTEGER": (-(2**31), 2**31 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "BIGINT": (1 - 2**63, 2**63 - 1),  # Lance cannot read -2**63
}
_FRACTIONS = {"TIMESTAMP_S": 0, "TIMESTAMP_MS": 3, "TIMESTAMP": 6, "TIMESTAMP_NS": 6}
"""The digits of a second that a literal can have without being cut."""

_YEARS = range(1700, 2200)  # what TIMESTAMP_NS can hold
_DIGITS = 15  # as many as any DOUBLE keeps: a DECIMAL literal of DuckDB then is the same number as one of Lance's


def literal(node: exp.Expr, kind: str) -> str | None:
    """Return a literal as Lance reads it for a column of a type, or None where that would be another value."""
    node = node.unnest()
    if kind == "BOOLEAN":
        return str(bool(node.this)).lower() if isinstance(node, exp.Boolean) else None
    if kind == "VARCHAR":
        text = _string(node)
        return None if text is None or "\0" in text else "'" + text.replace("'", "''") + "'"
    if kind == "DATE" or kind in _FRACTIONS:
        return _time(node, kind)
    number = _number(node)
    if number is None:
        return None
    value, text = number
    if kind in RANGES:
        lowest, highest = RANGES[kind]
        return str(int(value)) if text.isdigit() and lowest <= value <= highest else None
    if kind == "FLOAT" and "e" in text.lower():
        return None
    if kind in ("FLOAT", "DOUBLE"):
        return _float(value)
    return _decimal(value, kind) if "e" not in text.lower() else None


def _string(node: exp.Expr) -> str | None:
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def _number(node: exp.Expr) -> tuple[Decimal, str] | None:
    """Return the number that a literal is, perhaps behind a minus, and its text without it."""
    negative = isinstance(node, exp.Neg)
    node = node.this.unnest() if negative else node
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    text = str(node.this)
    if not re.fullmatch(r"\d+(\.\d*)?([eE][+-]?\d{1,3})?", text, re.ASCII):
        return None
    return (-Decimal(text) if negative else Decimal(text)), text


def _float(value: Decimal) -> str | None:
    """Return a number that any way of reading gives the same DOUBLE, and FLOAT, for."""
    digits = len(value.normalize().as_tuple().digits)
    if digits > _DIGITS or (value and not Decimal("1e-30") < abs(value) < Decimal("1e30")):
        return None
    return repr(float(value)).replace("e+", "e")


def _decimal(value: Decimal, kind: str) -> str | None:
    """Return a number as a DECIMAL of exactly a column's type."""
    found = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", kind)
    if found is None:
        return None
    precision, scale = int(found[1]), int(found[2])
    digits, exponent = value.normalize().as_tuple()[1:]
    if not isinstance(exponent, int) or -exponent > scale or len(digits) + exponent > precision - scale:
        return None
    return f"CAST('{value:f}' AS DECIMAL({precision}, {scale}))"


def _time(node: exp.Expr, kind: str) -> str | None:
    """Return a DATE or TIMESTAMP literal, for one of DuckDB's or a text that DuckDB casts to the column's type."""
    given = ""
    if type(node) is exp.Cast and not node.to.expressions:
        given = str(node.to.this.value)
        node = node.this
    text = _string(node)
    if text is None or given not in ("", "DATE", "TIMESTAMP", "TIMESTAMPNTZ"):
        return None
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(\.\d{1,6})?)?", text, re.ASCII)
    if found is None:
        return None
    day, clock, fraction = found[1], found[2], found[3] or ""
    try:
        moment = dt.datetime.fromisoformat(f"{day} {clock or '00:00:00'}")
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    if kind == "DATE":
        return f"DATE '{day}'" if clock is None and given in ("", "DATE") else None
    if given == "DATE" and clock is not None:
        return None
    if len(fraction) > _FRACTIONS[kind] + 1 or (fraction and not _FRACTIONS[kind]):
        return None
    return f"TIMESTAMP '{day} {clock or '00:00:00'}{fraction}'"
