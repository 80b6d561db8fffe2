"""Conditions on runs: what they mean, and that no text of one is run."""

from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import results
from bench.cli import main
from bench.comparing.condition import select_runs
from bench.comparing.expression import DEEPEST, LONGEST, parse
from bench.system.errors import RequestError

RUNS = pd.DataFrame(
    {
        "variant": ["began", "began-cs", "wgan-gp", "began"],
        "seed": [0, 1, 2, 3],
        "gamma": [0.5, 1.0, None, 0.7],
        "norm": ["l1", "l2", None, "l1"],
        "critic_steps": pd.Series([None, None, 5, None], dtype="Int64"),
        "ema": pd.Series([True, None, False, True], dtype="boolean"),
        "threads": pd.Series(["auto", 2, None, 8], dtype=object),
    }
)


def met(where: str, frame: pd.DataFrame = RUNS) -> list[int]:
    """Seeds of the runs that meet a condition."""
    return list(select_runs(frame, where)["seed"])


@pytest.mark.parametrize(
    "where",
    [
        "gamma == 0.5 and seed < 3",
        "variant == 'began' or seed == 2",
        "not (seed == 1)",
        "0 < seed <= 2",
        "0 < seed < 3 == 3",
        "seed in (1, 3)",
        "seed not in [1, 3]",
        "variant in ['began', 'wgan-gp']",
        "-seed < -1",
        "2 * seed - 1 > seed / 2 + 1",
        "(seed + 1) * 2 == 4",
        "1 / seed > 0.4",
        "-1 / seed < -0.9",
        "gamma != 0.5",
        "gamma == gamma",
        "gamma > 0.5",
        "norm != 'l2'",
        "norm == 'l1'",
        "variant == 3",
        "variant != 3",
        "variant < 'c'",
        "critic_steps == 5",
        "critic_steps > 4",
        "ema == True",
    ],
)
def test_a_condition_has_the_meaning_of_pandas(where: str) -> None:
    expected = RUNS.eval(where, engine="python", local_dict={}, global_dict={})
    assert met(where) == list(RUNS[expected.fillna(False).astype(bool)]["seed"])


@pytest.mark.parametrize(
    ("where", "seeds"),
    [
        ("critic_steps != 5", [0, 1, 3]),  # as of every other missing value
        ("critic_steps not in (5, 6)", [0, 1, 3]),
        ("gamma != gamma", [2]),
        ("gamma + 1 > 0", [0, 1, 3]),
        ("0 / seed >= 0", [1, 2, 3]),
        ("ema", [0, 3]),
        ("not ema", [1, 2]),
        ("ema and seed > 0", [3]),
        ("threads < 4", [1]),  # the number among them
        ("threads == 'auto'", [0]),
        ("9" * 400 + " * 1.5 > seed", [0, 1, 2, 3]),
        ("1 == 1", [0, 1, 2, 3]),
        ("seed == +1", [1]),
        ("(seed\n == 1)", [1]),
    ],
)
def test_missing_mixed_and_extreme_values_follow_one_rule(where: str, seeds: list[int]) -> None:
    assert met(where) == seeds


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("seed.to_pickle('x')", "\"seed.to_pickle('x')\" is refused: a function call"),
        ("seed.real == 1", "'seed.real' is refused: an attribute"),
        ("seed[0] == 1", "'seed[0]' is refused: an index"),
        ("9**9**9 == seed", "'9**9**9' is refused: the operator **"),
        ("seed % 2 == 0", "the operator %"),
        ("seed // 2 == 0", "the operator //"),
        ("(seed == 1) & ema", "write and"),
        ("(seed == 1) | ema", "write or"),
        ("~ema", "write not"),
        ("gamma is None", "write =="),
        ("gamma == None", "NAME != NAME"),
        ("f'{seed}' == '1'", "an f-string"),
        ("(x := 1) == seed", "an assignment"),
        ("(lambda: 1) == seed", "a function"),
        ("(1 if ema else 2) == seed", "if and else"),
        ("[x for x in (1,)] == seed", "ListComp"),
        ("seed == [1, 2]", "a list outside in"),
        ("seed in gamma", "'gamma' is no list"),
        ("seed in (gamma, 1)", "'gamma' is no constant"),
        ("seed in (1, 2) == ema", "in no chain"),
        ("seed == 1j", "imaginary"),
        ("variant == b'began'", "bytes"),
        ("gama == 0.5", "did you mean 'gamma'"),
        ("__import__ == 1", "unknown column '__import__'"),
        ("@seed == 1", "no expression"),
        ("`seed` == 1", "without backticks"),
        ("gamma ==", "no expression"),
        ("gamma = 1", "equality is written ==, as in gamma == ..."),
        ("seed < 2 and gamma= 1", "equality is written ==, as in gamma == ..."),
        ("norm == 'a = b' and", "it is no expression (invalid syntax"),
        ("", "no expression"),
        ("seed", "'seed' is no condition"),
        ("seed == 1 and gamma", "'gamma' is no condition"),
        ("variant < 3", "'variant < 3' orders text and numbers"),
        ("variant + 1 == 2", "'variant + 1' calculates with text"),
        ("-variant == 2", "'-variant' calculates with text"),
        ("not " * (DEEPEST + 1) + "ema", "nested too deeply"),
        ("-" * (LONGEST - 1) + "1", "nested too deeply"),
        ("(" * (LONGEST // 2), "no expression"),
        ("x" * (LONGEST + 1), "4,001 characters"),
        ("seed == '\udcff'", "no text"),
        ("seed == '\0'", "null"),
    ],
)
def test_everything_else_is_refused_by_name_in_one_short_line(where: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        select_runs(RUNS, where)
    message = str(caught.value)
    assert words in message
    assert message.isprintable()
    assert len(message) < 400


def test_the_whole_condition_is_checked_before_any_part_is_computed() -> None:
    with pytest.raises(RequestError, match="'gama'"):
        select_runs(RUNS, "variant < 3 and gama == 1")


def test_chains_of_chains_are_computed_in_time_that_grows_with_their_length() -> None:
    where = "seed"
    for _ in range(DEEPEST - 2):
        where = f"(0 <= {where} <= 1)"
    assert met(where) == [0, 1, 2, 3]


def test_without_runs_no_column_is_unknown_but_the_form_is_checked() -> None:
    assert met("gamma == 1", RUNS[:0]) == []
    with pytest.raises(RequestError, match="a function call"):
        select_runs(RUNS[:0], "f(gamma) == 1")


@pytest.mark.parametrize("command", ["table", "report", "plot"])
@pytest.mark.parametrize(
    "evil",
    [
        "seed.__class__.__init__.__globals__['sys'].modules['os'].system('touch {0}') == 0",
        "seed.to_pickle('{0}') == 0",
        "variant.to_csv('{0}') != 0",
    ],
)
def test_a_condition_from_others_writes_no_file(
    command: str, evil: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "pwned"
    out = tmp_path / "out"
    assert main([command, "--where", evil.format(made), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a function call is not allowed" in line
    assert not made.exists()
    assert not out.exists()


def test_from_python_a_condition_is_checked_alike(home: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="a function call"):
        results(where=f"seed.to_pickle('{tmp_path / 'made'}') == 0")
    assert not (tmp_path / "made").exists()
    with pytest.raises(RequestError, match="a text, not int"):
        results(where=1)  # type: ignore[arg-type]


TOKENS = (
    "seed gamma variant norm critic_steps ema threads True False None 0 1 -1 0.5 1e999 9**9 'l1' 'x ( ) [ ] "
    ", == != < <= > >= in not and or is + - * / ** % & | ~ . : := lambda if else @ ` \\ \" # for f''"
)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.one_of(st.lists(st.sampled_from(TOKENS.split()), max_size=14).map(" ".join), st.text(max_size=30)))
def test_any_text_selects_runs_or_is_refused(where: str) -> None:
    with suppress(RequestError):
        assert set(select_runs(RUNS, where)["seed"]) <= {0, 1, 2, 3}


OPERANDS = st.sampled_from(["seed", "gamma", "critic_steps", "0", "2", "0.5", "-1"])
NUMBERS = st.recursive(
    OPERANDS,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=5,
)
COMPARISONS = st.tuples(NUMBERS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), NUMBERS).map(" ".join)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        inner.map(lambda text: f"(not {text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
    ),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(CONDITIONS)
def test_conditions_hold_run_by_run_as_in_python(where: str) -> None:
    complete = RUNS.assign(gamma=[0.5, 1.0, 2.0, 0.7], critic_steps=[1, 2, 5, 3])
    parse(where)
    expected = []
    for row in complete.to_dict("records"):
        values = {name: row[name] for name in ("seed", "gamma", "critic_steps")}
        try:
            holds = eval(where, {}, values)
        except ZeroDivisionError:
            return
        if holds:
            expected.append(row["seed"])
    assert met(where, complete) == expected
