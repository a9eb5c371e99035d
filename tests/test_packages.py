"""What each package promises: a complete and sorted `__all__`, and a core that never imports torch."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import cutlist

PACKAGES = ("cutlist", "cutlist_torch", "cutlist_featurizers")
CORE_MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(cutlist.__path__, prefix="cutlist.")
    if not module.name.endswith("__main__")  # importing it runs the program
)


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_complete_and_sorted(name: str) -> None:
    package = importlib.import_module(name)
    public = {
        attribute
        for attribute, value in vars(package).items()
        if not attribute.startswith("_") and not inspect.ismodule(value) and attribute != "annotations"
    }
    promised = {attribute for attribute in package.__all__ if not attribute.startswith("__")}
    assert list(package.__all__) == sorted(package.__all__)
    assert promised == public | {attribute for attribute in promised if inspect.ismodule(getattr(package, attribute))}


def test_core_does_not_import_torch() -> None:
    program = "\n".join(
        [
            "import importlib, sys",
            f"for name in {CORE_MODULES!r}: importlib.import_module(name)",
            "print(*sorted({'torch', 'cutlist_torch', 'cutlist_featurizers'} & set(sys.modules)))",
        ]
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_every_core_module_is_found() -> None:
    assert {"cutlist.errors", "cutlist.media.reference", "cutlist.sampler"} <= set(CORE_MODULES)
