"""Filters: a small expression, or the syntax of the server, checked before it is sent.

The server can drop a filter silently, and return all rows: see docs/servers/lccserver.rst,
"A filter can be dropped silently". So the filter that is sent is written from the parsed
expression, and the one that the server ran is compared with it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lccserver.columns import Description, described_column
from atlasquery.service.inputs import suggest

__all__ = ["Filter", "parse_filter"]

LONGEST = 1000
# The operators of the server, by all forms of a comparison.
WORDS = {
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "=": "eq", "==": "eq", "!=": "ne", "<>": "ne",
    "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "eq": "eq", "ne": "ne", "ct": "ct",
    "contains": "ct", "like": "ct",
}  # fmt: skip
RUN = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=", "ne": "!=", "ct": "like"}
FLIPPED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}
JOINED = {"&": "and", "&&": "and", "and": "and", "|": "or", "||": "or", "or": "or"}
NEGATED = ("not", "~", "!")
# With one of these in a filter, even in a string, the server takes it for an attack, and finds
# nothing.
FORBIDDEN = (
    "--", "||", "drop", "delete", "update", "insert", "alter", "create", "pragma", "attach",
    "analyze", "cascade", "commit", "conflict", "autoincrement", "database", "detach", "index",
    "glob", "exclusive", "into", "recursive", "rename", "begin", "rollback", "savepoint",
    "trigger", "vacuum", "view", "virtual",
)  # fmt: skip
TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
    |(?P<text>'[^']*'|"[^"]*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign><=|>=|<>|!=|==|&&|\|\||[<>=&|~!()])
    |(?P<end>$)
    )""",
    re.X,
)
NULLS = ("isnull", "notnull")


@dataclass(frozen=True)
class Filter:
    """A filter as it is sent, and as the server should have run it.

    Parameters
    ----------
    sent : str
        In the server's syntax.
    ran : str
        In SQL.
    columns : tuple of str
        The columns in it.
    """

    sent: str
    ran: str
    columns: tuple[str, ...] = ()


def parse_filter(text: object, available: Mapping[str, Description]) -> Filter | None:
    """Return a filter that the server runs as it is meant.

    Parameters
    ----------
    text : str or None
        Such as ``"sdssr < 13 & propermotion > 50"``, ``"10 <= sdssr < 12 | objecttags ct
        'eclipsing'"``, ``"sdssg notnull"`` or ``"(sdssr lt 13) and (propermotion gt 50)"``.
    available : mapping of str to Description
        The columns that the collections have.

    Returns
    -------
    Filter or None
        None for None.

    Raises
    ------
    InvalidQueryError
        If it cannot be read, or the server would not run it as it is meant.
    """
    if text is None:
        return None
    if not isinstance(text, str) or not text.strip():
        raise InvalidQueryError(
            f"filters={text!r:.100} should be an expression, such as 'sdssr < 13 & "
            "propermotion > 50'"
        )
    reader = _FilterParser(text, available)
    sent, ran = reader.expression()
    # The wildcards of "ct" do not count: the server adds them later.
    if len(sent) > LONGEST:
        raise InvalidQueryError(
            f"filters has {len(sent)} characters in the syntax of the server, which cuts it at "
            f"{LONGEST}: shorten it, or search several times"
        )
    for word in FORBIDDEN:
        if word in sent:
            raise InvalidQueryError(
                f"filters={text!r:.200} has {word!r} in it, with which the server runs no filter: "
                "take it out, and cut the result instead"
            )
    return Filter(sent, ran, tuple(dict.fromkeys(reader.used)))


@dataclass
class _FilterToken:
    kind: str
    text: str
    start: int


class _FilterParser:
    """Parses an expression; each method returns the text that is sent, and the SQL that is run."""

    def __init__(self, text: str, available: Mapping[str, Description]):
        self.text = text
        self.available = available
        self.used: list[str] = []
        self.tokens = list(self._tokens())
        self.next = 0

    def _tokens(self) -> Iterator[_FilterToken]:
        start = 0
        while True:
            found = TOKEN.match(self.text, start)
            if found is None or (kind := found.lastgroup) is None:
                self.refuse("cannot be read", start)
            yield _FilterToken(kind, found[kind], found.start(kind))
            if kind == "end":
                return
            start = found.end()

    def refuse(self, why: str, start: int) -> NoReturn:
        rest = self.text[start:].strip()
        where = f" at {rest[:30]!r}" if rest else " at its end"
        raise InvalidQueryError(
            f"filters={self.text!r:.200} {why}{where}. Compare columns with numbers or strings in "
            "quotes by < <= > >= == != or ct (contains), or ask for isnull or notnull; join by & "
            "and |, with parentheses"
        )

    @property
    def token(self) -> _FilterToken:
        return self.tokens[self.next]

    def take(self) -> _FilterToken:
        self.next += 1
        return self.tokens[self.next - 1]

    def expression(self) -> tuple[str, str]:
        sent_and_ran = self.joined("or", lambda: self.joined("and", self.single))
        if self.token.kind != "end":
            self.refuse("has something that does not belong there", self.token.start)
        return sent_and_ran

    def joined(self, word: str, part: Callable) -> tuple[str, str]:
        parts = [part()]
        while JOINED.get(self.token.text.lower()) == word and self.token.kind != "text":
            self.take()
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        sent, ran = (f" {word} ".join(side) for side in zip(*parts, strict=True))
        # Each part has its parentheses; an "or" gets a pair, as it may be a part itself.
        return (f"({sent})", f"({ran})") if word == "or" else (sent, ran)

    def single(self) -> tuple[str, str]:
        token = self.token
        if token.kind != "text" and token.text.lower() in NEGATED:
            self.take()
            sent, ran = self.single()
            return f"not ({sent})", f"not ({ran})"
        if token.text == "(" and token.kind == "sign":
            self.take()
            sent, ran = self.joined("or", lambda: self.joined("and", self.single))
            if self.token.text != ")":
                self.refuse("has a parenthesis that is not closed", token.start)
            self.take()
            return f"({sent})", f"({ran})"
        return self.comparison()

    def comparison(self) -> tuple[str, str]:
        left = self.operand()
        parts = []
        word = self.token.text.lower()
        if left.kind == "word" and word in ("is", *NULLS):
            return self.null(left)
        if left.kind == "word" and word == "between":
            return self.between(left)
        while self.token.kind in ("sign", "word") and self.token.text.lower() in WORDS:
            sign = WORDS[self.take().text.lower()]
            right = self.operand()
            parts.append(self.compared(left, sign, right))
            left = right
        if not parts:
            self.refuse("has no comparison", self.token.start)
        sent, ran = (" and ".join(side) for side in zip(*parts, strict=True))
        return sent, ran

    def operand(self) -> _FilterToken:
        token = self.take()
        if token.kind not in ("number", "text", "word"):
            self.next -= 1
            self.refuse("has no column or value", token.start)
        if token.kind == "word":
            self.column(token)
        return token

    def column(self, token: _FilterToken) -> str:
        name = "decl" if token.text == "dec" and "dec" not in self.available else token.text
        if name not in self.available:
            if self.token.text == "(":
                self.refuse("has a function, which the server does not take", token.start)
            raise InvalidQueryError(
                f"filters={self.text!r:.200} names {token.text!r}, which is not a column of all "
                f"the collections searched{suggest(token.text, self.available)}. If it is a "
                f"string, put it in quotes: '{token.text}'"
            )
        self.used.append(name)
        return name

    def null(self, left: _FilterToken) -> tuple[str, str]:
        words = [self.take().text.lower()]
        if words == ["is"]:
            while self.token.text.lower() in ("not", "null") and words[-1] != "null":
                words.append(self.take().text.lower())
        test = {
            ("isnull",): "isnull", ("notnull",): "notnull", ("is", "null"): "isnull",
            ("is", "not", "null"): "notnull",
        }.get(tuple(words))  # fmt: skip
        if test is None:
            self.refuse("should say 'isnull' or 'notnull'", left.start)
        condition = f"({self.column(left)} {test})"
        return condition, condition

    def between(self, left: _FilterToken) -> tuple[str, str]:
        self.take()
        low = self.operand()
        if self.take().text.lower() not in ("and", "&"):
            self.refuse("should say 'between ... and ...'", left.start)
        high = self.operand()
        parts = self.compared(left, "ge", low), self.compared(left, "le", high)
        sent, ran = (" and ".join(side) for side in zip(*parts, strict=True))
        return f"({sent})", f"({ran})"

    def compared(self, left: _FilterToken, sign: str, right: _FilterToken) -> tuple[str, str]:
        if left.kind != "word" and right.kind == "word":
            if sign not in FLIPPED:
                self.refuse("has its column on the wrong side", left.start)
            left, sign, right = right, FLIPPED[sign], left
        if left.kind != "word":
            self.refuse("compares two values, and no column", left.start)
        name = self.column(left)
        textual = self.textual(name)
        if right.kind == "word":
            other = self.column(right)
            if sign == "ct" or textual != self.textual(other):
                self.refuse(f"compares {name} with a column of another type", right.start)
            return f"({name} {sign} {other})", f"({name} {RUN[sign]} {other})"
        if right.kind == "number":
            if textual:
                self.refuse(f"compares {name}, which holds strings, with a number", right.start)
            return f"({name} {sign} {right.text})", f"({name} {RUN[sign]} {right.text})"
        if textual is False:
            self.refuse(f"compares {name}, which holds numbers, with a string", right.start)
        value = self.value(right, sign)
        mark = "%" if sign == "ct" else ""
        return f"({name} {sign} '{value}')", f"({name} {RUN[sign]} '{mark}{value}{mark}')"

    def textual(self, name: str) -> bool | None:
        column = described_column(name, self.available[name])
        return None if column is None else column.kind is str

    def value(self, token: _FilterToken, sign: str) -> str:
        value = token.text[1:-1]
        wrong = re.search(r"""[\s'"&<>()%;\\]""", value) or re.search(r"[^ -~]", value)
        if not value:
            self.refuse("has an empty string: use isnull", token.start)
        if wrong:
            hint = (
                f", and only a part without it can be looked for with ct: '{value.split()[0]}'"
                if value.split() and wrong[0].isspace()
                else ""
            )
            self.refuse(
                f"has a string with {wrong[0]!r}, which the server does not take{hint}; see "
                "query_text too, or cut the result;", token.start
            )  # fmt: skip
        if sign == "ct" and "_" in value:
            part = max(value.split("_"), key=len)
            hint = f": look for {part!r}, and cut the result" if part else ""
            self.refuse(
                f"has a string with '_', which the server takes for any character{hint};",
                token.start,
            )
        return value
