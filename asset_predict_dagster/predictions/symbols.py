"""Symbols: B3's codes as people type them, and the codes that look like one that is not there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_LENGTH = 20
"""Letters of a symbol that are read at all; B3's codes have up to seven."""

_SUFFIX = ".SA"
_ROOT = 4
"""Letters of a code that stand for the company: PETR3 and PETR4 are papers of one."""


def normalised(typed: str) -> str:
    """B3's code of what was typed: upper case, without spaces around it or Yahoo's suffix.

    What is no code stays what it is, and is then not found: nothing is done with a symbol but to
    look it up.

    >>> [normalised(typed) for typed in ("PETR4", " petr4 ", "PETR4.SA", "petr4.sa")]
    ['PETR4', 'PETR4', 'PETR4', 'PETR4']
    """
    code = typed.upper().strip()
    while code.endswith(_SUFFIX):
        code = code.removesuffix(_SUFFIX).strip()
    return code


@dataclass(frozen=True)
class NearNames:
    """The codes there are, found by what is nearly one of them.

    Looking one up costs some dozen look-ups in a dictionary, however many codes there are: a
    request full of unknown symbols is answered at once.
    """

    by_root: Mapping[str, tuple[str, ...]]
    by_shortened: Mapping[str, tuple[str, ...]]
    by_word: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, companies: Mapping[str, str]) -> "NearNames":
        """Of ticker → company."""
        roots: dict[str, list[str]] = {}
        shortened: dict[str, list[str]] = {}
        words: dict[str, list[str]] = {}
        for ticker in sorted(companies):
            roots.setdefault(ticker[:_ROOT], []).append(ticker)
            for short in _shortened(ticker):
                shortened.setdefault(short, []).append(ticker)
            for word in companies[ticker].upper().split():
                words.setdefault(word, []).append(ticker)
        return cls(
            *({key: tuple(t) for key, t in index.items()} for index in (roots, shortened, words))
        )

    def near(self, symbol: str, n: int = 5) -> list[str]:
        """Up to n codes: other papers of the company, then codes one slip of the keyboard away,
        then those of a company of that name.

        >>> names = NearNames.of({"PETR3": "PETROBRAS", "PETR4": "PETROBRAS", "VALE3": "VALE"})
        >>> names.near("PETR5"), names.near("VLAE3"), names.near("petrobras", n=1)
        (['PETR3', 'PETR4'], ['VALE3'], ['PETR3'])
        """
        code = normalised(symbol[:MAX_LENGTH])
        found: dict[str, None] = dict.fromkeys(self.by_root.get(code[:_ROOT], ()))
        for short in _shortened(code):
            found |= dict.fromkeys(self.by_shortened.get(short, ()))
        found |= dict.fromkeys(self.by_word.get(code, ()))
        found.pop(code, None)
        return list(found)[:n]


def _shortened(code: str) -> Iterable[str]:
    """The code itself, and without one of its letters: two that share one differ by a slip."""
    # In an order of its own: that of a set differs from process to process.
    return dict.fromkeys((code, *(code[:at] + code[at + 1 :] for at in range(len(code)))))
