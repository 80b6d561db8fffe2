"""Addresses of stores (MLflow, Optuna), which are shown and recorded without secrets.

User, password and all query values that are not known to be harmless are left out. Addresses that no library
accepts are parsed too, because a message about them must not repeat the password either.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from urllib.parse import quote, unquote, unquote_plus

MASK = "***"
# query values that identify the store or the connection; all others may be secret
HARMLESS = frozenset(
    {"host", "hostaddr", "port", "dbname", "sslmode", "connect_timeout", "application_name", "charset"}
    | {"target_session_attrs", "mode", "uri", "schema"}
)
# the address of a file has no user, but its path may contain an @
FILES = ("sqlite", "file", "")
SHORT = 4  # shorter secrets are masked only as whole words
PIECE = 3  # shorter pieces of a password are not masked
TOKEN = 16  # a user name of this length may be a token

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
        The complete address, for the library that opens the store.
    shown : str
        The address without secrets, for printing, recording and comparing.
    secrets : tuple of str
        The secrets in the forms that messages may have: raw, decoded and encoded.
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
        """Scheme without driver: ``http``, ``sqlite``, ``postgresql``."""
        matched = _START.match(self.shown)
        assert matched
        return (matched["scheme"] or "").partition("+")[0].lower()

    @property
    def is_server(self) -> bool:
        """Whether it is an MLflow server."""
        return self.scheme in ("http", "https")

    @property
    def file(self) -> Path | None:
        """File of an SQLite store."""
        if self.scheme != "sqlite":
            return None
        name = self.shown.partition("://")[2].removeprefix("/").partition("?")[0]
        return Path(unquote(name)) if name and name != ":memory:" else None

    def is_same(self, other: "StoreAddress") -> bool:
        """Return whether both are addresses of one store, with any credentials."""
        return self.shown == other.shown


def of_file(path: Path) -> StoreAddress:
    """Return the address of an SQLite store in a file, whatever characters its path has.

    SQLAlchemy decodes the path of an address, and ends it at a question mark. MLflow makes the folder of an
    address without decoding it: slashes below the first encoded name are therefore encoded as well.
    """
    whole = path.absolute().as_posix()
    first = re.search("[?%]", whole)
    plain = whole[: whole.rfind("/", 0, first.start()) + 1] if first else whole
    encoded = whole[len(plain) :].replace("%", "%25").replace("?", "%3F").replace("/", "%2F")
    return read(f"sqlite:///{plain}{encoded}")


def read(text: str) -> StoreAddress:
    """Parse an address; from now on :func:`redacted` masks its secrets."""
    address = _parsed(text.strip())
    _seen[address.full] = address
    return address


def redacted(text: str) -> str:
    """Return a text, such as a library's message, without the secrets of addresses.

    Secrets of addresses that were parsed, and of MLFLOW_TRACKING_URI, are masked everywhere. Secrets of other
    addresses in the text are left out.
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
    """Return a command-line argument, such as ``--storage=URL`` or ``KEY=URL``, without secrets.

    The address extends to the end of the argument, because a password may contain any character.
    """
    return redacted(_IN_WORD.sub(lambda found: _as_shown(found[0]), word))


class Redacting:
    """A text stream that masks the secrets of addresses."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without secrets."""
        return self._stream.write(redacted(text))

    def __getattr__(self, name: str) -> object:
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
    fragment = ""
    # SQLAlchemy takes a # as a part of the path
    if scheme.partition("+")[0].lower() != "sqlite":
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
    """Split off user and password; if the split is unclear, rather too much than too little."""
    head, mark, query = rest.partition("?")
    at = head.rfind("@")
    if at < 0 and mark and "@" in query:
        before = query[: query.rfind("@")]
        # the question mark is part of a password, unless the @ is in a query value
        if "=" not in before or not _HOST.fullmatch(head):
            at = rest.rfind("@")
    return (rest[:at], rest[at + 1 :]) if at >= 0 else ("", rest)


def _is_harmless(name: str, value: str) -> bool:
    return name.lower() in HARMLESS and "@" not in unquote(value)


def _secrets(scheme: str, userinfo: str) -> list[str]:
    user, _, password = userinfo.partition(":")
    found = [password, userinfo] if password else []
    # a token takes the place of a user; other user names are often common words, such as "postgres"
    is_web = scheme.partition("+")[0].lower() in ("http", "https", "")
    if (is_web and not password) or len(user) >= TOKEN or "@" in user:
        found.append(user)
    # a library may split a password at these characters and report a piece as a host
    for part in (userinfo.partition("@")[2], password):
        found += [part, *(piece for piece in re.split(r"[@:/?#&]", part) if len(piece) >= PIECE)]
    return found


def _spellings(secrets: list[str]) -> set[str]:
    every = {s for secret in secrets for s in (secret, unquote(secret), unquote_plus(secret), quote(secret))}
    return {spelling for spelling in every if spelling.strip()}
