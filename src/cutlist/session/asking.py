"""What a session says of a query: where its rows come from, what drops them, what is in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.answers.contents import ColumnFacts, TableFacts, ViewFacts, columns_of, tables_of, views_of
from cutlist.answers.diff import Diff, diff
from cutlist.answers.drawing import draw_sheet, picture_file
from cutlist.answers.explain import Explanation, explain
from cutlist.answers.exporting import rows_file, save_rows
from cutlist.answers.lineage import lineage_of
from cutlist.answers.plotting import Plot, chart_of, plot_of
from cutlist.answers.waterfall import Waterfall, waterfall
from cutlist.errors import SelectionError
from cutlist.process.watch import watched

if TYPE_CHECKING:
    from cutlist.compiler import Lineage, Remark


from cutlist.session.opened import Opened


class Asking(Opened):
    """Questions about queries; none of them changes a table."""

    def describe_tables(self) -> list[TableFacts]:
        """Return what is to be told of each table: version, rows, media columns, bytes, featurizers."""
        return tables_of(self._engine)

    def describe_views(self) -> list[ViewFacts]:
        """Return what is to be told of each view: its description and file, and why it cannot be bound, if so."""
        return views_of(self._engine)

    def schema(self, query: str) -> list[ColumnFacts]:
        """Return the columns of a table or a view by its name, or of a query: their types, which are media, and which
        featurizers made them. Reads no row.

        Raises:
            QueryError: if it is not one SELECT that DuckDB can bind.

        Examples:
            >>> import tempfile
            >>> from cutlist import connect
            >>> with connect(tempfile.mkdtemp()) as session:
            ...     [(each.name, each.type) for each in session.schema("SELECT 1 AS n, 'a' AS t")]
            [('n', 'INTEGER'), ('t', 'VARCHAR')]
        """
        return columns_of(self._engine, self._plan(query))

    def lint(self, query: str | None = None) -> list[Remark]:
        """Return what the checks have to say about a query, or about every view; compiles nothing.

        Args:
            query: A SELECT or the name of a view; default: every view. DuckDB must be able to bind it, too.
        """
        names = [query] if query is not None else sorted(self.views)
        return list(dict.fromkeys(remark for name in names for remark in self._engine.lint(self.statement, name)))

    def explain(self, query: str, *, exact: bool = False) -> Explanation:
        """Return what a query reads: from which tables, which columns when compiling and which by the loader, why, and
        how many bytes an epoch takes, from packet indexes and stored sizes. Compiles the query, and saves nothing.

        Args:
            exact: Whether to plan the clips of all samples, also of many thousands.

        Raises:
            QueryError: as `compile` does.
        """
        compiled = self._compiled(self._plan(query))
        keys = [(each.name, each.version) for each in compiled.selection.tables]
        return explain(compiled, {key: self._engine.table_at(*key) for key in keys}, exact=exact)

    def lineage(self, query: str) -> Lineage:
        """Return what each column of a query, or of a view by its name, is made of, down to the columns of tables and
        the featurizers that made those; and the clauses that decide which rows there are. Reads no row.

        What its text and the schemas do not tell, such as the columns of a PIVOT, is in `problems`.

        Raises:
            QueryError: if it is not one SELECT that DuckDB can bind.

        Examples:
            >>> import tempfile
            >>> from cutlist import connect
            >>> with connect(tempfile.mkdtemp()) as session:
            ...     found = session.lineage("SELECT n + 1 AS more FROM (SELECT range AS n FROM range(3))")
            ...     [(name, origin.text, origin.place) for name, origin in found.columns]
            [('more', 'n + 1', 'query:1:8')]
        """
        view = self._engine.find_view(query.strip())
        plan = self._plan(query)
        return lineage_of(self._engine, plan, "query" if view is None else view.name)

    def waterfall(self, query: str) -> Waterfall:
        """Return which condition of a query, or of a view, drops how many rows: alone, after those before it, and only
        it; and for how many of them it is NULL. Reads just the columns in the conditions, and saves nothing.

        While FROM names one view alone, the conditions of that view come first.

        Raises:
            QueryError: if it is not one SELECT with a FROM, or as `compile` does.

        Examples:
            >>> import tempfile
            >>> import pyarrow as pa
            >>> from cutlist.store import Store
            >>> from cutlist import connect
            >>> root = tempfile.mkdtemp()
            >>> _ = Store(root=root).append("t", pa.table({"a": [1, 2, 3, None], "b": [5, 6, 5, 6]}), message="rows")
            >>> with connect(root) as session:
            ...     found = session.waterfall("SELECT a FROM t WHERE a > 1 AND b = 5")
            >>> found.num_rows, [(each.condition, each.num_left, each.num_null) for each in found.drops]
            (4, [('a > 1', 2, 1), ('b = 5', 1, 0)])
        """
        plan = self._plan(query)
        return watched(
            lambda: waterfall(self._engine, plan),
            interrupt=self.interrupt,
            fraction=self.progress,
            title="waterfall",
        )

    def diff(
        self,
        a: str,
        b: str,
        *,
        on: Sequence[str] | None = None,
        num_examples: int = 5,
        sheet: str | os.PathLike[str] | None = None,
    ) -> Diff:
        """Return what differs between two training sets: the samples that only one has, the conditions of the other
        that drop them, and the shared columns whose values changed. Saves nothing.

        Samples are the same if their media are the same rows, of any version of a table, decoded in the same way.

        Args:
            a: A view, a query, `selection('3f2a')` or `videos AT (VERSION => 12)`.
            b: Another.
            on: Columns of both that tell samples apart, in place of the media.
            num_examples: Samples to show of each side.
            sheet: A picture file to draw those samples into, `A:` or `B:` before the caption.

        Raises:
            QueryError: as `compile` does.
            SelectionError: if nothing tells samples apart.

        Examples:
            >>> import tempfile
            >>> import pyarrow as pa
            >>> from cutlist.store import Store
            >>> from cutlist import connect
            >>> root = tempfile.mkdtemp()
            >>> _ = Store(root=root).append("t", pa.table({"id": [1, 2, 3], "a": [5, 6, None]}), message="rows")
            >>> with connect(root) as session:
            ...     found = session.diff("FROM t", "FROM t WHERE a > 5", on=["id"])
            >>> found.num_both, found.a.num_only, [(each.condition, each.num_null) for each in found.a.reasons]
            (1, 2, [('a > 5', 1)])
        """
        target = None if sheet is None else picture_file(sheet)
        plans = (self._plan(a), self._plan(b))
        selections = (self._compiled(plans[0]).selection, self._compiled(plans[1]).selection)
        found = watched(
            lambda: diff(self._engine, plans, selections, on=on, num_examples=num_examples),
            interrupt=self.interrupt,
            fraction=self.progress,
            title="diff",
        )
        if target is not None:
            chosen = [np.array([each.position for each in side.examples], np.int64) for side in (found.a, found.b)]
            drawn = [(number, each) for number, each in enumerate(chosen) if len(each)]
            if not drawn:
                raise SelectionError("a sheet needs samples that differ, and there are none to show")
            titles = ["AB"[number] + ": " for number, _ in drawn]
            draw_sheet(self._reader(selections), [[each] for each in drawn], target, titles=titles)
        return found

    def plot(self, query: str, x: str, y: str | None = None, by: str | None = None) -> Any:
        """Return an altair chart of a column of a query: a histogram of a number or a time, bars of a text; with `y`
        the points of both, a line over times, or the mean of `y` for each text.

        DuckDB bins and counts, so the chart holds little. NULLs are counted in the title, and so is how many points
        are drawn where there are more than `plotting.NUM_POINTS`: always the same of the same rows.

        Args:
            by: A column that colours tell apart.

        Raises:
            QueryError: if there is no such column, or it cannot be drawn.
            SettingsError: if altair is not installed.
        """
        return chart_of(self.plot_data(query, x, y, by))

    def plot_data(self, query: str, x: str, y: str | None = None, by: str | None = None) -> Plot:
        """Return what `plot` draws, as plain values.

        Raises:
            QueryError: as `plot` does.
        """
        text = self.statement(query).text
        with self._engine.reading(text):
            return plot_of(self._engine.sql(text), x, y, by)

    def save(self, query: str, path: str | os.PathLike[str]) -> int:
        """Write the rows of a query to a `.parquet`, `.arrow`, `.csv` or `.json` file; return how many there are.

        A batch is in memory at a time, and the file is there as a whole or not at all. Media references become text,
        `videos.video[12].clip(0, 2)`; no medium is read.

        Raises:
            QueryError: if the query cannot be run, or two of its columns have one name.
            SettingsError: if the file cannot be written.
        """
        rows_file(path)
        text = self.statement(query).text
        with self._engine.reading(text):
            return save_rows(self._engine.sql(text), self.sources, path)
