"""The benchmarks run, at a tiny size: their contenders agree, and their results have the fields that are read later.

Nothing is said about speed here; that is what the benchmarks are for.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(program: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{program}.py"), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def results(program: str, folder: Path, *options: str) -> Any:
    file = folder / "results.json"
    run(program, *options, "--data", str(folder), "--rounds", "1", "--json", str(file))
    return json.loads(file.read_text(encoding="utf-8"))["results"]


@pytest.mark.parametrize("program", sorted(each.stem for each in BENCHMARKS.glob("*.py")))
def test_help_has_examples(program: str) -> None:
    module = importlib.import_module(f"benchmarks.{program}")
    assert f"python benchmarks/{program}.py" in CliRunner().invoke(module.app, ["--help"]).output


def test_compile(tmp_path: Path) -> None:
    keys = ("parquet", "clips")
    chosen = [word for key in keys for word in ("--only", key)]
    found = {each["contender"]: each for each in results("compile", tmp_path, "--rows", "2000", "--runs", "2", *chosen)}
    assert list(found) == list(keys)
    assert found["parquet"]["ratio_to_baseline"] == 1
    assert len({each["num_rows"] for each in found.values()}) == 1
    for each in found.values():
        assert 0 < each["num_rows"] < 2000
        assert each["seconds"] > 0


def test_search(tmp_path: Path) -> None:
    options = ["--rows", "2000", "--length", "16", "--queries", "4", "--kind", "IVF_FLAT", "--recall", "1"]
    found = results("search", tmp_path, *options)
    assert {each["searched"] for each in found} == {"all", "a tenth", "a hundredth"}
    assert [each["contender"] for each in found][:5] == [
        "cutlist, no index",
        "Lance, no index",
        "DuckDB, in memory",
        "cutlist, IVF_FLAT",
        "Lance, IVF_FLAT",
    ]
    assert all(each["milliseconds"] > 0 for each in found)
    assert all(each["recall"] > 0.97 for each in found if not each["contender"].startswith("LanceDB"))


def test_loader(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = ["--images", "8", "--clips", "1", "--workers", "0"]
    found = results("loader", tmp_path, *options)
    assert list(found) == ["images", "clips"]
    for several in found.values():
        assert [each["contender"] for each in several] == ["limit", "plain", "loader", "paced"]
        assert several[0]["ratio_to_limit"] == 1
        assert all(each["samples_per_second"] > 0 for each in several)
        assert several[2]["bytes_per_sample"] > 1000


def test_backfill(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = ["--rows", "16", "--layers", "1", "--table-rows", "64", "--media-bytes", "70000", "--no-ray"]
    found = results("backfill", tmp_path, *options)
    assert [each["contender"] for each in found["overhead"]] == ["function", "backfill"]
    assert found["overhead"][0]["ratio"] == 1
    columns = {each["contender"]: each for each in found["columns"]}
    assert columns["backfill"]["media_bytes"] == 0
    assert columns["merge_insert"]["media_bytes"] >= 64 * 70_000
    assert columns["backfill"]["written_ratio"] < columns["merge_insert"]["written_ratio"]
    assert all(each["files_per_second"] > 0 for each in found["ingest"])


def test_order(tmp_path: Path) -> None:
    found = results(
        "order", tmp_path, "--samples", "20001", "--ranks", "4", "--buckets", "3", "--batch", "2", "--parts", "9"
    )
    steps = {each["contender"]: each for each in found["steps"]}
    assert list(steps) == ["plain", "buckets", "weights", "block", "lanes"]
    assert steps["plain"]["ratio_to_baseline"] == 1
    for each in steps.values():
        assert 0 < each["part_seconds"] <= each["part_p99_seconds"]
        assert each["positions_per_second"] > 0
        assert each["traced_bytes"] < 10e6
    assert found["first"][0]["contender"] == "cutlist"
    assert all(each["seconds"] > 0 and each["num_samples"] == 20001 for each in found["first"])
    assert [each["shuffle"] for each in found["shuffles"]][-2:] == ["full", "random"]
    assert all(each["schedule_from_start"] < 1 < each["chance_from_start"] for each in found["mixtures"])


def test_media(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = ["--clips", "2", "--batch", "1", "--height", "144", "--images", "4"]
    found = results("media", tmp_path, *options)
    assert list(found["clips"]) == ["144p, 1 s", "144p, 2 s"]
    for several in found["clips"].values():
        assert [each["contender"] for each in several][:5] == ["limit", "planned", "file", "whole", "pyav"]
        assert several[0]["ratio_to_limit"] == 1
        assert all(each["clips_per_second"] > 0 for each in several)
        assert several[1]["calls_per_step"] <= 2  # packet indexes, and the ranges of packets
    assert [each["contender"] for each in found["images"]] == ["limit", "loader"]
    for each in found.get("remote", ()):  # where there is an object store
        assert each["read_per_needed"] > 1
        assert each["remote_per_second"] > 0


def test_memory(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    said = run("memory", "--samples", "256", "--data", str(tmp_path))
    assert re.search(r"│\s+256 │\s+64 │", said), said


def test_an_unknown_contender_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "compile.py"), "--data", str(tmp_path), "--only", "spark"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "spark; there are parquet" in " ".join(done.stderr.replace("│", " ").split())
