"""Plans and remarks for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from cutlist.answers.explain import Explanation
from cutlist.answers.status import FeatureStatus
from cutlist.cli.rows import escaped
from cutlist.compiler import Remark
from cutlist.values import counted


def show(plan: Explanation) -> None:
    """Print a plan: what is scanned when the query is compiled, what a sample has, what an epoch reads."""
    console = Console(highlight=False)
    scans = Table(
        "table", "version", "rows", "read now, and for", "filters", title="Read to compile", title_justify="left"
    )
    for scan in plan.scans:
        read = "\n".join(f"{name}: {why}" for name, why in scan.columns.items())
        filters = "\n".join(scan.filters)
        scans.add_row(scan.table, str(scan.version), f"{scan.num_rows:,}", escaped(read), escaped(filters))
    console.print(scans)
    columns = Table("column", "type", "read", "what", "bytes an epoch", title="A sample", title_justify="left")
    for column in plan.columns:
        size = decimal(column.epoch_bytes) if column.epoch_bytes else ""
        columns.add_row(column.name, escaped(column.type), column.read, escaped(column.why), size)
    console.print(columns)
    console.print(
        f"{counted(plan.num_samples, 'sample')}; the selection has {decimal(plan.selection_bytes)}; "
        f"an epoch reads {'' if plan.bound == 'exact' else f'{plan.bound} '}{decimal(plan.epoch_bytes)}"
    )
    for warning in plan.warnings:
        console.print(f"[bold yellow]warning:[/bold yellow] {escaped(warning)}", soft_wrap=True)


def show_status(found: Sequence[FeatureStatus]) -> None:
    """Print how complete features are, a row for each featurizer of each table."""
    console = Console(highlight=False)
    if not found:
        console.print("no feature columns; `cutlist backfill TABLE FEATURIZER` makes some")
        return
    for name, group in groupby(found, key=lambda each: f"{each.table}@{each.version}"):
        features = list(group)
        total = features[0].num_rows
        table = Table(
            box=None,
            padding=(0, 2, 0, 0),
            title=f"{name}, {counted(total, 'row')}",
            title_justify="left",
            header_style="bold",
        )
        table.add_column("featurizer, and its columns", overflow="fold")
        for heading in ("filled", "share", "stale", "failed", "never", "bytes"):
            table.add_column(heading, justify="right", no_wrap=True)
        for each in features:
            table.add_row(
                f"{each.featurizer}\n[dim]{', '.join(each.columns)}[/dim]",
                f"{each.num_filled:,}",
                f"{each.num_filled / max(total, 1):.0%}",
                *(
                    f"{count:,}" if count else "[dim]0[/dim]"
                    for count in (each.num_stale, each.num_failed, each.num_never)
                ),
                decimal(each.num_bytes),
            )
        console.print(table)


def show_remarks(remarks: Sequence[Remark], num_checked: int) -> None:
    """Print what the checks had to say, and how many errors and warnings there are."""
    console = Console(highlight=False)
    for each in remarks:
        word = "[bold red]error:[/bold red]" if each.error else "[bold yellow]warning:[/bold yellow]"
        console.print(f"{word} {escaped(str(each))}", soft_wrap=True)
    errors = sum(each.error for each in remarks)
    checked = f"{num_checked} {'query' if num_checked == 1 else 'queries'}"
    console.print(f"{checked}: {counted(errors, 'error')}, {counted(len(remarks) - errors, 'warning')}")
