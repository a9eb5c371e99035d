"""`similarity(embedding, 'a cat on a sofa')`: which model turns the text, or the image, into a vector to compare with.

The text stands in for a vector that the engine defines as a macro before DuckDB runs the query, so only the text's own
span is edited. Which model it is for is told by what the embedding is made of, through views, joins and subqueries: in
the end one feature column of a table, whose metadata name its featurizer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlglot import Token, TokenType, exp

from cutlist.compiler.calls import calls_of
from cutlist.compiler.checks.source import call_of, snippet
from cutlist.compiler.lineage.expressions import NO_COLUMN
from cutlist.compiler.lineage.origin import walk
from cutlist.compiler.lineage.relations import Relations
from cutlist.compiler.lineage.written import items
from cutlist.compiler.text import quoted
from cutlist.errors import QueryError

if TYPE_CHECKING:
    from cutlist.compiler.facts import ColumnFacts
    from cutlist.compiler.plan import Catalog, Edit, Plan
    from cutlist.compiler.text import Statement

Key = tuple[str, int, str]
"""Table, version and column."""

SIMILARITY = "similarity"
IMAGE_FILE = "image_file"

_FORMS = (
    "similarity(embedding, 'a text'), similarity(embedding, image_file('cat.jpg')) or similarity(embedding, vector)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryVector:
    """A text, or the path of an image, that a query compares with embeddings.

    Attributes:
        given: The text, or the path.
        is_image: Whether it is a path.
        table: The table whose column it is compared with, first of all.
        version: Of the table.
        column: The feature column.
        type: DuckDB's type of the column, which the vector gets.
        place: Where it stands first, `file:line:column`.
    """

    given: str
    is_image: bool
    table: str
    version: int
    column: str
    type: str
    place: str = field(compare=False)

    @property
    def shown(self) -> str:
        """What the query has for it."""
        return f"image_file('{self.given}')" if self.is_image else f"'{self.given}'"

    @property
    def name(self) -> str:
        """What DuckDB calls the macro that returns the vector."""
        facts = [self.given, str(self.is_image), self.table, str(self.version), self.column]
        return "query vector " + hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `similarity`: the embedding and what it is compared with, and the span of the latter."""

    node: exp.Anonymous
    embedding: exp.Expr
    other: exp.Expr
    span: tuple[int, int]
    place: str


def name_vectors(plan: Plan, catalog: Catalog) -> Plan:
    """Put vectors in the place of the texts and images that a query compares with embeddings.

    Raises:
        QueryError: where it is not told which model a text or image is for; for vectors of different lengths.
    """
    if not calls_of({SIMILARITY, IMAGE_FILE}, plan):
        return plan
    models = _Models(plan, catalog)
    for name, statement in plan.statements.items():
        edited: list[exp.Expr] = []
        for call in calls_in(statement):
            given = _given(call.other)
            if given is None:
                models.check(statement, call)
                continue
            vector = models.vector(statement, call, *given)
            if vector is None:
                continue
            plan = replace(plan, vectors=tuple(dict.fromkeys((*plan.vectors, vector))))
            plan = plan.edited(name, (*call.span, f"{quoted(vector.name)}()"))
            edited.append(call.node)
        plan = plan.edited(name, *_aliases(statement, edited, catalog))
    return plan


def calls_in(statement: Statement) -> Iterator[Call]:
    """Yield the calls of `similarity`, as a function or behind a dot.

    Raises:
        QueryError: for another number of arguments, and for an `image_file` elsewhere.
    """
    images = {id(each) for each in statement.tree.find_all(exp.Anonymous) if each.name.lower() == IMAGE_FILE}
    for node in statement.tree.find_all(exp.Anonymous):
        found = call_of(statement, node) if node.name.lower() == SIMILARITY else None
        if found is None:
            continue
        behind = isinstance(node.parent, exp.Dot) and node.parent.expression is node
        values = [*([node.parent.this] if behind and node.parent is not None else []), *node.expressions]
        place = statement.at(found[1])
        if len(values) != 2:
            raise QueryError(f"{place}: similarity takes two arguments, {len(values)} are given; write {_FORMS}")
        yield Call(node, values[0], values[1], _last_argument(statement, found[1]), place)
        images.discard(id(values[1].unnest()))
    for node in statement.tree.find_all(exp.Anonymous):
        if id(node) in images:
            place = statement.at(int(node.meta.get("start", 0)))
            raise QueryError(
                f"{place}: image_file(…) stands only as the second argument of similarity; "
                f"write similarity(embedding, image_file('cat.jpg'))"
            )


def _given(node: exp.Expr) -> tuple[str, bool] | None:
    """Return a text, or the path of an image, and which of both it is; None for anything else."""
    node = node.unnest()
    if isinstance(node, exp.Anonymous) and node.name.lower() == IMAGE_FILE:
        return (_text(node.expressions[0]) or "" if len(node.expressions) == 1 else ""), True
    text = _text(node)
    return None if text is None else (text, False)


def _text(node: exp.Expr) -> str | None:
    """Return a text that is written out: `'…'`, `E'…'` or `$$…$$`."""
    node = node.unnest()
    is_text = isinstance(node, exp.RawString | exp.ByteString) or (isinstance(node, exp.Literal) and node.is_string)
    return str(node.this) if is_text else None


def _is_made_text(node: exp.Expr) -> bool:
    """Return whether an expression puts texts together, or casts one: whatever the values, it is a text."""
    made = isinstance(node, exp.DPipe | exp.Concat | exp.National)
    return made or (isinstance(node, exp.Cast) and node.to.this in exp.DataType.TEXT_TYPES)


def _last_argument(statement: Statement, offset: int) -> tuple[int, int]:
    """Return the span of the last argument of the call whose name is at an offset."""
    tokens = [token for token in statement.tokens if token.start > offset]
    depth, first = 0, 1
    for at, token in enumerate(tokens):
        depth += _depth(token)
        if depth == 1 and token.token_type == TokenType.COMMA:
            first = at + 1
        if depth == 0:
            return tokens[first].start, tokens[at - 1].end + 1
    raise AssertionError("a call that parses has a closing parenthesis")


def _depth(token: Token) -> int:
    return (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}")) if token.token_type in _BRACKETS else 0


_BRACKETS = frozenset(
    {
        *(TokenType.L_PAREN, TokenType.R_PAREN, TokenType.L_BRACKET, TokenType.R_BRACKET),
        *(TokenType.L_BRACE, TokenType.R_BRACE),
    }
)


def _aliases(statement: Statement, edited: list[exp.Expr], catalog: Catalog) -> Iterator[Edit]:
    """Yield the edits by which items of SELECT without an alias keep the name that DuckDB gives them as written."""
    changed = {id(each) for each in edited}
    for select in statement.tree.find_all(exp.Select) if edited else ():
        for number, item in enumerate(select.expressions):
            if isinstance(item, exp.Alias | exp.Star | exp.Columns) or not any(
                id(each) in changed for each in item.walk()
            ):
                continue
            spans = items(statement, select)
            if spans is not None:
                start, stop = spans[number]
                yield stop, stop, f" AS {quoted(catalog.written(statement.text[start:stop]))}"


class _Models:
    """Answers which feature column an expression is made of, through the views and subqueries of a plan."""

    def __init__(self, plan: Plan, catalog: Catalog):
        self._catalog = catalog
        self._relations = Relations(
            plan, {}, frozenset(), lambda *_: None, {name: (name, "view") for name in plan.statements}
        )
        for name in plan.statements:
            self._relations.of_statement(name)

    def vector(self, statement: Statement, call: Call, given: str, is_image: bool) -> QueryVector | None:
        """Return what is told of the vector that a text or an image becomes; None where DuckDB will miss a column."""
        what = f"image_file('{given}')" if is_image else f"'{given}'"
        if is_image and not given:
            raise QueryError(f"{call.place}: image_file takes the path of one image, as text: image_file('cat.jpg')")
        if any(each.problem == NO_COLUMN for each in self._relations.inputs(call.embedding)):
            return None
        columns = self._columns(call.embedding)
        written = snippet(statement, call.embedding)
        for key, facts in columns.items():
            _refuse_media(call.place, key, facts)
            if not _is_vector(facts.type):
                raise QueryError(
                    f"{call.place}: {key[0]}.{key[2]} is {facts.type}, and similarity takes embeddings, FLOAT[n]: "
                    f"`cutlist backfill {key[0]} {'text' if facts.type == 'VARCHAR' else 'clip'}_embedding` makes some"
                )
        if not columns:
            raise QueryError(
                f"{call.place}: it cannot be told which column {written} is, and so not which model {what} is for; "
                f"name a column of embeddings there, like clip_embedding"
            )
        made = {key: facts for key, facts in columns.items() if facts.model}
        if not made:
            table, _, column = next(iter(columns))
            raise QueryError(
                f"{call.place}: {table}.{column} was not made by a featurizer, so no model is known that turns {what} "
                f"into a vector; compare it with a vector, similarity({written}, (SELECT {column} FROM {table} WHERE "
                f"id = 7)), or take a column that a featurizer made: `cutlist backfill {table} clip_embedding`"
            )
        if len({(facts.model, facts.type) for facts in made.values()}) > 1 or len(made) < len(columns):
            names = ", ".join(sorted({f"{table}.{column}" for table, _, column in columns}))
            raise QueryError(
                f"{call.place}: {written} is made of {names}, of different models, so that {what} is no one vector; "
                f"compare each with it by itself"
            )
        (table, version, column), facts = next(iter(made.items()))
        return QueryVector(
            given=given,
            is_image=is_image,
            table=table,
            version=version,
            column=column,
            type=facts.type,
            place=call.place,
        )

    def check(self, statement: Statement, call: Call) -> None:
        """Refuse two vectors that cannot be compared, as far as their columns tell."""
        lengths = []
        for side in (call.embedding, call.other):
            columns = self._columns(side)
            for key, facts in columns.items():
                _refuse_media(call.place, key, facts)
            lengths.append({length for facts in columns.values() if (length := _length(facts.type))})
            if isinstance(side, exp.Cast):
                lengths[-1] = {length} if (length := _length(side.to.sql("duckdb"))) else set()
        if all(len(each) == 1 for each in lengths) and lengths[0] != lengths[1]:
            left, right = (snippet(statement, each) for each in (call.embedding, call.other))
            raise QueryError(
                f"{call.place}: {left} has {lengths[0].pop()} numbers and {right} has {lengths[1].pop()}; only vectors "
                f"of one model can be compared"
            )
        if _text(call.embedding) is not None:
            raise QueryError(
                f"{call.place}: the embedding goes first, similarity({statement.text[slice(*call.span)]}, "
                f"{snippet(statement, call.embedding)})"
            )
        if _is_made_text(call.other.unnest()):
            raise QueryError(
                f"{call.place}: {statement.text[slice(*call.span)]} is a text that DuckDB makes when the query runs; "
                f"write it out, as one text: similarity(…, 'a cat')"
            )
        types = {facts.type for facts in self._columns(call.other).values()}
        if types == {"VARCHAR"} and isinstance(call.other, exp.Column):
            raise QueryError(
                f"{call.place}: the texts of column {snippet(statement, call.other)} are not known when the query is "
                f"compiled; write the text itself, similarity(…, 'a cat'), or make embeddings of them by a featurizer"
            )

    def _columns(self, node: exp.Expr) -> dict[Key, ColumnFacts]:
        """Return the columns of tables that an expression is made of: those with vectors, else all."""
        found: dict[Key, ColumnFacts] = {}
        for origin in walk(self._relations.inputs(node)):
            if origin.kind != "table" or origin.version is None:
                continue
            table = self._catalog.table(origin.of, origin.version)
            facts = table.find(origin.name) if table is not None else None
            if facts is not None:
                found[origin.of, origin.version, origin.name] = facts
        vectors = {key: facts for key, facts in found.items() if _is_vector(facts.type)}
        return vectors or found


def _refuse_media(place: str, key: Key, facts: ColumnFacts) -> None:
    if facts.type == "media":
        raise QueryError(
            f"{place}: {key[0]}.{key[2]} is a media column, or has numbers of 16 bits, which SQL cannot compare; "
            f"similarity takes embeddings of FLOAT: `cutlist backfill {key[0]} clip_embedding` makes some"
        )


def _is_vector(kind: str) -> bool:
    return re.fullmatch(r"(FLOAT|DOUBLE)\[\d*\]", kind) is not None


def _length(kind: str) -> int | None:
    """Return the length of the vectors of a type, where it says one.

    Examples:
        >>> _length("FLOAT[512]"), _length("FLOAT[]")
        (512, None)
    """
    found = re.fullmatch(r"\w+\[(\d+)\]", kind)
    return int(found[1]) if found else None
