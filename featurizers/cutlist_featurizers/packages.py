"""The packages of the extra `features`, imported when a model is first needed: they take seconds."""

from __future__ import annotations

import importlib
import sys
import warnings
from functools import cache
from typing import Any

from cutlist.errors import FeaturizerError

_NEED_TORCHVISION = ("open_clip", "transformers", "sentence_transformers")


def imported(name: str, title: str) -> Any:
    """Return a package.

    Args:
        title: Of the featurizer that needs it, for the error.

    Raises:
        FeaturizerError: if it is not installed.
    """
    try:
        if name in _NEED_TORCHVISION:
            _usable_torchvision()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "IProgress not found")  # tqdm's, of bars that are not shown
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise FeaturizerError(
            f"featurizer {title}: needs {error.name}, which is not installed; type: pip install 'cutlist[features]'"
        ) from error


@cache
def _usable_torchvision() -> Any:
    """Import torchvision, also one that was built for CUDA beside a torch that was not; return what must be kept.

    Package indexes have torchvision for CUDA alone. Beside a torch for the CPU its own library does not load, and the
    import ends as two operators that the library has are not declared. Nothing here calls them: declared without a
    body, they leave the transforms and models as they are.
    """
    torch: Any = importlib.import_module("torch")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    for each in [each for each in sys.modules if each.partition(".")[0] == "torchvision"]:
        del sys.modules[each]
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    importlib.import_module("torchvision")
    return library
