"""The command line. Thin: each command is one call of a session."""

from __future__ import annotations

import json
import sys
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import cutlist
from cutlist import Session
from cutlist.backfill import engine_of, with_arguments
from cutlist.catalog import fold_case
from cutlist.cli import contents, diff, lineage, loader, plans, plot, runs, save, saved, waterfall
from cutlist.cli.options import AsJson, Query, With, arguments
from cutlist.cli.registry import COMMANDS, LAST, OPEN, State, command
from cutlist.cli.rows import SHOWN_ROWS, escaped, print_csv, print_json, print_table, rows
from cutlist.errors import CutlistError, NotFoundError, QueryError, SettingsError
from cutlist.ingest import KINDS
from cutlist.order import Batching
from cutlist.process.watch import watched
from cutlist.redacting import redacted
from cutlist.statements import DropView, own_statement, split_in_place
from cutlist.values import counted

__all__ = ["COMMANDS", "app", "main"]

HELP = """Your training set is a SQL query: videos, images and their columns in Lance tables, selected by SQL.

For scripts: what was asked for goes to standard output, alone; the rest to standard error. Every command has `--json`,
and `--timeout SECONDS`. A query may come from a file, `-f FILE`, or standard input, `-`. SQL has the files of the root
and of the working folder, and with `--allow-files` all.

Exit status: 0; 1 an error, or not done in time; 2 no such command or option; 3 not there; 130 interrupted. An error is
one line, with what to do instead; `--debug` adds the traceback.
"""

app = typer.Typer(
    help=HELP,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

app.add_typer(saved.app, name="selections")
command(app)(contents.tables)
command(app)(contents.views)
command(app)(contents.schema)
command(app, "loader")(loader.command)
command(app)(waterfall.waterfall)
command(app)(diff.diff)
command(app, "lineage")(lineage.command)
command(app, "plot")(plot.command)
command(app, "save")(save.command)


INTERRUPTED = 130
"""The exit status after Ctrl-C, which typer returns."""


class Format(StrEnum):
    """How `cutlist sql` prints rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@command(app, create=True)
def ingest(
    session: Session,
    sources: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, tar shards, and folders to search; or s3:// URIs.")
    ],
    table: Annotated[str, typer.Option(help="The table, made if it is not there.")],
    metadata_file: Annotated[
        str | None, typer.Option("--metadata", help="CSV, Parquet or JSONL with captions and other columns.")
    ] = None,
    on: Annotated[str, typer.Option(help="The metadata's column that has the paths.")] = "path",
    columns: Annotated[str | None, typer.Option(help="The metadata's columns to take: a,b,c. [default: all]")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only video, image or audio; may be repeated.")] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Point at the media where they are; copy nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add videos, images and sounds to a table, one row for each file. A second run adds only what is new.

    A shard (an uncompressed .tar, as WebDataset writes them) gives a row for each of its keys; .json, .txt and .cls
    members become columns.

    Example: `cutlist ingest clips/ --table videos --root data`

    Example: `cutlist ingest clips/ --table videos --metadata captions.csv --root data`

    Example: `cutlist ingest shards/ --table videos --reference --root data`
    """
    chosen = None if columns is None else [each.strip() for each in columns.split(",") if each.strip()]
    report = session.ingest(
        sources,
        table=table,
        metadata=metadata_file,
        on=on,
        columns=chosen,
        kinds=kind or KINDS,
        reference=reference,
    )
    typer.echo(json.dumps(asdict(report), indent=1) if as_json else str(report))
    if report.num_failed and not report.num_added and not report.num_known:
        raise typer.Exit(1)


@command(app)
def check(
    session: Session,
    table: Annotated[str, typer.Argument(help="The table.")],
    column: Annotated[str | None, typer.Option(help="A media column. [default: each]")] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Only read headers and first pictures.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Begin at the first row.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decode every image, video and sound of a table; what cannot be decoded is recorded in _failures.

    Goes on where an earlier check ended. The exit status is 1 if anything failed.

    Example: `cutlist check videos --root data`
    """
    reports = session.check(table, column, only_probe=probe, again=again)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in reports], indent=1))
    else:
        typer.echo("\n".join(map(str, reports)) or f"{table} has no media column")
    if any(each.num_failed for each in reports):
        raise typer.Exit(1)


@command(app)
def sql(
    session: Session,
    query: Annotated[str, typer.Argument(help="Any DuckDB SQL over the tables and views.")],
    format: Annotated[Format, typer.Option(help="How to print the rows.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before DROP VIEW.")] = False,
) -> None:
    """Run SQL and print the rows. CREATE VIEW and DROP VIEW write and remove files of the folder of views.

    Of several statements each is run, until one fails; the rows are those of the last.

    Example: `cutlist sql "SELECT count(*) FROM hd" --root data`

    Example: `cutlist sql "CREATE VIEW hd AS SELECT * FROM videos WHERE height >= 1080" --root data`

    Example: `cutlist sql "SELECT count(*) FROM videos WHERE height * width >= 1080 * 1920" --root data`
    """
    statements = split_in_place(query)
    for dropped in map(own_statement, statements):
        if isinstance(dropped, DropView) and not yes:
            if not sys.stdin.isatty():
                raise SettingsError(f"DROP VIEW {dropped.name}: nobody can be asked here; say --yes to drop it")
            typer.confirm(f"Drop the view {dropped.name}, and remove its file?", abort=True)
    for each in statements[:-1]:
        _run_through(session, each)
    relation = session.sql(statements[-1])
    if relation is None:
        return
    names, types = relation.columns, [str(kind) for kind in relation.types]
    chosen = Format.JSON if as_json else format

    def printed() -> None:
        if chosen is Format.JSON:
            print_json(names, rows(relation), session.sources)
        elif chosen is Format.CSV:
            print_csv(names, rows(relation), session.sources)
        else:
            print_table(names, types, list(rows(relation.limit(SHOWN_ROWS + 1))), session.sources)

    if chosen is Format.JSON and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise QueryError(f'query: two columns are named "{twice}", which JSON cannot have; give one another name')
    with session.reading(statements[-1]):
        watched(printed, interrupt=session.interrupt, fraction=session.progress, title="query")


def _run_through(session: Session, query: str) -> None:
    """Run a statement whose rows nobody asked for."""
    relation = session.sql(query)
    if relation is None:
        return
    with session.reading(query):
        watched(
            lambda: deque(rows(relation), maxlen=0),
            interrupt=session.interrupt,
            fraction=session.progress,
            title="query",
        )


@command(app, "compile")
def compile_(
    session: Session,
    query: Query,
    exclude_failures: Annotated[
        bool, typer.Option("--exclude-failures", help="Leave out samples with media that are in _failures.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compile a query into a training set: row ids pinned to table versions, saved under the root.

    Example: `cutlist compile hd --root data`
    """
    selection = session.compile(query, exclude_failures=exclude_failures)
    if as_json:
        typer.echo(json.dumps(saved.about(selection), ensure_ascii=False, indent=1))
        return
    console = Console()
    console.print(f"{counted(selection.num_samples, 'sample')}, fingerprint {selection.fingerprint}")
    for each in selection.tables:
        console.print(f"  from {each.name} at version {each.version}")
    for column in selection.columns:
        ops = "" if not column.ops else " " + ".".join(op.name for op in column.ops)
        nulls = f", {column.null_count:,} NULL" if column.null_count else ""
        console.print(f"  {column.name}: {column.type.lower()}{ops}{nulls}", markup=False)
    if selection.path is not None:
        console.print(f"saved in {selection.path}", soft_wrap=True)


@command(app)
def explain(
    session: Session,
    query: Query,
    exact: Annotated[bool, typer.Option("--exact", help="Plan the clips of all samples, not of 10,000.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a query reads: tables and versions, columns read now and later and why, filters, and bytes.

    The query is compiled for it, and not saved. No media byte is read.

    Example: `cutlist explain hd --root data`

    Example: `cutlist explain "SELECT clip(video, 0, 2) AS frames, caption FROM hd" --root data`
    """
    found = session.explain(query, exact=exact)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
    else:
        plans.show(found)


@command(app)
def lint(
    session: Session,
    query: Annotated[str | None, typer.Argument(help="A SELECT, or the name of a view. [default: every view]")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every view, or one query: unknown names, rows that differ from run to run, rows dropped for NULL.

    Exit status 1 if there is an error.

    Example: `cutlist lint --root data`
    """
    remarks = session.lint(query)
    checked = 1 if query is not None else len(session.views)
    if as_json:
        found = [{"place": each.place, "error": each.error, "text": each.text} for each in remarks]
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        plans.show_remarks(remarks, checked)
    if any(each.error for each in remarks):
        raise typer.Exit(1)


@command(app)
def index(
    session: Session,
    table: Annotated[str, typer.Argument(help="The table.")],
    column: Annotated[str, typer.Argument(help="The column.")],
    kind: Annotated[
        str | None,
        typer.Option(
            help="BTREE, BITMAP, LABEL_LIST, NGRAM, ZONEMAP, BLOOMFILTER; INVERTED (words); IVF_FLAT, IVF_SQ, IVF_PQ, "
            "IVF_RQ, IVF_HNSW_FLAT, IVF_HNSW_SQ, IVF_HNSW_PQ (vectors). [default: by type]"
        ),
    ] = None,
    recall: Annotated[
        float | None, typer.Option(help="Of vectors: the share of the nearest to find; 1 is exact. [default: 0.99]")
    ] = None,
    partitions: Annotated[
        int | None, typer.Option(help="Of vectors: how many. [default: by the number of rows]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an index of a column: queries then read just the rows that they need.

    Of values for filters, of words for matches(), of vectors for ORDER BY similarity(…) DESC LIMIT n. Of a column of
    videos it makes the packet indexes that are not there: clips are then read by packet.

    Example: `cutlist index videos category --kind BITMAP --root data`
    """
    made = session.index(table, column, kind=kind, recall=recall, partitions=partitions)
    indexed = fold_case(session.tables, table)
    if as_json:
        found = {"table": table, "column": column, "made": made, "version": indexed and indexed.version}
        typer.echo(json.dumps(found, indent=1))
        return
    what = made if " " in made else f"{made} index"
    typer.echo(f"{indexed.name if indexed else table}.{column}: {what}, in version {indexed and indexed.version}")


@command(app)
def backfill(
    session: Session,
    table: Annotated[str, typer.Argument(help="The table.")],
    featurizer: Annotated[str, typer.Argument(help="The name of an installed featurizer, or module:name.")],
    where: Annotated[str | None, typer.Option(help="Only rows for which this SQL is true.")] = None,
    view: Annotated[str | None, typer.Option(help="Only rows of which this view, or query, has a medium.")] = None,
    errors_only: Annotated[bool, typer.Option("--errors-only", help="Only rows on which it failed before.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also rows that have a value.")] = False,
    device: Annotated[str, typer.Option(help="Of its model: cpu, cuda, cuda:1.")] = "cpu",
    given: With = None,
    engine: Annotated[
        str, typer.Option(help="What computes: local, this process; ray, workers of a cluster.")
    ] = "local",
    workers: Annotated[int | None, typer.Option(help="Of ray. [default: as many as there is room for]")] = None,
    cpus_per_worker: Annotated[float | None, typer.Option(help="Of ray: CPUs of each worker. [default: 1]")] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(help="Of ray: GPUs of each worker, 0.5 for half of one. [default: 1 if device is cuda]"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Of ray: the cluster, as auto or ray://host:10001. [default: RAY_ADDRESS, or a new one]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute the columns of a featurizer for the rows that lack them, or have them out of date.

    No medium is written. A run that was stopped goes on where it was; `cutlist status` shows what there is.

    Example: `cutlist backfill videos sharpness --root data`

    Example: `cutlist backfill videos sharpness --where "duration_seconds > 2" --view hd --root data`

    Example: `cutlist backfill images clip_embedding --with model=ViT-L-14 --with pretrained=openai --root data`

    Example: `cutlist backfill videos motion --engine ray --workers 8 --root data`
    """
    chosen = with_arguments(featurizer, arguments(given)) if given else featurizer
    options = {"workers": workers, "cpus_per_worker": cpus_per_worker, "gpus_per_worker": gpus_per_worker}
    report = session.backfill(
        table,
        chosen,
        where=where,
        view=view,
        errors_only=errors_only,
        again=again,
        device=device,
        engine=engine_of(engine, **options, address=address) or "local",
    )
    typer.echo(json.dumps(asdict(report), indent=1) if as_json else str(report))
    if report.num_failed and not report.num_computed:
        raise typer.Exit(1)


@command(app)
def status(
    session: Session,
    table: Annotated[str | None, typer.Argument(help="The table. [default: every table]")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how complete each feature is: rows with a value, an old one, a failure, and rows that were never computed.

    Example: `cutlist status videos --root data`
    """
    found = session.status(table)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=1))
    else:
        plans.show_status(found)


@command(app)
def sheet(
    session: Session,
    query: Query,
    out: Annotated[Path, typer.Argument(help="The picture file to write, e.g. out.png.")],
    samples: Annotated[int, typer.Option(help="How many samples to draw.", min=1, max=400)] = 24,
    as_json: AsJson = False,
) -> None:
    """Draw the first samples of a query into a picture: a contact sheet.

    Example: `cutlist sheet hd hd.png --root data`

    Example: `cutlist sheet "SELECT clip(video, 0, 2) AS frames, caption FROM hd" hd.png --root data`
    """
    count = session.sheet(query, out, num_samples=samples)
    typer.echo(
        json.dumps({"file": str(out), "num_samples": count}) if as_json else f"{out}: {counted(count, 'sample')}"
    )


@command(app)
def plan(
    session: Session,
    query: Query,
    bucket_by: Annotated[str | None, typer.Option(help="A column: each batch has one value in it.")] = None,
    weight_by: Annotated[str | None, typer.Option(help="A column: samples come in proportion to it.")] = None,
    batch_size: Annotated[
        list[str] | None,
        typer.Option(help="Of one rank: 8, or BUCKET=8 for each of them. [default: 1]"),
    ] = None,
    batch_budget: Annotated[
        str | None, typer.Option(help="Instead: COLUMN=NUMBER, how much of a cost a batch may have.")
    ] = None,
    world_size: Annotated[int, typer.Option(help="Number of ranks.", min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Show what an epoch has before training on it: samples, steps and samples left out of each bucket.

    Example: `cutlist plan buckets --bucket-by bucket --root data`

    Example: `cutlist plan hd --bucket-by bucket --batch-budget tokens=65536 --world-size 8 --root data`
    """
    sizes, cost = runs.batch_size(batch_size or []), runs.budget(batch_budget)
    batching = Batching(
        batch_size=1 if sizes is None and cost is None else sizes,
        batch_budget=cost,
        bucket_by=bucket_by,
        weight_by=weight_by,
    )
    plans_of_buckets = session.plan(query, batching, world_size=world_size)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in plans_of_buckets], ensure_ascii=False, indent=1))
    else:
        runs.show_plan(plans_of_buckets, world_size)


@command(app)
def trace(
    session: Session,
    state: Annotated[Path, typer.Option(help="JSON file with a loader's state, of any step of the run.")],
    step: Annotated[
        int | None,
        typer.Option(help="Without --epoch from the start of the run. [default: the next, or 0 of --epoch]", min=0),
    ] = None,
    epoch: Annotated[int | None, typer.Option(help="The epoch, from 0.", min=0)] = None,
    rank: Annotated[int | None, typer.Option(help="Only the samples of this rank.", min=0)] = None,
    world_size: Annotated[int, typer.Option(help="Number of ranks.", min=1)] = 1,
    sheet: Annotated[Path | None, typer.Option(help="A picture file to draw the samples into.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the samples of any step of a run, from any of its checkpoints: where each is stored, and how big it is.

    Example: `cutlist trace --state ckpt.json --root data`

    Example: `cutlist trace --state ckpt.json --step 120431 --rank 3 --world-size 8 --sheet step.png --root data`
    """
    given = runs.load_state(state)
    found = session.trace(given, epoch=epoch, step=step, rank=rank, world_size=world_size, sheet=sheet)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found.draws], ensure_ascii=False, indent=1))
    else:
        runs.show_trace(found)
    if sheet is not None:
        typer.echo(f"{sheet}: {counted(found.num_samples, 'sample')}", err=as_json)


@command(app, files=True)
def shell(session: Session) -> None:
    """Open a shell: SQL with completion, history and pictures, and every command of this list with a dot before it.

    Example: `cutlist shell --root data`
    """
    try:
        from cutlist.shell import Shell  # it needs libraries that not every installation has
    except ImportError as error:
        raise SettingsError(f"the shell needs {error.name}: pip install 'cutlist[shell]'") from error
    known = {name: (function.__doc__ or "").partition(".")[0] for name, function in COMMANDS.items()}
    own = {name: what for name, what in known.items() if name not in ("shell", "list", "show", "drop")}
    history = session.settings.cache_dir.expanduser() / "shell_history"
    history.parent.mkdir(parents=True, exist_ok=True)
    opened = Shell(session, own, run, history=history)
    try:
        opened.run()
    finally:
        opened.close()
    if opened.num_failed and not sys.stdin.isatty():
        raise typer.Exit(1)


def run(session: Session, words: Sequence[str], last: str = "") -> None:
    """Run a command on an open session.

    Args:
        last: The query that it takes if none is among its words.

    Raises:
        CutlistError: as the command does, or if the words are none.
    """
    token, queries = OPEN.set(session), LAST.set(last)
    try:
        if app(list(words), standalone_mode=False, prog_name="cutlist") == INTERRUPTED:
            raise KeyboardInterrupt
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        told = _misused(error)
        if told is None:
            raise
        raise SettingsError(f".{told}") from error
    finally:
        OPEN.reset(token)
        LAST.reset(queries)


def _misused(error: Exception) -> str | None:
    """Return what a usage error of typer, which has no public name, says in one line; None for any other error."""
    context = getattr(error, "ctx", None)
    if not hasattr(error, "format_message"):
        return None
    path = context.command_path if context is not None else "cutlist"
    name = path.partition(" ")[2]
    said = " ".join(error.format_message().split()).rstrip(".").removeprefix("Invalid value: ")
    said = said.replace(": Value error, ", ": ")
    if OPEN.get() is not None:
        return f"{name}: {said}; `.help {name}` has an example" if name else f"{said}; .help lists all"
    return f"{name}: {said}; `{path} --help` has an example" if name else f"{said}; `{path} --help` lists all"


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version of cutlist, and of the libraries that decide what a query means. Needs no root.

    Example: `cutlist version`
    """
    libraries = {name: metadata.version(name) for name in ("duckdb", "pylance", "av", "pillow")}
    if as_json:
        typer.echo(json.dumps({"cutlist": cutlist.__version__, **libraries}))
    else:
        listed = ", ".join(f"{name} {each}" for name, each in libraries.items())
        typer.echo(f"cutlist {cutlist.__version__} ({listed})")


def main() -> None:
    """Run the command line.

    Exit status 0; 1 for an error of a query, a table or media, and a time-out; 2 for words that are no command; 3 for
    what is not there; 130 after Ctrl-C. An error is one message on standard error.
    """
    complain = Console(stderr=True, soft_wrap=True, highlight=False).print

    def warn(message: Warning | str, *_: Any, **__: Any) -> None:
        complain(f"[bold yellow]warning:[/bold yellow] {escaped(redacted(str(message)))}")

    warnings.showwarning = warn
    try:
        if len(sys.argv) < 2:
            sys.argv.append("--help")
        status = app(standalone_mode=False, prog_name="cutlist")
    except typer.Abort:  # asked, and answered no
        complain("nothing is done")
        sys.exit(1)
    except CutlistError as error:
        if State.debug:
            raise
        complain(f"[bold red]error:[/bold red] {escaped(redacted(str(error)))}")
        sys.exit(3 if isinstance(error, NotFoundError) else 1)
    except Exception as error:
        told = _misused(error)
        if told is None:
            raise
        complain(f"[bold red]error:[/bold red] {escaped(told)}")
        sys.exit(2)
    if status == INTERRUPTED and State.timed_out is not None:
        complain(f"[bold red]error:[/bold red] not done after {State.timed_out:g} s (--timeout)")
        sys.exit(1)
    if status == INTERRUPTED:
        complain("interrupted; what was committed before stays")
    sys.exit(status)
