"""What a step drew.

- The rows are those of the selection at the positions that the order draws: their media and late values at any depth,
  with table, version, row id and operations; a sample without any has a row of its own.
- The bytes are those that are stored: also of rows that were deleted around, rewritten, empty or NULL.
- A rank's rows are those of `order.at(rank=…)`, numbered as in the whole step.
- A step without an epoch counts from the start of the run; without both it is the next one of the state.
- Tables that change later change nothing; no medium is read but for a sheet.

In table `t` row `id` has a medium of `id + 1` bytes, but none where `id % 7 == 3`, and an empty one where `id == 8`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import cutlist
from cutlist import Selection, Session
from cutlist.answers.trace import TracedRow, trace
from cutlist.errors import CatalogError, CutlistError, MediaError, OrderError, SelectionError, SettingsError, StateError
from cutlist.media.reference import FIELD_NAMES, to_ref
from cutlist.order import ONLY, Batching, Order, Rules, make_order, order_of
from cutlist.reader import Reader
from cutlist.sampler import Block
from cutlist.store import Blobs, blob_array, blob_field

if TYPE_CHECKING:
    from tests.conftest import Made

    from cutlist.answers.trace import Trace

BATCH = 6


def size_of(number: int) -> int | None:
    return None if number % 7 == 3 else 0 if number == 8 else number + 1


def append(session: Session, name: str, numbers: range) -> None:
    """Append rows to a table, in a fragment of their own, and move on to that version."""
    sizes = [size_of(i) for i in numbers]
    rows = pa.table({"id": pa.array(numbers, pa.int64()), "word": [f"w{i % 3}" for i in numbers]})
    blobs = blob_array([None if each is None else b"x" * each for each in sizes])
    session.store.append(name, rows.append_column(blob_field("image", "image"), blobs), message="test")
    session.refresh()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Tables `t` and `u` of three fragments each; rows of `t` are deleted, and others moved to a fourth."""
    with cutlist.connect(tmp_path / "data", create=True) as session:
        for name in ("t", "u"):
            for start in (0, 20, 40):
                append(session, name, range(start, start + 20))
        lance.dataset(session.store.uri("t")).delete("id IN (0, 5, 21, 59)")
        lance.dataset(session.store.uri("t")).update({"word": "'moved'"}, where="id IN (1, 2, 25, 44)")
        yield session.refresh()


def order_over(
    session: Session, queries: str | Mapping[str, str], batching: Batching | None = None, **rules: Any
) -> Order:
    """Return the order of a run over a query, or over a mixture of queries."""
    named = {ONLY: queries} if isinstance(queries, str) else dict(queries)
    selections = {name: session.compile(query) for name, query in named.items()}
    each = batching or Batching(global_batch_size=BATCH)
    return make_order(selections, dict.fromkeys(named, each), Rules(**rules), store=session.store)


def state_of(order: Order, epoch: int = 0, step: int = 0) -> dict[str, Any]:
    return dict(json.loads(json.dumps(order.state(epoch, step))))


def rows_of(found: Trace) -> list[TracedRow]:
    return [row for draw in found.draws for row in draw.rows]


def told(found: Trace) -> tuple[Any, ...]:
    """Return what a trace tells; two cannot be compared."""
    parts = [(number, positions.tolist()) for number, positions, _ in found.parts]
    return found.epoch, found.step, found.num_steps, found.draws, parts


def references(value: Any) -> Iterator[Any]:
    """Yield the media of a value at any depth, in order."""
    if isinstance(value, dict) and tuple(value) == FIELD_NAMES:
        yield to_ref(value)
    elif isinstance(value, dict):
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from references(each)


def by_id(session: Session, name: str) -> dict[int, int]:
    """Return row id → `id`."""
    return dict(session.sql(f"SELECT _rowid, id FROM {name}").fetchall())


def expected(
    session: Session, selection: Selection, positions: list[int], samples: list[int], world_size: int = 1
) -> list[TracedRow]:
    """Return the rows of a step by the selection's own columns; sizes by `size_of`."""
    ids = {each.name: by_id(session, each.name) for each in selection.tables}
    rows = []
    taken = selection.to_arrow().to_pylist()
    for sample, position in zip(samples, positions, strict=True):
        place: dict[str, Any] = {"sample": sample, "rank": sample % world_size, "position": position}
        mine = []
        for name, value in taken[position].items():
            for ref in references(value):
                source = selection.sources[ref.source]
                about = {"table": source.table, "version": source.version, "row_id": ref.row}
                size = size_of(ids[source.table][ref.row]) or 0
                decode = ".".join(map(str, ref.ops)) or None
                mine.append(TracedRow(**place, column=name, **about, decode=decode, size_bytes=size))
        rows += mine or [TracedRow(**place)]
    return rows


QUERIES = {
    "a medium": "SELECT image, id FROM t",
    "operations": "SELECT resize(clip(image, id / 4, id / 4 + 1.5), 32, 24) AS m, id FROM t ORDER BY hash(id)",
    "operations that differ": """SELECT id, CASE WHEN id % 2 = 0 THEN crop(image, 1, id, 3, 4) ELSE frames(image, 2) END
                                 AS m FROM t""",
    "raw": "SELECT raw(image) AS bytes FROM t WHERE id > 8",
    "two columns": "SELECT t.image AS one, t.id, u.image AS two FROM t JOIN u USING (id)",
    "two tables": "SELECT image, id FROM t UNION ALL SELECT image, id FROM u",
    "a medium twice": "SELECT image AS one, center_crop(image, 2, 2) AS two FROM u",
    "repeated": "SELECT image, k FROM t, range(3) r(k)",
    "NULL": "SELECT id, CASE WHEN id % 2 = 0 THEN image END AS image FROM t",
    "none": "SELECT id, word FROM t",
    "only NULL": "SELECT id, image FROM t WHERE id % 7 = 3",
    "a list": "SELECT word, list(image ORDER BY id) AS l FROM t GROUP BY word, id // 10",
    "lists of different lengths": """SELECT i, list(image ORDER BY id) FILTER (id % 5 < i % 4) AS l
                                     FROM t, range(24) r(i) GROUP BY i""",
    "a struct": "SELECT {'id': id, 'inner': {'m': image, 'w': word}} AS s FROM t",
    "a map": "SELECT MAP {'a': image, 'b': resize(image, 8, 8)} AS m, id FROM t",
    "an array": "SELECT array_value(image, image, NULL) AS a FROM t",
    "lists in structs in lists": "SELECT [{'l': [image, NULL]}, NULL, {'l': NULL}] AS l, image FROM t",
}


@pytest.mark.filterwarnings("ignore::cutlist.errors.QueryWarning")
@pytest.mark.parametrize("world_size", [1, 3])
@pytest.mark.parametrize("name", QUERIES)
def test_rows_are_what_the_selection_says(session: Session, name: str, world_size: int) -> None:
    order = order_over(session, QUERIES[name], Batching(global_batch_size=3), seed=4)
    (member,) = order.components
    state = state_of(order)
    for epoch, step in ((0, 0), (0, len(order) - 1), (3, 1 % len(order))):
        positions = order.at(epoch, step)[0].positions.tolist()
        wanted = expected(session, member.selection, positions, list(range(3)), world_size)
        found = session.trace(state, epoch=epoch, step=step, world_size=world_size)
        assert rows_of(found) == wanted
        assert (found.epoch, found.step, found.num_steps, found.num_samples) == (epoch, step, len(order), 3)
        (draw,) = found.draws
        assert (draw.component, draw.bucket, draw.epoch) == (None, None, epoch)
        assert draw.selection == member.selection.fingerprint
        for rank in range(world_size):
            part = session.trace(state, epoch=epoch, step=step, rank=rank, world_size=world_size)
            assert rows_of(part) == [row for row in wanted if row.rank == rank]
            own = order.at(epoch, step, rank=rank, world_size=world_size)[0].positions.tolist()
            assert [each.positions.tolist() for each in part.parts] == [own]
            assert list(dict.fromkeys(row.position for row in rows_of(part))) == own


def test_bytes_are_those_that_are_stored(session: Session) -> None:
    """Of every row, in one step; those that were moved to another fragment are read by id all the same."""
    order = order_over(session, "SELECT image, id FROM t", Batching(batch_size=56))
    found = session.trace(state_of(order))
    numbers = order.components[0].selection.to_arrow()["id"].to_pylist()
    sizes = {numbers[row.position]: row.size_bytes for row in rows_of(found)}
    assert sizes == {i: size_of(i) for i in range(60) if i not in (0, 5, 21, 59)}
    assert sizes[8] == 0
    assert sizes[3] is None
    table = session.tables["t"]
    for row in rows_of(found):
        if row.row_id is not None:
            data = Blobs(table, "image").read([row.row_id])[0]
            assert not isinstance(data, MediaError)
            assert len(data or b"") == row.size_bytes


def test_it_reads_no_medium(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_of(order_over(session, "SELECT image, id FROM t"))

    def no_read(*_: Any, **__: Any) -> None:
        raise AssertionError("reads media")

    for name in ("read", "read_ranges", "open"):
        monkeypatch.setattr(Blobs, name, no_read)
    assert session.trace(state, step=3).num_samples == BATCH


def test_what_was_traced_is_what_a_reader_reads(session: Session) -> None:
    order = order_over(session, "SELECT raw(image) AS bytes, id FROM t WHERE image IS NOT NULL")
    found = session.trace(state_of(order), step=5)
    reader = Reader([each.selection for each in order.components], session.store, num_threads=1)
    (rows,) = list(reader.read([found.parts]))
    assert [len(row["bytes"]) for row in rows] == [row.size_bytes for row in rows_of(found)]
    ids = by_id(session, "t")
    assert [row["id"] for row in rows] == [ids[row.row_id] for row in rows_of(found) if row.row_id is not None]


# Steps, epochs, ranks


def test_steps_without_an_epoch_count_from_the_start_of_the_run(session: Session) -> None:
    order = order_over(session, "SELECT image, id FROM t", seed=2)
    assert len(order) == 9
    state = state_of(order, 7, 3)
    for step in (0, 8, 9, 10, 100, 10**6):
        epoch, within = divmod(step, 9)
        found = session.trace(state, step=step)
        assert (found.epoch, found.step) == (epoch, within)
        assert told(found) == told(session.trace(state, epoch=epoch, step=within))
    assert rows_of(session.trace(state, step=1)) != rows_of(session.trace(state, step=10))


def test_the_next_step_is_the_default(session: Session) -> None:
    order = order_over(session, "SELECT image, id FROM t")
    found = session.trace(state_of(order, 7, 3))
    assert (found.epoch, found.step) == (7, 3)
    assert told(found) == told(session.trace(state_of(order), epoch=7, step=3))
    assert [each.position for each in rows_of(found)] == order.at(7, 3)[0].positions.tolist()


def test_an_epoch_without_a_step_is_not_another_epoch(session: Session) -> None:
    order = order_over(session, "SELECT image, id FROM t")
    try:
        found = session.trace(state_of(order, 7, 3), epoch=2)
    except CutlistError:
        return
    assert found.epoch == 2


@pytest.mark.parametrize("mix", ["steps", "samples"])
@pytest.mark.parametrize("world_size", [1, 2, 6])
def test_mixtures(session: Session, mix: Any, world_size: int) -> None:
    queries = {"one": "SELECT image, id FROM t", "two": "SELECT image, id FROM u WHERE id > 3"}
    mixture = [(0, {"one": 1.0}), (3, {"one": 0.5, "two": 0.5})]
    order = order_over(session, queries, mixture=mixture, num_steps=5, mix=mix, seed=3)
    state = state_of(order, 1, 1)
    components = set()
    for step in (0, 3, 4, 6, 17):
        found = session.trace(state, step=step, world_size=world_size)
        draws = order.at(*divmod(step, 5))
        before = 0
        assert len(found.draws) == len(draws)
        for each, traced in zip(draws, found.draws, strict=True):
            member = order.components[each.component]
            assert (traced.component, traced.epoch) == (member.name, each.epoch)
            assert traced.selection == member.selection.fingerprint
            samples = list(range(before, before + len(each.positions)))
            wanted = expected(session, member.selection, each.positions.tolist(), samples, world_size)
            assert list(traced.rows) == wanted
            before += len(each.positions)
            components.add(member.name)
        assert found.num_samples == before == BATCH
        for rank in range(world_size):
            part = session.trace(state, step=step, rank=rank, world_size=world_size)
            own = order.at(*divmod(step, 5), rank=rank, world_size=world_size)
            assert [(each.selection, each.positions.tolist()) for each in part.parts] == [
                (each.component, each.positions.tolist()) for each in own
            ]
            assert rows_of(part) == [row for row in rows_of(found) if row.rank == rank]
            assert part.num_samples == BATCH // world_size
    assert components == {"one", "two"}


def test_buckets_and_fragments(session: Session) -> None:
    batching = Batching(batch_size=2, bucket_by="word")
    shuffle = Block(rows="fragment", window=1)
    order = order_over(session, "SELECT image, id, word FROM t", batching, shuffle=shuffle)
    state = state_of(order)
    words = order.components[0].selection.to_arrow()["word"].to_pylist()
    buckets = set()
    for step in range(len(order)):
        (draw,) = session.trace(state, step=step).draws
        assert {words[row.position] for row in draw.rows} == {draw.bucket}
        buckets.add(draw.bucket)
    assert buckets == {"moved", "w0", "w1", "w2"}


def test_a_component_may_be_called_samples(session: Session) -> None:
    """What the component of a run without a mixture is called, too."""
    queries = {"samples": "SELECT image, id FROM t", "two": "SELECT image, id FROM u"}
    order = order_over(session, queries, mixture={"samples": 1, "two": 1}, num_steps=5)
    found = [session.trace(state_of(order), step=step).draws[0].component for step in range(2)]
    assert sorted(map(str, found)) == ["samples", "two"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"epoch": 2, "step": 9}, r"^there is no step 9 in epoch 2: it has 9; without an epoch, steps count from the"),
        ({"step": -1}, r"^step=-1: expected a whole number of at least 0$"),
        ({"step": 1.5}, r"^step=1\.5: expected a whole number of at least 0$"),
        ({"epoch": -1, "step": 0}, r"epoch=-1; expected at least 0"),
        ({"step": 0, "rank": 1}, r"^rank 1 of world size 1: expected 0 <= rank < world_size$"),
        ({"step": 0, "rank": -1, "world_size": 2}, r"^rank -1 of world size 2: expected 0 <= rank < world_size$"),
        ({"step": 0, "rank": 0, "world_size": 4}, r"^the step's 6 samples cannot be shared equally by 4 ranks$"),
        ({"step": 0, "world_size": 4}, r"^the step's 6 samples cannot be shared equally by 4 ranks$"),
        pytest.param({"step": 0, "world_size": 0}, "world"),
        pytest.param({"step": 0, "world_size": -2}, "world"),
    ],
)
def test_refuses_steps_and_ranks_that_are_not_there(session: Session, arguments: dict[str, Any], match: str) -> None:
    state = state_of(order_over(session, "SELECT image, id FROM t"))
    with pytest.raises(OrderError, match=match):
        session.trace(state, **arguments)


def test_numbers_of_numpy(session: Session) -> None:
    state = state_of(order_over(session, "SELECT image, id FROM t"))
    found = session.trace(state, epoch=np.int64(1), step=np.int64(2), world_size=np.int64(2))  # type: ignore[arg-type]
    assert found == session.trace(state, epoch=1, step=2, world_size=2)
    assert type(found.epoch) is type(found.step) is int


def test_a_last_batch_that_is_smaller(session: Session) -> None:
    order = order_over(session, "SELECT image, id FROM t", drop_last=False)
    state = state_of(order)
    found = session.trace(state, step=9, world_size=2)
    assert [row.position for row in rows_of(found)] == order.at(0, 9)[0].positions.tolist()
    assert [row.rank for row in rows_of(found)] == [0, 1]
    with pytest.raises(OrderError, match="the step's 2 samples cannot be shared equally by 3 ranks"):
        session.trace(state, step=9, world_size=3)


# Late columns, and values that look like media


def wide(session: Session) -> None:
    """Make a table `w` with a late column."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(40 * 400, dtype=np.float32)), 400)
    rows = pa.table({"id": range(40), "vector": vectors})
    session.store.append("w", rows, message="test")
    session.refresh()


def test_late_values_have_row_ids_and_no_sizes(session: Session) -> None:
    wide(session)
    order = order_over(session, "SELECT w.id, w.vector, t.image FROM w LEFT JOIN t USING (id)", seed=1)
    selection = order.components[0].selection
    assert selection.columns[1].late is not None
    ids = by_id(session, "w")
    of_media = by_id(session, "t")
    taken = selection.to_arrow().to_pylist()
    for step in range(len(order)):
        rows = rows_of(session.trace(state_of(order), step=step))
        for row in rows:
            number = taken[row.position]["id"]
            assert row.row_id is not None
            if row.column == "vector":
                assert (row.table, ids[row.row_id], row.size_bytes, row.decode) == ("w", number, None, None)
            else:
                assert (row.column, row.table) == ("image", "t")
                assert (of_media[row.row_id], row.size_bytes) == (number, size_of(number))
        columns = [(row.sample, row.column) for row in rows]
        assert columns == sorted(columns, key=lambda each: (each[0], each[1] == "image")), "in the query's order"
        assert {row.sample for row in rows} == set(range(BATCH))


def test_a_row_that_is_not_there_has_no_late_value(session: Session) -> None:
    wide(session)
    query = "SELECT u.id, w.vector FROM u LEFT JOIN w ON w.id = u.id + 30"
    order = order_over(session, query, Batching(batch_size=60))
    found = rows_of(session.trace(state_of(order)))
    there = [row for row in found if row.column is not None]
    assert (len(found), len(there)) == (60, 10)
    assert {row.table for row in there} == {"w"}


def test_a_struct_with_the_names_of_a_reference(session: Session) -> None:
    query = "SELECT {'source': 'web', 'row': 7, 'ops': 'none', 'm': image} AS s, id FROM t"
    order = order_over(session, query)
    found = rows_of(session.trace(state_of(order)))
    positions = order.at(0, 0)[0].positions.tolist()
    assert found == expected(session, order.components[0].selection, positions, list(range(BATCH)))


# Pinned


def test_tables_that_change_later_change_nothing(session: Session) -> None:
    order = order_over(session, "SELECT image, id FROM t")
    state = state_of(order)
    before = [told(session.trace(state, step=step)) for step in range(9)]
    append(session, "t", range(60, 90))
    lance.dataset(session.store.uri("t")).delete("id < 40")
    session.refresh()
    assert session.compile("SELECT image, id FROM t").fingerprint != order.components[0].selection.fingerprint
    assert [told(session.trace(state, step=step)) for step in range(9)] == before
    with cutlist.connect(session.store.root) as another:
        assert told(another.trace(state, step=4)) == before[4]


def test_a_selection_that_is_gone_is_told(session: Session) -> None:
    order = order_over(session, "SELECT image, id FROM t")
    state = state_of(order)
    fingerprint = order.components[0].selection.fingerprint
    session.drop_selection(fingerprint)
    with pytest.raises(CatalogError, match=f'no saved selection has a fingerprint that starts with "{fingerprint}"'):
        session.trace(state)


def test_a_table_that_was_made_anew_is_told(session: Session) -> None:
    state = state_of(order_over(session, "SELECT image, id FROM u"))
    shutil.rmtree(Path(session.store.root, "u.lance"))
    with pytest.raises(CatalogError, match="cannot open table u at"):
        session.trace(state)
    for start in (0, 20, 40):
        append(session, "u", range(start, start + 20))
    with pytest.raises(CatalogError, match=r"table u in .* was made anew since the selection was compiled, so its row"):
        session.trace(state)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"version": 1}, r"^the state is of another state version: 1 there, 2 here; use the version of cutlist that w"),
        ({"order_version": 1}, r"^the state is of another order version: 1 there, \d here"),
        ({"seed": None}, "seed=None: expected a whole number"),
        ({"step": 100}, r"^the state is at epoch 0, step 100; an epoch has 9 steps$"),
    ],
)
def test_refuses_other_states(session: Session, change: dict[str, Any], match: str) -> None:
    state = state_of(order_over(session, "SELECT image, id FROM t"))
    with pytest.raises((StateError, OrderError), match=match):
        session.trace({**state, **change})


def test_by_itself_it_needs_no_session(session: Session) -> None:
    order = order_over(session, "SELECT image, id FROM t")
    again = order_of(state_of(order), session.saved.find)
    assert told(trace(again, session.store, step=5)) == told(session.trace(state_of(order), step=5))


# Sheets


def colours(path: Path) -> int:
    with Image.open(path) as picture:
        assert picture.width > 200
        return len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0))


@pytest.mark.parametrize("name", ["step.png", "step.jpg", "step.webp"])
def test_a_sheet_has_the_samples_of_the_step(made: Made, tmp_path: Path, name: str) -> None:
    root = shutil.copytree(made.root, tmp_path / "data")
    with cutlist.connect(root, views=made.views) as session:
        order = order_over(session, "SELECT clip(video, 0, 0.5) AS v, caption FROM my_videos", seed=1)
        whole, part = tmp_path / name, tmp_path / f"part-{name}"
        found = session.trace(state_of(order), step=2, sheet=whole)
        session.trace(state_of(order), step=2, rank=1, world_size=3, sheet=str(part))
        assert found.num_samples == BATCH
        assert colours(whole) > 500
        with Image.open(whole) as picture, Image.open(part) as smaller:
            assert picture.width * picture.height > 2 * smaller.width * smaller.height


def test_a_sheet_of_a_mixture(made: Made, tmp_path: Path) -> None:
    """Of components with different columns."""
    root = shutil.copytree(made.root, tmp_path / "data")
    with cutlist.connect(root, views=made.views) as session:
        queries = {
            "moving": "SELECT frames(video, 4) AS v, caption FROM my_videos",
            "still": "SELECT image, 7 AS n FROM my_images",
        }
        order = order_over(session, queries, Batching(batch_size=2), mixture={"moving": 1, "still": 1}, num_steps=4)
        for step in range(2):
            path = tmp_path / f"{step}.png"
            session.trace(state_of(order), step=step, sheet=path)
            assert colours(path) > 500


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("step.txt", r"step\.txt: expected a picture file: \.png, \.jpg or \.webp"),
        ("nowhere/step.png", r"there is no folder .*nowhere"),
    ],
)
def test_a_sheets_file_is_looked_at_first(session: Session, tmp_path: Path, name: str, match: str) -> None:
    """Before the state is."""
    with pytest.raises(SettingsError, match=match):
        session.trace({}, sheet=tmp_path / name)


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("SELECT id, word FROM t", r"a sheet needs a media column; the query has: id, word"),
        ("SELECT image, id FROM t WHERE id % 7 = 3", r"a sheet needs images or videos; the first samples have none"),
        ("SELECT raw(image) AS b FROM t", r"a sheet needs images or videos; the first samples have none \(or raw by"),
    ],
)
def test_a_sheet_needs_pictures(session: Session, tmp_path: Path, query: str, match: str) -> None:
    order = order_over(session, query, Batching(batch_size=2))
    with pytest.raises(SelectionError, match=match):
        session.trace(state_of(order), sheet=tmp_path / "step.png")
    assert not (tmp_path / "step.png").exists()


def test_traces_and_draws_can_be_compared(session: Session) -> None:
    order = order_over(session, "SELECT image, id FROM t")
    one, two = (session.trace(state_of(order), step=3) for _ in range(2))
    assert one == two
    assert order.at(0, 3) == order.at(0, 3)
