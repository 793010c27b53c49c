"""A company's papers: which code of B3 an ISIN or a kind of paper stands for.

An ISIN of B3 is BR, four characters of the issuer, three of the asset (ACN shares, CDA and UNT
units, CTF quotas of a fund; A01, A02... shares of an issue with rights of its own for a while),
two of the class where it has one (OR common, PR preferred, PA to PD preferred of class A to D)
and a check digit. A company's ISINs change, the class stays.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.listed_answers import Answer

_DIGITS = {
    "ON": "3", "PN": "4", "PNA": "5", "PNB": "6", "PNC": "7", "PND": "8", "UNT": "11", "CI": "11",
}  # fmt: skip
"""The end of a code by the kind of paper, as B3 gives codes."""

_CLASS_LETTERS = {"OR": "ON", "PR": "PN", "PA": "PNA", "PB": "PNB", "PC": "PNC", "PD": "PND"}
_ASSETS = {"CDA": "UNT", "UNT": "UNT", "CTF": "CI"}


@dataclass(frozen=True)
class Papers:
    """Today's codes of a company, by ISIN and by kind of paper (ON, PN, PNA, UNT, CI...)."""

    issuer: str
    by_isin: dict[str, str]
    by_kind: dict[str, str]

    @classmethod
    def of(cls, path: Path, issuer: str, details: list[Answer]) -> "Papers":
        """From the company's details; `path` is their file.

        Raises
        ------
        MarketFileError
            If two codes claim the same ISIN or the same kind of paper.
        """
        by_isin, by_kind = defaultdict(set), defaultdict(set)
        for answer in details:
            for paper in answer.rows("otherCodes") or [answer]:
                code, isin = paper.text("code").upper(), paper.text("isin").upper()
                if not code:
                    continue
                kind = _kind_of_isin(isin) if isin else _kind_of_code(code)
                by_isin[isin, kind].add(code)
                by_kind[kind].add(code)
        return cls(
            issuer,
            {isin: _only(path, isin, kind, own) for (isin, kind), own in by_isin.items() if isin},
            {kind: _only(path, kind, kind, own) for kind, own in by_kind.items() if kind},
        )

    def code_of_isin(self, isin: str) -> str:
        """The code of the very paper, else of its class; of a paper of no class, its ISIN."""
        isin = isin.upper()
        return self.by_isin.get(isin) or self._code_of_class(_kind_of_isin(isin)) or isin

    def code_of_type(self, type_stock: str) -> str:
        """The code of the kind of paper; of a kind without codes, the issuer and the kind."""
        kind = type_stock.upper().split()[0] if type_stock else ""
        return self._code_of_class(kind) or f"{self.issuer} {type_stock}".strip()

    def _code_of_class(self, kind: str) -> str:
        """Today's code, or the one that the class had before its shares were converted."""
        if kind not in _DIGITS:
            return ""
        return self.by_kind.get(kind) or self.issuer + _DIGITS[kind]


def _kind_of_isin(isin: str) -> str:
    if isin[6:7] == "A":
        return _CLASS_LETTERS.get(isin[9:11], "")
    return _ASSETS.get(isin[6:9], "")


def _kind_of_code(code: str) -> str:
    return next((kind for kind, digits in _DIGITS.items() if code[4:] == digits), "")


def _only(path: Path, paper: str, kind: str, codes: set[str]) -> str:
    """The one code of a paper; of AZUL4, AZUL54 and AZUL4F the one that ends as its kind does."""
    regular = {code for code in codes if code[4:] == _DIGITS.get(kind)}
    told = regular if len(codes) > 1 else codes
    if len(told) != 1:
        raise MarketFileError(
            f"{path}: one code was expected for {paper}, found {', '.join(sorted(codes))}; correct"
            " otherCodes"
        )
    return next(iter(told))
