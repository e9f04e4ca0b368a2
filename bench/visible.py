"""Texts of others, made fit to be shown: what would steer a terminal or hide in a page is seen instead."""

from unicodedata import category

_STEERING = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, lone surrogates, and line ends that only some programs obey."""

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of writing, by which a text can look like another."""


def visible(text: str, keep: str = "") -> str:
    """The text with a sign in place of each character that is obeyed rather than seen, such as ␛ for escape.

    A tab becomes a space. Characters in `keep` (say a line end) stay as they are.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(char if char in keep else _sign(char) for char in text)


def _sign(char: str) -> str:
    code = ord(char)
    if char == "\t":
        return " "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if category(char) in _STEERING or char in _BIDI:
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return char


def plural(number: int, noun: str) -> str:
    """A number with its noun: 1 cell, 1,200 cells."""
    ending = "" if number == 1 else "s"
    word = f"{noun[:-1]}ie" if ending and noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun
    return f"{number:,} {word}{ending}"
