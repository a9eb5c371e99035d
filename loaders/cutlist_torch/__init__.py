"""cutlist's PyTorch loader: `Loader("SELECT clip(video, 0, 2) AS frames, caption FROM hd", batch_size=8)`."""

from cutlist.order import Component
from cutlist.sampler import Block
from cutlist_torch.batch import Batch
from cutlist_torch.loader import Loader

__all__ = ["Batch", "Block", "Component", "Loader"]
