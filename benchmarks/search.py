"""How fast the nearest of many embeddings are found, and how many of them, side by side with Lance, LanceDB and DuckDB.

One table, made once: embeddings in clumps, as models make them, and a column of numbers to filter by. Its versions have
no vector index, and one of each kind; each contender reads the version that it needs. The queries are vectors of the
same clumps that are no rows. All contenders answer the same queries, in turns, so that a busy machine slows all of
them; the first query of each, which opens the table, does not count. Recall is over what numpy finds in all rows.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import duckdb
import lance
import numpy as np
import pyarrow as pa
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import cutlist
from cutlist.store import Store, vector_index

CHUNK_ROWS = 100_000
CLUMPS = 2000
FILTERS = {"all": None, "a tenth": "height < 100", "a hundredth": "height < 10"}
"""What is searched → the condition on a number that is equally often each of 0 to 999."""

Search = Callable[[int, str | None], Sequence[int]]
"""Number of a query and condition → the ids that are found."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich")
console = Console(highlight=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How long a contender took for a query, the median in milliseconds, and the share of the rows that it found."""

    contender: str
    searched: str
    milliseconds: float
    ratio: float
    recall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The table `vectors` of a root, beside `queries`, and the version that has each kind of index."""

    root: Path
    versions: dict[str, int]
    made: dict[str, str]
    seconds: dict[str, float]
    queries: NDArray[np.float32]

    @property
    def uri(self) -> str:
        """Path of the Lance table."""
        return str(self.root / "vectors.lance")


def clumps(rows: int, length: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return vectors of length 1 around `CLUMPS` directions; float32, shape (rows, length)."""
    directions = np.random.default_rng(0).standard_normal((CLUMPS, length))
    noise = generator.standard_normal((rows, length)) * 0.7
    found = (directions[generator.integers(0, CLUMPS, rows)] + noise).astype(np.float32)
    shortened: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return shortened


def as_table(first: int, vectors: NDArray[np.float32], generator: np.random.Generator) -> pa.Table:
    """Return rows with ids from `first` on."""
    return pa.table(
        {
            "id": pa.array(range(first, first + len(vectors)), pa.int64()),
            "height": pa.array(generator.integers(0, 1000, len(vectors)), pa.int32()),
            "v": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
        }
    )


def make_data(folder: Path, rows: int, length: int, num_queries: int, kinds: Sequence[str], recall: float) -> Data:
    """Return the data, made anew unless they are there."""
    root = folder / f"search-{rows}-{length}-{num_queries}-{'-'.join(kinds)}-{recall}"
    about = root / "about.json"
    queries = clumps(num_queries, length, np.random.default_rng(1))
    if not about.exists():
        shutil.rmtree(root, ignore_errors=True)
        generator = np.random.default_rng(2)
        store = Store.at(root, create=True)
        for first in range(0, rows, CHUNK_ROWS):
            part = clumps(min(CHUNK_ROWS, rows - first), length, generator)
            store.append("vectors", as_table(first, part, generator), message="benchmark")
        store.append("queries", as_table(0, queries, generator), message="benchmark")
        versions = {"": store.open("vectors").version}
        made, seconds = {}, {}
        for kind in kinds:
            with cutlist.connect(root) as session:
                before = time.perf_counter()
                made[kind] = session.index("vectors", "v", kind=kind, recall=recall)
                seconds[kind] = time.perf_counter() - before
                versions[kind] = session.tables["vectors"].version
                console.print(f"{made[kind]}: {seconds[kind]:.1f} s")
        about.write_text(json.dumps({"versions": versions, "made": made, "seconds": seconds}))
    return Data(root=root, queries=queries, **json.loads(about.read_text()))


def truth(data: Data, count: int, filter: str | None) -> list[NDArray[np.int64]]:
    """Return the ids of the nearest rows to each query, by comparing with every row."""
    ids, cosines = [np.empty(0, np.int64)] * len(data.queries), [np.empty(0, np.float32)] * len(data.queries)
    for batch in lance.dataset(data.uri).scanner(columns=["id", "v"], filter=filter, batch_size=8192).to_batches():
        vectors = batch.column("v").flatten().to_numpy().reshape(batch.num_rows, -1)
        similar = data.queries @ vectors.T
        for number in range(len(data.queries)):
            every = np.concatenate([cosines[number], similar[number]])
            best = np.argsort(-every, kind="stable")[:count]
            ids[number] = np.concatenate([ids[number], batch.column("id").to_numpy()])[best]
            cosines[number] = every[best]
    return ids


def by_cutlist(data: Data, count: int, kind: str) -> Search:
    """Search by SQL over the version with an index, or over that without one."""
    session = cutlist.connect(data.root, versions={"vectors": data.versions[kind]})

    def search(number: int, filter: str | None) -> Sequence[int]:
        vector = f"(SELECT v FROM queries WHERE id = {number})"
        where = "" if filter is None else f"WHERE {filter}"
        query = f"SELECT id FROM vectors {where} ORDER BY similarity(v, {vector}) DESC LIMIT {count}"
        return [each for (each,) in session.sql(query).fetchall()]

    return search


def by_lance(data: Data, count: int, kind: str) -> Search:
    """Search by Lance itself, with as many probes as cutlist has found to be needed."""
    dataset = lance.dataset(data.uri, version=data.versions[kind])
    with cutlist.connect(data.root, versions={"vectors": data.versions[kind]}) as session:
        index = vector_index(session.tables["vectors"], "v")
    how: dict[str, Any] = {"use_index": False}
    if index is not None:
        how = {"minimum_nprobes": index.probes, "refine_factor": 1 if kind.endswith("FLAT") else 10}

    def search(number: int, filter: str | None) -> Sequence[int]:
        nearest = {"column": "v", "q": data.queries[number], "k": count, "metric": "cosine", **how}
        found = dataset.scanner(
            columns=["id", "_distance"], nearest=nearest, filter=filter, prefilter=filter is not None
        ).to_table()
        return list(found["id"].to_pylist())

    return search


def by_lancedb(data: Data, count: int, kind: str) -> Search:
    """Search by LanceDB, with its own defaults."""
    table = importlib.import_module("lancedb").connect(str(data.root)).open_table("vectors")
    table.checkout(data.versions[kind])

    def search(number: int, filter: str | None) -> Sequence[int]:
        query = table.search(data.queries[number], vector_column_name="v").distance_type("cosine").limit(count)
        query = query if filter is None else query.where(filter, prefilter=True)
        return list(query.select(["id", "_distance"]).to_arrow()["id"].to_pylist())

    return search


def by_duckdb(data: Data, count: int) -> Search:
    """Search by DuckDB alone, over a table of its own in memory."""
    connection = duckdb.connect()
    connection.register("stored", lance.dataset(data.uri).to_table())
    connection.execute("CREATE TABLE vectors AS FROM stored")
    connection.unregister("stored")
    length = data.queries.shape[1]

    def search(number: int, filter: str | None) -> Sequence[int]:
        where = "" if filter is None else f"WHERE {filter}"
        order = f"array_cosine_similarity(v, ?::FLOAT[{length}]) DESC"
        query = f"SELECT id FROM vectors {where} ORDER BY {order} LIMIT {count}"
        return [each for (each,) in connection.execute(query, [data.queries[number].tolist()]).fetchall()]

    return search


def contenders(data: Data, count: int, kinds: Sequence[str]) -> dict[str, Search]:
    """Return each contender's search; the first is what the others are compared with."""
    found = {"cutlist, no index": by_cutlist(data, count, ""), "Lance, no index": by_lance(data, count, "")}
    found["DuckDB, in memory"] = by_duckdb(data, count)
    for kind in kinds:
        found[f"cutlist, {kind}"] = by_cutlist(data, count, kind)
        found[f"Lance, {kind}"] = by_lance(data, count, kind)
    if importlib.util.find_spec("lancedb") is not None:
        for kind in kinds:
            found[f"LanceDB, {kind}"] = by_lancedb(data, count, kind)
    return found


def measure(data: Data, count: int, kinds: Sequence[str], rounds: int) -> list[Result]:
    """Return how long each contender takes for what is searched, and what it finds."""
    searches = contenders(data, count, kinds)
    results = []
    for searched, filter in FILTERS.items():
        expected = truth(data, count, filter)
        seconds: dict[str, list[float]] = {name: [] for name in searches}
        shares: dict[str, list[float]] = {name: [] for name in searches}
        for search in searches.values():
            search(0, filter)
        for number in list(range(len(data.queries))) * rounds:
            for name, search in searches.items():
                before = time.perf_counter()
                ids = search(number, filter)
                seconds[name].append(time.perf_counter() - before)
                shares[name].append(len(np.intersect1d(ids, expected[number])) / max(len(expected[number]), 1))
        first = next(iter(searches))
        for name in searches:
            ratios = [mine / theirs for mine, theirs in zip(seconds[name], seconds[first], strict=True)]
            results.append(
                Result(
                    contender=name,
                    searched=searched,
                    milliseconds=round(statistics.median(seconds[name]) * 1000, 2),
                    ratio=round(statistics.median(ratios), 4),
                    recall=round(statistics.mean(shares[name]), 4),
                )
            )
    return results


def show(data: Data, results: Sequence[Result]) -> None:
    """Print what was measured."""
    for kind, seconds in data.seconds.items():
        console.print(f"{data.made[kind]}: made in {seconds:.1f} s")
    for searched in FILTERS:
        table = Table(
            "contender", "ms", "of the first", "recall", title=f"among {searched} of the rows", title_justify="left"
        )
        for each in results:
            if each.searched == searched:
                table.add_row(each.contender, f"{each.milliseconds:.1f}", f"{each.ratio:.3f}", f"{each.recall:.3f}")
        console.print(table)


@app.command()
def main(
    rows: Annotated[int, typer.Option(help="Embeddings.")] = 1_000_000,
    length: Annotated[int, typer.Option(help="Numbers in each.")] = 384,
    count: Annotated[int, typer.Option(help="Nearest rows that are asked for.")] = 10,
    queries: Annotated[int, typer.Option(help="Queries.")] = 20,
    kind: Annotated[list[str] | None, typer.Option(help="Kinds of indexes. [default: IVF_FLAT, IVF_PQ]")] = None,
    recall: Annotated[float, typer.Option(help="That the indexes are made for.")] = 0.99,
    rounds: Annotated[int, typer.Option(help="Times that each query is asked.")] = 1,
    data: Annotated[Path, typer.Option(help="Where the tables are kept between runs.")] = Path(".benchmarks"),
    output: Annotated[Path | None, typer.Option("--json", help="A file for the results.")] = None,
) -> None:
    """Measure how fast the nearest embeddings are found.

    Example: `python benchmarks/search.py --rows 100000 --kind IVF_FLAT --kind IVF_HNSW_SQ`
    """
    kinds = [each.upper() for each in (kind or ["IVF_FLAT", "IVF_PQ"])]
    made = make_data(data, rows, length, queries, kinds, recall)
    results = measure(made, count, kinds, rounds)
    show(made, results)
    if output is not None:
        about = {"rows": rows, "length": length, "count": count, "made": made.made, "seconds": made.seconds}
        output.write_text(json.dumps({**about, "results": [asdict(each) for each in results]}, indent=1))


if __name__ == "__main__":
    app()
