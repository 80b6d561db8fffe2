"""Addresses of stores: what is shown and recorded of them, and what no message repeats."""

from pathlib import Path

import pytest
import sqlalchemy

from bench.system import store_address
from bench.system.store_address import of_file, read, redacted, redacted_word


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses of one test are unknown to the next."""
    monkeypatch.setattr(store_address, "_seen", {})


@pytest.mark.parametrize(
    ("full", "shown"),
    [
        ("http://alice:hunter22@host:5000/", "http://host:5000"),
        ("https://alice:hun@ter22@host", "https://host"),
        ("https://hunter22token@host/mlflow", "https://host/mlflow"),
        ("http://hunter22token:@host", "http://host"),
        ("http://host:5000?password=hunter22", "http://host:5000"),
        ("http://alice:hun/ter#2?2@host/x", "http://host/x"),
        ("http:/alice:hunter22@host", "http:/host"),
        ("alice:hunter22@host:5000", "host:5000"),
        ("postgresql://alice:hunter%4022@host/db", "postgresql://host/db"),
        (
            "postgresql+psycopg://a:hunter22@h1:1,h2:2/db?sslmode=require",
            "postgresql+psycopg://h1:1,h2:2/db?sslmode=require",
        ),
        ("postgresql:///db?host=/run/x&user=alice&password=hunter22", "postgresql:///db?host=/run/x"),
        ("postgresql://h/db?sslpassword=hunter22&sslmode=require", "postgresql://h/db?sslmode=require"),
        ("redis://:hunter22@[::1]:6379/0", "redis://[::1]:6379/0"),
        ("postgresql://bench@127.0.0.1/db", "postgresql://127.0.0.1/db"),
    ],
)
def test_an_address_is_shown_without_whatever_may_be_secret(full: str, shown: str) -> None:
    address = read(full)
    assert address.shown == str(address) == shown
    assert address.full == full
    assert address.hides
    assert "hunter" not in repr(address)


@pytest.mark.parametrize(
    "full",
    [
        "http://127.0.0.1:5000",
        "sqlite:////home/me@work/mlruns/mlflow.db",
        "file:///home/me@work/mlruns",
        "/home/me@work/mlruns",
        "./me@work",
        "databricks",
        "databricks://profile",
        "postgresql://h1,h2/db?sslmode=require&target_session_attrs=any",
    ],
)
def test_an_address_without_a_secret_is_shown_as_it_is(full: str) -> None:
    assert read(full).shown == full
    assert not read(full).hides


@pytest.mark.parametrize(
    "name",
    ["plain", "a b", "a?b", "a#b", "50%", "a%41", "?#%25", "me@work", "caf\u00e9", "a&b=c", "~x", ":memory:"],
)
def test_the_address_of_a_file_leads_to_the_file_whatever_its_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name / "mlflow.db"
    address = of_file(path)
    assert sqlalchemy.make_url(address.full).database == str(path)
    assert not sqlalchemy.make_url(address.full).query
    assert address.file == path
    assert not address.hides
    # MLflow makes this folder
    made = Path(address.full.removeprefix("sqlite:///")).parent
    assert made in path.parents
    assert read(address.shown).is_same(address)
    assert redacted(f"cannot open {address.full}") == f"cannot open {address.full}"


def test_two_addresses_are_the_same_store_whatever_the_credentials() -> None:
    assert read("http://a:b@host/").is_same(read("http://host"))
    assert not read("http://a:b@host/").is_same(read("http://host:1"))
    assert str(read("sqlite:////a/b.db").file) == "/a/b.db"
    assert read("http://host").file is None


@pytest.mark.parametrize(
    ("full", "text"),
    [
        ("http://alice:hunter22@host", "request to http://alice:hunter22@host/api/2.0 failed"),
        ("http://alice:hunter22@host", "no route to alice:hunter22@host"),
        ("http://alice:hun%40ter22@host", "user alice, password hun@ter22"),
        ("postgresql://alice:hun@ter22@host/d", "could not translate host name 'ter22@host'"),
        ("postgresql://alice:hunter:22@host/d", "invalid port number: 'hunter'"),
        ("http://host?token=hunter22", "/api?token=hunter22 was not found"),
        ("https://hunter22token@host", "401 for hunter22token"),
    ],
)
def test_a_message_repeats_no_secret_of_an_address_that_was_read(full: str, text: str) -> None:
    read(full)
    told = redacted(text)
    assert "hunter" not in told
    assert "ter22" not in told


def test_a_message_repeats_no_secret_of_the_environment_nor_of_any_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://alice:hunter22@host")
    assert redacted("hunter22 is wrong") == "*** is wrong"
    assert redacted("see http://bob:other@where/x, or http://127.0.0.1:5000/") == (
        "see http://where/x, or http://127.0.0.1:5000/"
    )


def test_a_short_secret_does_not_mask_parts_of_words() -> None:
    read("http://alice:a@host")
    assert redacted("a password was: a") == "*** password was: ***"


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("--storage=postgresql://me:s:e/c ret'@h/d", "--storage=postgresql://h/d"),
        ("data_root=http://me:hunter22@h", "data_root=http://h"),
        ("folder:/home/me@work", "folder:/home/me@work"),
        ("gamma=0.5", "gamma=0.5"),
    ],
)
def test_a_word_of_a_command_line_is_recorded_without_secrets(word: str, shown: str) -> None:
    assert redacted_word(word) == shown
