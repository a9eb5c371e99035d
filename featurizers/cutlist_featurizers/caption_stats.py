"""Caption statistics: how long a caption is, how much of it repeats, and in which script it is written."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from cutlist.backfill import Batch, Featurizer, made
from cutlist.compiler import quoted
from cutlist_featurizers.rows import each_row

NGRAM = 3
"""Words in the sequences that are looked for again. Data-Juicer has 10, for pages; captions are of 10 to 200 words."""

_ALONE = (  # Scripts without spaces, each character of which counts as a word
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Chinese
)
_MARKS = (  # Inside words, and no letters to Python
    "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670"  # accents; points of Hebrew and Arabic
    "\u0900-\u0963\u0966-\u0dff"  # from Devanagari to Sinhala, but for their full stops
)
_LETTERS = rf"(?:(?![{_ALONE}_])[\w{_MARKS}])+"
_WORD = re.compile(rf"[{_ALONE}]|{_LETTERS}(?:['\u2019-]{_LETTERS})*")


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case: runs of letters and digits, joined by apostrophes and hyphens.

    Chinese, kana, Thai, Lao, Burmese and Khmer have no spaces between words: each character is one here.

    Examples:
        >>> words_of("A 1950s well-known car; it's red_hot.")
        ['a', '1950s', 'well-known', 'car', "it's", 'red', 'hot']
        >>> words_of("一只猫 CAT")
        ['一', '只', '猫', 'cat']
        >>> words_of("हिन्दी में।")
        ['हिन्दी', 'में']
    """
    return _WORD.findall(unicodedata.normalize("NFC", text).casefold())


def repeated_share(words: Sequence[str], length: int = NGRAM) -> float:
    """Return the share of the sequences of words, of one length, that are there more than once; in [0, 1].

    Each place counts: `a b c a b c` has 4 sequences of 3 words, and 2 of them are `a b c`, so it is 1/2. It is 0 for
    texts of fewer words.

    Source: word_repetition_filter of Data-Juicer, github.com/modelscope/data-juicer.

    Examples:
        >>> repeated_share("a b c a b c".split())
        0.5
        >>> repeated_share(["a", "b"])
        0.0
    """
    counts = Counter(tuple(words[start : start + length]) for start in range(len(words) - length + 1))
    return sum(each for each in counts.values() if each > 1) / counts.total() if counts else 0.0


def script_of(text: str) -> str | None:
    """Return the script that most letters of a text are of, as Unicode names it, in lower case; None without letters.

    It is the first word of the names of the letters: `latin`, `cyrillic`, `cjk`, `hiragana`, `arabic`, `devanagari`. Of
    scripts with equally many letters, the first in the alphabet. A guess of the alphabet, not of the language: English
    and Vietnamese are both `latin`.

    Examples:
        >>> script_of("Ein Hund, 1990"), script_of("Собака is a dog"), script_of("42!")
        ('latin', 'cyrillic', None)
    """
    letters = (unicodedata.name(each, "").partition(" ")[0] for each in text if each.isalpha())
    counts = Counter(each.partition("-")[0].lower() for each in letters if each)
    return min(counts, key=lambda script: (-counts[script], script)) if counts else None


class CaptionStats(Featurizer):
    """Measures of texts that filters of captions are made of, without a model.

    Named after the column, here `caption`:

    - `caption_num_words`: `len(words_of(text))`.
    - `caption_num_chars`: code points, white space at both ends left out.
    - `caption_distinct_share`: distinct words / words, the type-token ratio; in (0, 1], NULL without words. It falls
      with the length of a text, so a threshold holds for one length.
    - `caption_repeated_share`: see `repeated_share`.
    - `caption_script`: see `script_of`.
    """

    name = "caption_stats"
    batch_size = 1024

    def __init__(self, column: str = "caption"):
        """Make one.

        Args:
            column: Of texts; its columns are named after it, and so is the featurizer: `prompt_stats` of `prompt`.
        """
        self.column = column
        self.name = f"{column.lower()}_stats"
        self.inputs = f"{quoted(column)} AS text"
        self.outputs = tuple(
            pa.field(f"{column.lower()}_{name}", kind)
            for name, kind in (
                ("num_words", pa.int32()),
                ("num_chars", pa.int32()),
                ("distinct_share", pa.float32()),
                ("repeated_share", pa.float32()),
                ("script", pa.string()),
            )
        )

    @property
    def parameters(self) -> dict[str, str]:
        """The column."""
        return {"column": self.column}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> CaptionStats:
        """Return the one with those parameters."""
        return made(cls, parameters)

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        """Return the measures of each text; one that is no text fails."""
        return each_row(self._of_row, batch["text"], self.outputs)

    def _of_row(self, text: Any) -> dict[str, Any]:
        if not isinstance(text, str):
            raise TypeError(f"{self.name}: {self.column} has a {type(text).__name__}; expected text")
        words = words_of(text)
        values = (
            len(words),
            len(text.strip()),
            len(set(words)) / len(words) if words else None,
            repeated_share(words),
            script_of(text),
        )
        return dict(zip((each.name for each in self.outputs), values, strict=True))
