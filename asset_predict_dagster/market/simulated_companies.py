"""The papers of the simulated market: who is listed, since when, and how each one behaves.

Facts as data. The names are invented and look it: every ticker starts with ZZ, which no paper
of B3 does, and every company is called SIMULADA. The magnitudes are those of B3's liquid list
in 2018-2024: 1.2 % to 2.8 % of daily volatility of its own for a share, below 1 % for a
real-estate fund, R$ 1 million to R$ 900 million traded a session, yields of 0 % to 10 % a year.

A paper's row is its place in the random draws of every session (`simulated_prices`). Add new
papers at the end and never move or remove one: the history of the others stays as it is.
"""

from dataclasses import dataclass
from datetime import date

FIRST_SESSION = date(2018, 1, 2)
"""Where the simulated history starts: B3's first session of 2018."""

_DIGITS = {"ON": "3", "PN": "4", "UNT": "11", "CI": "11"}
_ISIN_KINDS = {"ON": "ACNOR", "PN": "ACNPR", "UNT": "CDAM1", "CI": "CTF00"}


@dataclass(frozen=True)
class Paper:
    """One listed paper.

    Attributes
    ----------
    letters, company, kind, segment
        `AA`, 1, `ON` and `NM` make ticker ZZAA3 of company SIMULADA 01, an ordinary share of
        the Novo Mercado. Kinds: ON, PN, UNT, and CI for the quotas of a real-estate fund.
    price_brl
        Price of one share at its first trade.
    beta
        Its return per unit of the market factor.
    volatility
        Long-run daily standard deviation of its own part of the return.
    value_brl_millions
        Typical traded value of a session, R$ million.
    cash_flag, dividend_months, dividend_yield
        The mark of ESPECI on its cash ex-dates (ED dividend, EJ interest on capital, ER fund
        income), the months of these, and what they pay together in a year, over the price.
    listed_on, delisted_on
        First and last day on which it can trade; None where the history has no such end.
    traded_fraction
        Probability that it trades in a session, halts apart; below 1 for illiquid papers.
    quotation_factor
        Shares per quoted price at its first trade: 1 or 1,000.
    """

    letters: str
    company: int
    kind: str
    segment: str
    price_brl: float
    beta: float
    volatility: float
    value_brl_millions: float
    cash_flag: str
    dividend_months: tuple[int, ...]
    dividend_yield: float
    listed_on: date = FIRST_SESSION
    delisted_on: date | None = None
    traded_fraction: float = 1.0
    quotation_factor: int = 1

    @property
    def ticker(self) -> str:
        """Four letters and B3's digit of the kind.

        >>> PAPERS[0].ticker
        'ZZAA3'
        """
        return f"ZZ{self.letters}{_DIGITS[self.kind]}"

    @property
    def company_name(self) -> str:
        """Field NOMRES, at most twelve characters."""
        return f"{'FII SIMUL' if self.kind == 'CI' else 'SIMULADA'} {self.company:02d}"

    @property
    def isin(self) -> str:
        """Field CODISI, with its check digit.

        >>> PAPERS[0].isin
        'BRZZAAACNOR9'
        """
        body = f"BRZZ{self.letters}{_ISIN_KINDS[self.kind]}"
        return body + str(_luhn_digit("".join(str(int(char, 36)) for char in body)))

    @property
    def dividend_day(self) -> int:
        """Day of the month from which a cash ex-date falls on the next trade."""
        return 3 + 5 * self.company % 23


@dataclass(frozen=True)
class ScheduledAction:
    """A share event of the history, on the first trade of `ticker` from `not_before` on.

    `factor` is shares after over shares before: 2.0 splits one into two, 0.1 groups ten into
    one, 1.03 is a bonus of 3 %. Where `quotation_factor` is given, quotes change to it.
    """

    ticker: str
    not_before: date
    kind: str
    factor: float
    quotation_factor: int | None = None


def _luhn_digit(digits: str) -> int:
    """ISIN's check digit (ISO 6166): Luhn's, over letters already written as numbers."""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return -sum(value // 10 + value % 10 for value in doubled) % 10


_NEVER: tuple[int, ...] = ()
_QUARTERLY = (3, 6, 9, 12)
_MONTHLY = tuple(range(1, 13))

PAPERS = (
    Paper("AA", 1, "ON", "NM", 41.00, 1.05, 0.0150, 900.0, "ED", (4, 8, 12), 0.050),
    Paper("AB", 1, "PN", "N2", 37.50, 1.10, 0.0155, 650.0, "EJ", _QUARTERLY, 0.055),
    Paper("AC", 2, "ON", "NM", 62.00, 0.95, 0.0140, 480.0, "ED", (4, 11), 0.030),
    Paper("AD", 3, "PN", "N1", 24.30, 1.15, 0.0160, 420.0, "EJ", _MONTHLY, 0.045),
    Paper("AE", 4, "ON", "NM", 18.70, 0.80, 0.0125, 310.0, "EJ", (3, 9), 0.040),
    Paper("AF", 5, "UNT", "N2", 29.90, 0.75, 0.0130, 190.0, "ED", (5, 12), 0.060),
    Paper("AG", 6, "ON", "NM", 12.40, 1.35, 0.0240, 260.0, "ED", _NEVER, 0.0),
    Paper("AH", 7, "ON", "", 55.10, 0.60, 0.0135, 45.0, "ED", (4,), 0.025),
    Paper("AI", 8, "ON", "NM", 88.00, 1.00, 0.0165, 150.0, "EJ", (6, 12), 0.020),
    Paper("AJ", 9, "PN", "N1", 33.60, 0.90, 0.0150, 120.0, "EJ", _QUARTERLY, 0.065),
    Paper("AK", 10, "ON", "NM", 16.80, 1.20, 0.0200, 85.0, "ED", (5,), 0.015),
    Paper("AL", 11, "ON", "NM", 47.20, 0.70, 0.0130, 75.0, "ED", (4, 10), 0.045),
    Paper("AM", 11, "PN", "N1", 44.00, 0.70, 0.0140, 22.0, "ED", (4, 10), 0.050),
    Paper("AN", 12, "ON", "NM", 9.60, 1.40, 0.0260, 130.0, "ED", _NEVER, 0.0),
    Paper("AO", 13, "ON", "NM", 73.50, 0.85, 0.0145, 64.0, "EJ", (3, 6, 9, 12), 0.030),
    Paper("AP", 14, "UNT", "N2", 26.00, 0.65, 0.0120, 88.0, "ED", (4, 8, 12), 0.080),
    Paper("AQ", 15, "ON", "NM", 21.70, 1.10, 0.0185, 57.0, "ED", (5,), 0.020),
    Paper("AR", 16, "PN", "", 14.20, 1.05, 0.0210, 18.0, "ED", (4,), 0.030),
    Paper("AS", 17, "ON", "NM", 31.30, 0.95, 0.0170, 39.0, "ED", (5, 11), 0.035),
    Paper("AT", 18, "ON", "MA", 19.40, 1.00, 0.0195, 9.0, "ED", _NEVER, 0.0),
    Paper("AU", 19, "ON", "NM", 66.60, 0.75, 0.0140, 51.0, "EJ", (6, 12), 0.035),
    Paper("AV", 20, "PN", "N1", 11.90, 1.25, 0.0220, 95.0, "ED", (4, 8), 0.060),
    Paper("AW", 21, "ON", "NM", 38.80, 0.90, 0.0155, 33.0, "ED", (5,), 0.025),
    Paper("AX", 22, "ON", "NM", 27.10, 1.15, 0.0190, 27.0, "ED", (4, 12), 0.020),
    Paper("AY", 23, "ON", "N1", 52.40, 0.55, 0.0120, 15.0, "ED", (4, 10), 0.070),
    Paper("AZ", 24, "PN", "", 0.0420, 1.10, 0.0180, 12.0, "ED", (5,), 0.020,
          quotation_factor=1000),
    Paper("BA", 25, "ON", "NM", 6.40, 1.30, 0.0230, 70.0, "ED", _NEVER, 0.0),
    Paper("BB", 26, "ON", "NM", 43.90, 0.85, 0.0150, 20.0, "EJ", (3, 9), 0.040),
    Paper("BC", 27, "UNT", "", 34.70, 0.80, 0.0145, 11.0, "ED", (5, 11), 0.045),
    Paper("BD", 28, "PN", "N2", 22.20, 1.00, 0.0175, 14.0, "ED", (4,), 0.040),
    # Illiquid papers: many sessions without a trade, wide spreads.
    Paper("BE", 29, "ON", "", 28.00, 0.40, 0.0170, 0.12, "ED", (5,), 0.030,
          traded_fraction=0.55),
    Paper("BF", 30, "PN", "", 17.30, 0.50, 0.0200, 0.25, "ED", (4, 12), 0.050,
          traded_fraction=0.70),
    Paper("BG", 31, "ON", "MB", 59.00, 0.35, 0.0150, 0.60, "ED", (5,), 0.020,
          traded_fraction=0.90),
    # Real-estate funds.
    Paper("BH", 32, "CI", "", 104.00, 0.25, 0.0080, 6.0, "ER", _MONTHLY, 0.085),
    Paper("BI", 33, "CI", "", 97.50, 0.30, 0.0090, 3.5, "ER", _MONTHLY, 0.090),
    Paper("BJ", 34, "CI", "", 121.00, 0.20, 0.0075, 2.0, "ER", _MONTHLY, 0.080),
    Paper("BK", 35, "CI", "MB", 88.00, 0.25, 0.0095, 0.9, "ER", _MONTHLY, 0.100,
          traded_fraction=0.95),
    # Papers that leave, and papers that arrive.
    Paper("BL", 36, "ON", "NM", 23.80, 1.05, 0.0200, 25.0, "ED", (5,), 0.020,
          delisted_on=date(2019, 11, 14)),
    Paper("BM", 37, "PN", "N1", 13.60, 1.10, 0.0210, 16.0, "ED", (4,), 0.030,
          delisted_on=date(2022, 8, 19)),
    Paper("BN", 38, "ON", "NM", 32.50, 0.95, 0.0180, 30.0, "ED", (5, 11), 0.030,
          listed_on=date(2018, 10, 25), delisted_on=date(2024, 5, 31)),
    Paper("BO", 39, "ON", "NM", 20.00, 1.20, 0.0230, 60.0, "ED", _NEVER, 0.0,
          listed_on=date(2019, 6, 12)),
    Paper("BP", 40, "ON", "NM", 25.00, 1.15, 0.0240, 40.0, "ED", (5,), 0.010,
          listed_on=date(2020, 10, 8)),
    Paper("BQ", 41, "CI", "", 100.00, 0.25, 0.0085, 4.0, "ER", _MONTHLY, 0.095,
          listed_on=date(2021, 3, 17)),
    Paper("BR", 42, "ON", "NM", 17.00, 1.10, 0.0220, 35.0, "ED", (5,), 0.015,
          listed_on=date(2021, 7, 21)),
    Paper("BS", 43, "UNT", "N2", 30.00, 0.90, 0.0170, 45.0, "ED", (5, 12), 0.040,
          listed_on=date(2024, 2, 7)),
)  # fmt: skip
"""Every paper, in the order of its random draws."""

SCHEDULED_ACTIONS = (
    ScheduledAction("ZZAC3", date(2018, 9, 17), "split", 2.0),
    ScheduledAction("ZZAL3", date(2019, 4, 22), "bonus", 1.10),
    ScheduledAction("ZZAM4", date(2019, 4, 22), "bonus", 1.10),
    ScheduledAction("ZZAI3", date(2019, 9, 2), "split", 3.0),
    ScheduledAction("ZZAD4", date(2020, 4, 13), "bonus", 1.10),
    ScheduledAction("ZZAZ4", date(2020, 8, 17), "grouping", 0.001, quotation_factor=1),
    ScheduledAction("ZZAO3", date(2021, 5, 10), "split", 4.0),
    ScheduledAction("ZZBA3", date(2021, 11, 8), "grouping", 0.1),
    ScheduledAction("ZZAD4", date(2022, 4, 18), "bonus", 1.10),
    ScheduledAction("ZZAY3", date(2023, 3, 27), "bonus", 1.03),
    ScheduledAction("ZZAU3", date(2024, 10, 14), "split", 2.0),
    ScheduledAction("ZZAB4", date(2025, 3, 17), "bonus", 1.05),
    ScheduledAction("ZZAS3", date(2026, 2, 9), "split", 2.0),
)
"""Share events known beforehand; others follow from prices grown too low or too high."""
