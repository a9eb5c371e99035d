"""I1 for queries that hypothesis makes from the grammar of `tests/queries`.

- What DuckDB gives rows for over plain copies of the tables, `Session.sql` and `Session.compile` give the same rows
  for, under the same names and types; in order where there is an ORDER BY, by its keys where that leaves ties.
- What DuckDB cannot bind, cutlist cannot bind. An error while rows are made may depend on the order of evaluation: it
  is counted, not compared.
- cutlist may refuse what DuckDB does not only with the messages in `REFUSALS`, and an empty result.

`make fuzz NUM=10000 SEED=7` runs many more than the tests do.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.queries import Made, queries
from tests.tables import MEDIA, SQL, Rows, for_oracle, oracle, write_tables

from cutlist import Session, connect
from cutlist.errors import QueryError, QueryWarning, SelectionError

NUM_EXAMPLES = 70
SLICE = 100
REFUSALS = (
    r"COLUMNS\(…\) beside _rowid could match it too",
    r"NATURAL JOIN beside _rowid",
    r"LIMIT .*without .*ORDER BY",
)
"""What cutlist refuses on purpose, though DuckDB does not."""

RUNTIME = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
)
"""What DuckDB raises of values, so of the order in which it evaluates."""


class Difference(AssertionError):
    """cutlist and DuckDB do not agree on a query."""


@dataclass(kw_only=True)
class Tally:
    """What became of queries; the differences are by their kind, of which the shortest query is kept."""

    seen: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    differences: dict[str, tuple[Made, str]] = field(default_factory=dict)
    num_rows: int = 0

    def differ(self, made: Made, why: str) -> None:
        """Count a difference."""
        kind = _general(why)
        self.outcomes["different"] += 1
        self.messages[f"DIFFERENT {kind}"] += 1
        self.differences[kind] = min(
            self.differences.get(kind, (made, why)), (made, why), key=lambda each: len(each[0].text)
        )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """cutlist and its oracle, over the same tables."""

    session: Session
    truth: duckdb.DuckDBPyConnection

    def check(self, made: Made, tally: Tally) -> None:
        """Compare what the two give for a query, and count it.

        Raises:
            Difference: if they differ.
        """
        try:
            relation = self.truth.sql(for_oracle(made.text))
            types = [str(kind) for kind in relation.types]
            expected = Rows.of(relation.to_arrow_table(), MEDIA)
        except duckdb.Error as error:
            tally.outcomes["errors in DuckDB"] += 1
            tally.messages[_general(f"DuckDB: {error}")] += 1
            if not isinstance(error, RUNTIME):
                self._check_error(made, error)
            return
        try:
            selection = self.session.compile(made.text)
            relation = self.session.sql(made.text).to_arrow_table()
        except SelectionError as error:
            if expected.rows or "the selection is empty" not in str(error):
                raise Difference(f"refused: {error}") from error
            tally.outcomes["empty"] += 1
            return
        except (QueryError, duckdb.Error) as error:
            if not any(re.search(each, str(error)) for each in REFUSALS):
                raise Difference(f"refused: {error}") from error
            tally.outcomes["refused"] += 1
            tally.messages[_general(f"refused: {error}")] += 1
            return
        sources = [(each.table, each.column) for each in self.session.sources]
        compare(made, Rows.of(relation, sources), expected)
        sources = [(each.table, each.column) for each in selection.sources]
        compare(made, Rows.of(selection.to_arrow(), sources), expected)
        if "_rowid" not in made.text and "with_ids" not in made.text.lower():
            medium = str(self.truth.sql("SELECT NULL::media").types[0])
            types = ["media" if each == medium else each for each in types]
            if [each.type for each in selection.columns] != types:
                raise Difference(f"types: {[each.type for each in selection.columns]} instead of {types}")
        tally.outcomes["compiled"] += 1
        tally.num_rows += len(expected.rows)

    def count(self, made: Made, tally: Tally) -> None:
        """Compare what the two give for a query that was not seen before, and count a difference too."""
        if made.text in tally.seen:
            return
        tally.seen.add(made.text)
        try:
            self.check(made, tally)
        except Difference as error:
            tally.differ(made, str(error))

    def report(self, tally: Tally) -> str:
        """Return a small query, and what is wrong with it, for each kind of difference."""
        return "\n\n".join(f"{why}\n{self._reduced(made, kind)}" for kind, (made, why) in tally.differences.items())

    def _reduced(self, made: Made, kind: str) -> str:
        def still(text: str) -> bool:
            try:
                self.check(replace(made, text=text, keys=None), Tally())
            except Difference as error:
                return _general(str(error)) == kind
            except Exception:  # what cannot even be compared is no smaller example
                return False
            return False

        return reduce(made.text, still)

    def _check_error(self, made: Made, error: duckdb.Error) -> None:
        try:
            self.session.compile(made.text)
        except (QueryError, SelectionError):
            return
        raise Difference(f"compiled, though DuckDB says: {error}")


def compare(made: Made, got: Rows, expected: Rows) -> None:
    """Raise Difference unless two results are the same, in order where the query says one."""
    if [each.replace("_rowid", "rowid") for each in got.names] != list(expected.names):
        raise Difference(f"names: {got.names} instead of {expected.names}")
    if got.bag != expected.bag:
        more, fewer = got.bag - expected.bag, expected.bag - got.bag
        raise Difference(
            f"rows: {more.total()} that DuckDB does not give, {fewer.total()} that only it gives, e.g. "
            f"{[*more][:2]} and {[*fewer][:2]}"
        )
    if made.keys is not None and got.only(made.keys or got.names) != expected.only(made.keys or expected.names):
        raise Difference("order: the same rows in another order")


def _general(text: str) -> str:
    """Return the first line of a message without the names in it."""
    kind = text.splitlines()[0]
    kind = "rows" if kind.startswith("rows: ") else kind.split(" Candidate ")[0]
    return re.sub(r"query:[\d:]+|\d+|\b[a-z]\d+\b|\"[^\"]*\"", "…", kind)[:150]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("root")
    write_tables(root)
    with connect(root, views=SQL / "views") as session, oracle(SQL / "views") as truth:
        yield Pair(session=session, truth=truth)


def run(num_examples: int, number: int | None, check: Callable[[Made], None]) -> None:
    """Make queries and check each; `number` is the seed, None for the same queries each time."""

    @settings(
        max_examples=num_examples,
        derandomize=number is None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(queries())
    def each(made: Made) -> None:
        check(made)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QueryWarning)
        (each if number is None else seed(number)(each))()


_WORDS = re.compile(r"""(?:'(?:[^']|'')*'|"[^"]*"|[\w.]+|[<>:!|/*-]+|.)\s*""", re.DOTALL)


def reduce(text: str, still: Callable[[str], bool]) -> str:
    """Return a query, with as many words left out as can be, that still is what `text` is.

    It knows of SQL no more than brackets, so it can reduce what a parser cannot read.
    """
    words, before = _WORDS.findall(text), 0
    while len(words) != before:
        before = len(words)
        for width in (40, 20, 12, 8, 6, 5, 4, 3, 2, 1):
            at = 0
            while at < len(words):
                for other in _without(words, at, width):
                    if still("".join(other)):
                        words = other
                        break
                else:
                    at += 1
    return "".join(words)


def _without(words: list[str], at: int, width: int) -> Iterator[list[str]]:
    """Yield the words without `width` of them, brackets with their inside being one; brackets also without theirs."""
    stop = at
    for _ in range(width):
        if stop >= len(words) or words[stop][0] in ")]}":
            break
        stop = _close(words, stop) + 1
    else:
        yield words[:at] + words[stop:]
    if width == 1 and stop > at + 1:
        yield [*words[:at], "1 ", *words[stop:]]
        yield words[:at] + words[at + 1 : stop - 1] + words[stop:]


def _close(words: list[str], at: int) -> int:
    """Return where the bracket at a position is closed, or the position itself."""
    depth = 0
    for index in range(at, len(words)):
        depth += (words[index][0] in "([{") - (words[index][0] in ")]}")
        if depth <= 0:
            return index
    return at


def test_rows_are_those_of_duckdb(pair: Pair) -> None:
    tally = Tally()
    run(NUM_EXAMPLES, None, lambda made: pair.count(made, tally))
    assert not tally.differences, pair.report(tally)
    assert tally.outcomes["compiled"] >= NUM_EXAMPLES // 3, tally


def fuzz(pair: Pair, num: int, number: int, tally: Tally) -> None:
    """Check at least so many different queries, in slices, and say how it goes."""
    start = time.monotonic()
    while tally.outcomes.total() < num:
        run(SLICE, number, lambda made: pair.count(made, tally))
        number += 1
        shutil.rmtree(Path(pair.session.store.root) / "_selections", ignore_errors=True)
        counts = ", ".join(f"{each} {count}" for each, count in tally.outcomes.most_common())
        say(f"{tally.outcomes.total()} of {num} in {time.monotonic() - start:.0f} s: {counts}; next seed {number}")


def main(arguments: list[str]) -> int:
    """Run the fuzzer from the command line; return 1 if there are differences."""
    parser = argparse.ArgumentParser(description="Compare cutlist with DuckDB on generated queries.")
    parser.add_argument("--num", type=int, default=10_000, help="how many queries")
    parser.add_argument("--seed", type=int, help="another seed makes other queries")
    given = parser.parse_args(arguments)
    number = int(time.time()) if given.seed is None else given.seed
    say(f"NUM={given.num} SEED={number}")
    settings.register_profile("fuzz", deadline=None)
    settings.load_profile("fuzz")
    tally = Tally()
    with tempfile.TemporaryDirectory() as root:
        write_tables(Path(root))
        with connect(root, views=SQL / "views") as session, oracle(SQL / "views") as truth:
            pair = Pair(session=session, truth=truth)
            try:
                fuzz(pair, given.num, number, tally)
            except KeyboardInterrupt:
                say("interrupted")
            say(pair.report(tally))
    say(f"\n{tally.outcomes.total()} queries; {tally.num_rows} rows compared; {dict(tally.outcomes)}")
    for message, count in tally.messages.most_common():
        say(f"{count:6} {message}")
    return 1 if tally.differences else 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
