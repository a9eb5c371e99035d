"""Results, tables, training sets and reports as HTML that stands alone: what notebooks show.

| file | what is in it |
|---|---|
| `page` | a table of columns and rows; escaping |
| `cells` | a value in a cell |
| `media` | a picture, a clip or a sound in a cell |
| `spread` | the bars above a column |
| `result` | the result of a query |
| `objects` | tables, training sets and reports |
"""

from cutlist.html.cells import cell
from cutlist.html.objects import overview
from cutlist.html.page import Head, page
from cutlist.html.result import Result, cells, read_result
from cutlist.html.spread import kind_of, spread_of

__all__ = ["Head", "Result", "cell", "cells", "kind_of", "overview", "page", "read_result", "spread_of"]
