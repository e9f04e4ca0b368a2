"""Texts of others, made fit to be shown: what would steer a terminal or hide in a page is seen instead."""

import re

STEERING = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]"
)
"""Control characters, line ends that only some programs obey, lone surrogates, and marks that turn the direction of
writing, by which a text can look like another."""


def visible(text: str, keep: str = "") -> str:
    """The text with a sign in place of each character that is obeyed rather than seen, such as ␛ for escape.

    A tab becomes a space. Characters in `keep` (say a line end) stay as they are.
    """
    if text.isprintable() and text.isascii():
        return text
    return STEERING.sub(lambda char: char[0] if char[0] in keep else _sign(char[0]), text)


def _sign(char: str) -> str:
    code = ord(char)
    if char == "\t":
        return " "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def plural(number: int, noun: str) -> str:
    """A number with its noun: 1 cell, 1,200 cells."""
    ending = "" if number == 1 else "s"
    word = f"{noun[:-1]}ie" if ending and noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun
    return f"{number:,} {word}{ending}"
