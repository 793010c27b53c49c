"""B3's record layout as data: where each field of a COTAHIST record lies and what it means.

The reader and the writer are both driven by these tables; neither knows a position.

References
----------
B3, "Layout do arquivo Cotações Históricas" (SeriesHistoricas_Layout).
"""

from dataclasses import dataclass
from typing import Literal

RECORD_LENGTH = 245
"""Characters of every record, without its line end."""

HEADER, QUOTE, TRAILER = "00", "01", "99"
"""Record types: one header, the quotes, one trailer."""

ORIGIN = "BOVESPA"
"""What the header and the trailer name as the origin of the file."""

ENCODING = "latin-1"


@dataclass(frozen=True)
class Field:
    """One field of a record.

    Attributes
    ----------
    name
        Our column name.
    b3_name
        B3's name of the field.
    first, last
        First and last position, counted from 1 as B3 prints them.
    kind
        `text` is left-aligned and padded with blanks; the others are digits padded with zeros,
        a `date` as AAAAMMDD.
    meaning
        What the value says, with its unit.
    decimals
        Of a `decimal`: how many of the digits stand behind the (unwritten) decimal point.
    none
        What B3 writes where there is no value; it is read as missing. Empty: always a value.
    """

    name: str
    b3_name: str
    first: int
    last: int
    kind: Literal["text", "integer", "decimal", "date"]
    meaning: str
    decimals: int = 0
    none: str = ""

    @property
    def width(self) -> int:
        return self.last - self.first + 1

    @property
    def span(self) -> slice:
        """The field's positions as Python counts them."""
        return slice(self.first - 1, self.last)


FIELDS = (
    Field("record_type", "TIPREG", 1, 2, "text", "01: a quote"),
    Field("session", "DATA", 3, 10, "date", "trading day"),
    Field("bdi_code", "CODBDI", 11, 12, "text", "section of B3's bulletin; 02: standard lot"),
    Field("ticker", "CODNEG", 13, 24, "text", "trading code"),
    Field("market_type", "TPMERC", 25, 27, "text", "market, see `MARKET_TYPES`"),
    Field("company", "NOMRES", 28, 39, "text", "short name of the company"),
    Field("specification", "ESPECI", 40, 49, "text", "kind of paper, rights (ED, EJ...), segment"),
    Field(
        "forward_days", "PRAZOT", 50, 52, "integer",
        "term of a forward, in days; missing outside the forward and option markets", none="   ",
    ),
    Field("currency", "MODREF", 53, 56, "text", "currency of the prices"),
    Field("open", "PREABE", 57, 69, "decimal", "first price, R$ per quotation lot", 2),
    Field("high", "PREMAX", 70, 82, "decimal", "highest price, R$ per quotation lot", 2),
    Field("low", "PREMIN", 83, 95, "decimal", "lowest price, R$ per quotation lot", 2),
    Field("average", "PREMED", 96, 108, "decimal", "average price, R$ per quotation lot", 2),
    Field("close", "PREULT", 109, 121, "decimal", "last price, R$ per quotation lot", 2),
    Field("best_bid", "PREOFC", 122, 134, "decimal", "best bid at the close; 0: none", 2),
    Field("best_ask", "PREOFV", 135, 147, "decimal", "best ask at the close; 0: none", 2),
    Field("trades", "TOTNEG", 148, 152, "integer", "number of trades"),
    Field("quantity", "QUATOT", 153, 170, "integer", "papers traded"),
    Field("volume_brl", "VOLTOT", 171, 188, "decimal", "value traded, R$", 2),
    Field("strike_price", "PREEXE", 189, 201, "decimal", "strike of an option; 0: none", 2),
    Field("strike_indexer", "INDOPC", 202, 202, "text", "what corrects the strike; 0: nothing"),
    Field("expiry", "DATVEN", 203, 210, "date", "expiry; missing: none", none="99991231"),
    Field("quotation_factor", "FATCOT", 211, 217, "integer", "papers per quotation lot: 1, 1000"),
    Field(
        "strike_points", "PTOEXE", 218, 230, "decimal",
        "strike in points, of options that refer to the US dollar", 6,
    ),
    Field("isin", "CODISI", 231, 242, "text", "ISIN of the paper"),
    Field("distribution_number", "DISMES", 243, 245, "integer", "one more with each right paid"),
)  # fmt: skip
"""The 26 fields of a quote (record type 01), in file order."""

HEADER_FIELDS = (
    Field("record_type", "TIPO DE REGISTRO", 1, 2, "text", "00"),
    Field("file_name", "NOME DO ARQUIVO", 3, 15, "text", "COTAHIST.AAAA, AAAA the year"),
    Field("origin", "CÓDIGO DA ORIGEM", 16, 23, "text", "BOVESPA"),
    Field("generated_on", "DATA DA GERAÇÃO DO ARQUIVO", 24, 31, "date", "day B3 made the file"),
)
"""The fields of the header; blanks fill the rest."""

TRAILER_FIELDS = (
    Field("record_type", "TIPO DE REGISTRO", 1, 2, "text", "99"),
    *HEADER_FIELDS[1:],
    Field(
        "n_records", "TOTAL DE REGISTROS", 32, 42, "integer",
        "records of the file, header and trailer included",
    ),
)  # fmt: skip
"""The fields of the trailer; blanks fill the rest."""

MARKET_TYPE = next(field for field in FIELDS if field.name == "market_type")
"""The field that tells spot from options, forwards and the rest."""

MARKET_TYPES = {
    "010": "spot, in standard lots",
    "012": "exercise of call options",
    "013": "exercise of put options",
    "017": "auction",
    "020": "spot, fractions of a lot",
    "021": "spot, blocks",
    "030": "forward",
    "050": "future with retention of gains",
    "060": "future with continuous movement",
    "070": "call options",
    "080": "put options",
}
"""What each TPMERC means. B3's layout does not list 021: its file of 2024-11-08 holds three such
records, hundreds of thousands of papers each at one price."""
