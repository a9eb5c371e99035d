"""What ingest is given: files, folders and shards, on this machine or in an object store."""

from cutlist.sources.columns import Columns
from cutlist.sources.files import MediaFile, Sample, Span
from cutlist.sources.find import Found, find
from cutlist.sources.shards import FIELDS

__all__ = ["FIELDS", "Columns", "Found", "MediaFile", "Sample", "Span", "find"]
