"""Addresses of stores (MLflow's, Optuna's), read by parts, and shown and recorded without secrets.

Everything in an address that may be secret is left out: user and password, and values of the query that
are not known to be harmless. Addresses that no library accepts are read too: a message about them must
not repeat the password either.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, unquote, unquote_plus

MASK = "***"
# query values that say which store it is or how to reach it; all others may be secret
HARMLESS = frozenset(
    {"host", "hostaddr", "port", "dbname", "sslmode", "connect_timeout", "application_name", "charset"}
    | {"target_session_attrs", "mode", "uri", "schema"}
)
# an address of a file has no user, but its path may hold an @
FILES = ("sqlite", "file", "")
SHORT = 4  # shorter secrets are masked where they stand as words, else they would mask parts of words
PIECE = 3  # shorter pieces of a password are not masked
TOKEN = 16  # a user as long as this is taken for a token

_START = re.compile(r"(?:(?P<scheme>[A-Za-z][\w+.-]*):(?=[/\\]))?(?P<slashes>[/\\]*)(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"(\[[^\]]*\]|[^:/\\]*)(:\d*)?(,[^:/\\]*(:\d*)?)*([/\\].*)?", re.DOTALL)
_IN_TEXT = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"<>]+")
_IN_WORD = re.compile(r"[A-Za-z][\w+.-]*://.*", re.DOTALL)


@dataclass(frozen=True)
class StoreAddress:
    """The address of a store.

    Attributes
    ----------
    full : str
        As it was given, for the library that opens the store.
    shown : str
        Without user, password and other secrets: to be printed, recorded and compared.
    secrets : tuple of str
        The secret parts as messages may repeat them: raw, decoded and encoded.
    hides : bool
        Whether `shown` leaves anything out.
    """

    full: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)
    hides: bool = field(repr=False)

    def __str__(self) -> str:
        return self.shown

    @property
    def scheme(self) -> str:
        """What stands before the colon, without a driver: ``http``, ``sqlite``, ``postgresql``."""
        matched = _START.match(self.shown)
        assert matched
        return (matched["scheme"] or "").partition("+")[0].lower()

    @property
    def is_server(self) -> bool:
        """Whether it is an MLflow server."""
        return self.scheme in ("http", "https")

    @property
    def file(self) -> Path | None:
        """The file of an SQLite store."""
        if self.scheme != "sqlite":
            return None
        name = self.shown.partition("://")[2].removeprefix("/").partition("?")[0]
        return Path(name) if name and name != ":memory:" else None

    def is_same(self, other: "StoreAddress") -> bool:
        """Whether both name one store, whatever the credentials."""
        return self.shown == other.shown


def read(text: str) -> StoreAddress:
    """Read an address; :func:`redacted` knows its secrets from now on."""
    address = _parsed(text.strip())
    _seen[address.full] = address
    return address


def redacted(text: str) -> str:
    """A text, such as a library's message, without the secrets of addresses.

    Those that were read and that of the environment are masked wherever they stand, and every other
    address in the text is shown as :class:`StoreAddress` shows it.
    """
    known = dict(_seen)
    if named := os.environ.get("MLFLOW_TRACKING_URI", "").strip():
        known[named] = _parsed(named)
    for address in sorted(known.values(), key=lambda address: -len(address.full)):
        if address.hides:
            text = text.replace(address.full.rstrip("/"), address.shown)
    text = _IN_TEXT.sub(lambda found: _as_shown(found[0]), text)
    secrets = {secret for address in known.values() for secret in address.secrets}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORT:
            text = text.replace(secret, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


def redacted_word(word: str) -> str:
    """A word of a command line, such as ``--storage=URL`` or ``KEY=URL``, without secrets.

    An address reaches to the word's end: passwords may hold what ends an address in a text.
    """
    return redacted(_IN_WORD.sub(lambda found: _as_shown(found[0]), word))


class Redacting:
    """A stream for people into which no secret of an address goes, whoever writes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write without secrets."""
        return self._stream.write(redacted(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_seen: dict[str, StoreAddress] = {}


def _as_shown(text: str) -> str:
    address = _parsed(text)
    return address.shown if address.hides else text


def _parsed(text: str) -> StoreAddress:
    start = _START.fullmatch(text)
    assert start
    scheme, slashes, rest = start["scheme"] or "", start["slashes"], start["rest"]
    userinfo = ""
    if not _is_path(scheme, slashes, rest):
        userinfo, rest = _without_userinfo(rest)
    head, _, query = rest.partition("?")
    head, _, fragment = head.partition("#")
    pairs = [pair.partition("=") for pair in query.partition("#")[0].split("&") if pair]
    kept = [(name, value) for name, _, value in pairs if _is_harmless(name, value)]
    hidden = [value or name for name, _, value in pairs if not _is_harmless(name, value)]
    hidden += [part for part in (fragment, query.partition("#")[2]) if part]
    shown = (f"{scheme}:" if scheme else "") + slashes + head
    if scheme.lower() in ("http", "https"):
        shown = shown.rstrip("/")
    if kept:
        shown += "?" + "&".join(f"{name}={value}" for name, value in kept)
    secrets = tuple(sorted(_spellings(_secrets(scheme, userinfo) + hidden)))
    return StoreAddress(text, shown, secrets, hides=bool(userinfo or hidden))


def _is_path(scheme: str, slashes: str, rest: str) -> bool:
    if scheme.partition("+")[0].lower() not in FILES:
        return False
    return len(slashes) in (1, 3, 4) or (not scheme and (rest.startswith((".", "~")) or "@" not in rest))


def _without_userinfo(rest: str) -> tuple[str, str]:
    """Split user and password off; where it is unclear what belongs to them, more rather than less."""
    head, mark, query = rest.partition("?")
    at = head.rfind("@")
    if at < 0 and mark and "@" in query:
        before = query[: query.rfind("@")]
        # a password with a question mark in it, not an @ in a value
        if "=" not in before or not _HOST.fullmatch(head):
            at = rest.rfind("@")
    return (rest[:at], rest[at + 1 :]) if at >= 0 else ("", rest)


def _is_harmless(name: str, value: str) -> bool:
    return name.lower() in HARMLESS and "@" not in unquote(value)


def _secrets(scheme: str, userinfo: str) -> list[str]:
    user, _, password = userinfo.partition(":")
    found = [password, userinfo] if password else []
    # a token stands where a user does; other users are often common words, such as "postgres"
    is_web = scheme.partition("+")[0].lower() in ("http", "https", "")
    if (is_web and not password) or len(user) >= TOKEN or "@" in user:
        found.append(user)
    # a library may cut a password at its signs, and complain of what it takes for a host
    for part in (userinfo.partition("@")[2], password):
        found += [part, *(piece for piece in re.split(r"[@:/?#&]", part) if len(piece) >= PIECE)]
    return found


def _spellings(secrets: list[str]) -> set[str]:
    every = {s for secret in secrets for s in (secret, unquote(secret), unquote_plus(secret), quote(secret))}
    return {spelling for spelling in every if spelling.strip()}
