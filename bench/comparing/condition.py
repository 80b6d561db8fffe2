"""Conditions on runs, as ``--where`` takes them, evaluated on a table of runs.

Missing values follow the rule of NaN: every comparison with a missing value is false, apart from ``!=`` and
``not in``, which are true.
"""

import ast
import math
import operator
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from bench.comparing.expression import (
    Arithmetic,
    Column,
    ComparisonChain,
    Constant,
    Expression,
    Junction,
    Membership,
    Negation,
    Negative,
    Value,
    parse,
    shortened,
)
from bench.system.errors import RequestError

ORDERINGS: dict[type[ast.cmpop], Callable[..., bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ARITHMETIC: dict[type[ast.operator], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def select_runs(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the runs that meet a condition.

    Parameters
    ----------
    frame : DataFrame
        One row per run.
    where : str
        The condition, such as ``"lr_g < 0.001 and seed < 3"``.

    Returns
    -------
    DataFrame
        The rows for which the condition is true, numbered from 0.

    Raises
    ------
    RequestError
        If the text is not an allowed expression, names a column that does not exist, is no condition, or
        orders or calculates with text.
    """
    try:
        # without runs there are no knobs, so that a column's name cannot be checked
        condition = parse(where, None if frame.empty else list(frame.columns))
        met = _Evaluation(frame).truths(condition, where)
    except RequestError as error:
        raise RequestError(f"where {shortened(repr(where), 100)}: {error}") from None
    return frame[pd.Series(met, index=frame.index, dtype=bool)].reset_index(drop=True)


class _Evaluation:
    """Evaluates expressions for every row of a frame."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._columns: dict[str, list[Value]] = {}

    def column(self, name: str) -> list[Value]:
        if name not in self._columns:
            cells = self._frame[name] if len(self._frame) else ()
            self._columns[name] = [_plain(cell) for cell in cells]
        return self._columns[name]

    def values(self, node: Expression) -> Sequence[Value]:
        match node:
            case Column(name):
                return self.column(name)
            case Constant(value):
                return [value] * len(self._frame)
            case Negative(operand, text):
                return self.values(Arithmetic(ast.Sub, Constant(0), operand, text))
            case Arithmetic(kind, left, right, text):
                pairs = zip(self.values(left), self.values(right), strict=True)
                return _each(lambda a, b: _calculate(kind, a, b), pairs, text, "calculates with text")
            case ComparisonChain():
                return self.comparisons(node)
            case Membership(operand, members, negated):
                return [
                    (not _missing(value) and value in members) != negated for value in self.values(operand)
                ]
            case Junction(every, operands, texts):
                sides = [self.truths(each, text) for each, text in zip(operands, texts, strict=True)]
                return [(all if every else any)(row) for row in zip(*sides, strict=True)]
            case Negation(operand, text):
                return [not met for met in self.truths(operand, text)]

    def comparisons(self, node: ComparisonChain) -> list[Value]:
        operands = [self.values(each) for each in node.operands]
        links: list[Sequence[Value]] = []
        for kind, left, right in zip(node.operators, operands, operands[1:], strict=False):
            pairs = zip(left, right, strict=True)
            if kind is ast.Eq:
                links.append([not _missing(a) and not _missing(b) and a == b for a, b in pairs])
            elif kind is ast.NotEq:
                links.append([_missing(a) or _missing(b) or a != b for a, b in pairs])
            else:
                links.append(_each(ORDERINGS[kind], pairs, node.text, "orders text and numbers"))
        return [all(row) for row in zip(*links, strict=True)]

    def truths(self, node: Expression, text: str) -> list[bool]:
        """Truth values of a condition, a missing one counting as false."""
        values = self.values(node)
        if any(not isinstance(value, bool) for value in values if not _missing(value)):
            raise RequestError(f"{shortened(text)!r} is no condition: write a comparison, such as seed == 1")
        return [value is True for value in values]


def _plain(value: object) -> Value:
    """Convert a cell of a frame to a plain value."""
    if isinstance(value, list | tuple | dict):
        return str(value)
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, bool | int | float | str) else str(value)


def _each(
    compute: Callable[..., Value], pairs: Iterable[tuple[Value, Value]], text: str, problem: str
) -> list[Value]:
    """Compute each pair: missing where a side is missing or not of the other's kind.

    If the kinds differ in all pairs, the expression is refused.
    """
    results: list[Value] = []
    fitting = unfitting = 0
    for left, right in pairs:
        if _missing(left) or _missing(right):
            results.append(None)
            continue
        texts = isinstance(left, str) + isinstance(right, str)
        fits = texts == 0 or (texts == 2 and compute in ORDERINGS.values())
        fitting, unfitting = fitting + fits, unfitting + (not fits)
        results.append(compute(left, right) if fits else None)
    if unfitting and not fitting:
        raise RequestError(f"{text!r} {problem}, which has no meaning")
    return results


def _calculate(kind: type[ast.operator], left: float, right: float) -> Value:
    """Calculate by the rules of floating point: x / 0 and overflow are infinite, 0 / 0 is missing."""
    if kind is not ast.Div and isinstance(left, int) and isinstance(right, int):
        return ARITHMETIC[kind](left, right)  # exact
    left, right = _float(left), _float(right)
    if kind is ast.Div and right == 0:
        return (
            None if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
        )
    return ARITHMETIC[kind](left, right)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _missing(value: Value) -> bool:
    return value is None or value != value
