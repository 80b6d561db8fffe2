"""YAML of configuration and study files: plain values or one line, and always at once."""

import os
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.configuration import Configuration, resolve
from bench.configuration.yaml_files import dump, read
from bench.searching import study_file
from bench.system.errors import RequestError

QUICK = settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WIDEST_LINE = 300


def file_with(folder: Path, text: str | bytes) -> Path:
    path = folder / "given.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("007", 7),
        ("-2", -2),
        ("1.5", 1.5),
        ("1e-4", 1e-4),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("~", None),
        ("", None),
        ("null", None),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        (".nan", ".nan"),
        ("1e400", "1e400"),
        ("2024-12-24", "2024-12-24"),
        ("'3'", "3"),
        ("[1, [two, ~]]", [1, ["two", None]]),
        ("{a: 1, b: {c: 2}}", {"a": 1, "b": {"c": 2}}),
    ],
)
def test_plain_words_are_read_by_the_rules_of_yaml_1_2(text: str, value: object, tmp_path: Path) -> None:
    found = read(file_with(tmp_path, f"key: {text}\n"))["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &x 1\nb: 2\n", "line 1: anchors"),
        ("a: 1\nb: *x\n", "line 2: anchors .* and aliases"),
        ("a: !!int abc\n", "line 1: tags are not allowed: 'tag:yaml.org,2002:int'"),
        ("a: !!python/object/apply:os.system [touch pwned]\n", "tags are not allowed"),
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is given twice"),
        ("x: {a: 1, a: 2}\n", "the key 'a' is given twice"),
        ("a: 1\n3: 1\n", "line 2: the key '3' is no text"),
        ("true: 1\n", "the key 'true' is no text"),
        ("? [a]\n: 1\n", "the key of a sequence is no text"),
        ("a: " + "[" * 20_000, "more than 12 deep"),
        ("- " * 20_000, "more than 12 deep"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("a: [1\n", "line 2: expected"),
        ("# " + "x" * 2**18, "more than 262,144 bytes"),
        (b"a: \xff", "no UTF-8 text"),
    ],
)
def test_everything_else_is_refused_with_its_line(text: str | bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=told) as refused:
        read(file_with(tmp_path, text))
    assert "\n" not in str(refused.value)
    assert not Path("pwned").exists()


def test_a_pipe_or_a_device_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(RequestError, match="no regular file"):
            read(path)


def test_a_small_file_of_aliases_does_not_grow(tmp_path: Path) -> None:
    names = "abcdefghijklmnopqrst"
    lines = ["seed:", "- &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip(names, names[1:], strict=False)]
    with pytest.raises(RequestError, match="anchors"):
        resolve({"variant": "began"}, file_with(tmp_path, "\n".join(lines)))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["yes", "1e5", "0x1", "2024-01-01", "007", "~", "null", "<<", "1:30", ".inf"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters), inner, max_size=3)
    ),
    max_leaves=6,
)


@QUICK
@given(content=st.dictionaries(st.text(string.printable, min_size=1, max_size=8), VALUES, max_size=4))
def test_what_is_written_is_read_back_the_same(content: dict[str, object], tmp_path: Path) -> None:
    assert read(file_with(tmp_path, dump(content))) == content


PIECES = st.sampled_from(
    [
        "steps",
        "seed",
        "gamma",
        "dataset",
        "search",
        "settings",
        "seeds",
        "variant",
        ": ",
        ":",
        "\n",
        "  ",
        "- ",
        "3",
    ]
    + [
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "!!int ",
        "? ",
        "| ",
        "> ",
        "'",
        '"',
        "#",
        "%",
        "@",
        "---\n",
        "true",
    ]
    + ["1e400", "2024-13-45", "\t", "\\", "\0", "\x1b", "\u2028", "\N{PILE OF POO}", "9" * 50, "x" * 400]
)


def ended(error: RequestError) -> None:
    assert 0 < len(str(error)) <= WIDEST_LINE, str(error)
    assert "\n" not in str(error)


@QUICK
@given(text=st.lists(PIECES, max_size=25).map("".join) | st.binary(max_size=60))
def test_any_text_is_a_configuration_or_one_short_line(text: str | bytes, tmp_path: Path) -> None:
    path = file_with(tmp_path, text)
    try:
        assert isinstance(resolve({"variant": "began"}, path), Configuration)
    except RequestError as error:
        ended(error)
    try:
        assert isinstance(study_file.read(str(path))[1], study_file.StudyFile)
    except RequestError as error:
        ended(error)
