"""Conditions on runs, as ``--where`` takes them: parsed into a small tree, checked whole, then computed.

No text of a condition is ever run as code: :func:`parse` translates the few allowed forms of Python's syntax
and refuses all others. Missing values follow the rule of NaN: every comparison with a missing value is false,
apart from ``!=`` and ``not in``, which are true.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import pandas as pd

from bench.system.errors import RequestError, printable, unknown

LONGEST = 4000  # characters: some hundred run ids
DEEPEST = 50  # levels of parentheses and operators

Value = bool | int | float | str | None  # None: missing
Columns = Callable[[str], Sequence[Value]]  # the values of the column of a name

ALLOWED = (
    "allowed are column names, numbers, 'text', True, False, == != < <= > >=, "
    "in and not in with a list, and, or, not, + - * / and parentheses"
)
ORDERINGS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
REFUSED: dict[type[ast.AST], str] = {
    ast.Call: "a function call",
    ast.Attribute: "an attribute",
    ast.Subscript: "an index",
    ast.Lambda: "a function",
    ast.IfExp: "if and else",
    ast.NamedExpr: "an assignment",
    ast.JoinedStr: "an f-string",
    ast.List: "a list outside in and not in",
    ast.Tuple: "a list outside in and not in",
    ast.Set: "a list outside in and not in",
    ast.Pow: "the operator **",
    ast.Mod: "the operator %",
    ast.FloorDiv: "the operator //",
    ast.BitAnd: "the operator & (write and)",
    ast.BitOr: "the operator | (write or)",
    ast.Invert: "the operator ~ (write not)",
    ast.Is: "the operator is (write ==)",
    ast.IsNot: "the operator is not (write !=)",
}

CONSTANTS: dict[type, str] = {
    type(None): "None (a missing value is one for which NAME != NAME)",
    type(...): "...",
    bytes: "bytes",
    complex: "an imaginary number",
}


@dataclass(frozen=True)
class Column:
    """Values of a column."""

    name: str


@dataclass(frozen=True)
class Constant:
    """The same value for every run."""

    value: Value


@dataclass(frozen=True)
class Negative:
    """Negative of a number."""

    operand: "Expression"
    text: str


@dataclass(frozen=True)
class Arithmetic:
    """Sum, difference, product or quotient of two numbers."""

    operator: type[ast.operator]
    left: "Expression"
    right: "Expression"
    text: str


@dataclass(frozen=True)
class Comparison:
    """A chain of comparisons, each of an operand with the next."""

    operators: tuple[type[ast.cmpop], ...]
    operands: tuple["Expression", ...]
    text: str


@dataclass(frozen=True)
class Membership:
    """Whether a value is one of a list's, or none of them."""

    operand: "Expression"
    values: tuple[Value, ...]
    negated: bool


@dataclass(frozen=True)
class Junction:
    """Logical and, or, of conditions."""

    every: bool
    operands: tuple["Expression", ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Negation:
    """Logical not of a condition."""

    operand: "Expression"
    text: str


Expression = Column | Constant | Negative | Arithmetic | Comparison | Membership | Junction | Negation


def meeting(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Select the runs that meet a condition.

    Parameters
    ----------
    frame : DataFrame
        One row per run.
    where : str
        The condition, such as ``"gamma == 0.5 and seed < 3"``.

    Returns
    -------
    DataFrame
        The rows for which it is true, numbered anew.

    Raises
    ------
    RequestError
        If it is not an allowed expression, names a column that does not exist, is no condition, or orders or
        calculates with text.
    """
    try:
        # without runs there are no knobs, so that a column's name cannot be judged
        condition = parse(where, None if frame.empty else list(frame.columns))
        column = cache(lambda name: [_plain(value) for value in frame[name]] if len(frame) else [])
        met = _conditions(_values(condition, column, len(frame)), where)
    except RequestError as error:
        raise RequestError(f"where {_cut(repr(where), 100)}: {error}") from None
    return frame[pd.Series(met, index=frame.index, dtype=bool)].reset_index(drop=True)


def parse(where: str, columns: Sequence[str] | None = None) -> Expression:
    """Translate a condition into a tree of the classes above; nothing of it is computed.

    Parameters
    ----------
    where : str
        The condition.
    columns : sequence of str, optional
        Names that it may use; any where not given.

    Raises
    ------
    RequestError
        Names the first part that is not allowed, and what is.
    """
    if not isinstance(where, str):
        raise RequestError(f"a condition is a text, not {type(where).__name__}")
    text = where.strip()
    if len(text) > LONGEST:
        raise RequestError(f"it has {len(text):,} characters; allowed are {LONGEST:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the style of what is then refused
            tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        hint = "columns are written without backticks" if "`" in text else ALLOWED
        raise RequestError(f"it is no expression ({error.msg}{place}); {hint}") from None
    except ValueError:
        raise RequestError(f"it holds characters that are no text; {ALLOWED}") from None
    except (RecursionError, MemoryError):
        raise RequestError(f"it is nested too deeply: allowed are {DEEPEST} levels") from None
    return _Parser(text, columns).expression(tree.body, 1)


@dataclass(frozen=True)
class _Parser:
    """Translation of one text; every part that is not translated is refused."""

    text: str
    columns: Sequence[str] | None

    def expression(self, node: ast.expr, depth: int) -> Expression:
        if depth > DEEPEST:
            raise RequestError(f"it is nested too deeply: allowed are {DEEPEST} levels")
        below = depth + 1
        match node:
            case ast.Name(id=name):
                return self._column(name)
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return Constant(value)
            case ast.UnaryOp(op=ast.USub()):
                return Negative(self.expression(node.operand, below), self._part(node))
            case ast.UnaryOp(op=ast.UAdd()):
                return self.expression(node.operand, below)
            case ast.UnaryOp(op=ast.Not()):
                return Negation(self.expression(node.operand, below), self._part(node.operand))
            case ast.BinOp(op=op) if type(op) in ARITHMETIC:
                left, right = self.expression(node.left, below), self.expression(node.right, below)
                return Arithmetic(type(op), left, right, self._part(node))
            case ast.BoolOp(op=op, values=values):
                operands = tuple(self.expression(value, below) for value in values)
                return Junction(isinstance(op, ast.And), operands, tuple(map(self._part, values)))
            case ast.Compare():
                return self._comparison(node, below)
        raise self._refused(node, getattr(node, "op", node))

    def _column(self, name: str) -> Column:
        if self.columns is not None and name not in self.columns:
            raise unknown("column", _cut(name), self.columns)
        return Column(name)

    def _comparison(self, node: ast.Compare, depth: int) -> Expression:
        kinds = tuple(map(type, node.ops))
        if kinds in ((ast.In,), (ast.NotIn,)):
            operand = self.expression(node.left, depth)
            return Membership(operand, self._list(node.comparators[0]), kinds == (ast.NotIn,))
        for kind, op in zip(kinds, node.ops, strict=True):
            if kind in (ast.In, ast.NotIn):
                raise RequestError(f"{self._part(node)!r}: in and not in stand in no chain; use and")
            if kind not in ORDERINGS and kind not in (ast.Eq, ast.NotEq):
                raise self._refused(node, op)
        operands = tuple(self.expression(each, depth) for each in (node.left, *node.comparators))
        return Comparison(kinds, operands, self._part(node))

    def _list(self, node: ast.expr) -> tuple[Value, ...]:
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            raise RequestError(f"{self._part(node)!r} is no list: in needs one, such as ('a', 'b') or (1, 2)")
        return tuple(self._constant(each) for each in node.elts)

    def _constant(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
        raise RequestError(
            f"{self._part(node)!r} is no constant: a list holds numbers, 'text', True and False"
        )

    def _refused(self, node: ast.expr, cause: ast.AST) -> RequestError:
        if isinstance(cause, ast.Constant):
            kind = CONSTANTS[type(cause.value)]
        else:
            kind = REFUSED.get(type(cause), f"this form ({type(cause).__name__})")
        return RequestError(f"{self._part(node)!r} is refused: {kind} is not allowed; {ALLOWED}")

    @cached_property
    def _lines(self) -> list[bytes]:
        return self.text.encode().splitlines()

    def _part(self, node: ast.expr) -> str:
        # ast.get_source_segment would split the whole text anew for every part
        end = node.end_col_offset if node.end_lineno == node.lineno else None
        return _cut(self._lines[node.lineno - 1][node.col_offset : end].decode())


def _plain(value: object) -> Value:
    """A cell of a frame as a plain value."""
    if isinstance(value, list | tuple | dict):
        return str(value)
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, bool | int | float | str) else str(value)


def _values(node: Expression, columns: Columns, rows: int) -> Sequence[Value]:
    """Compute an expression for every run."""
    match node:
        case Column(name):
            return columns(name)
        case Constant(value):
            return [value] * rows
        case Negative(operand, text):
            return _values(Arithmetic(ast.Sub, Constant(0), operand, text), columns, rows)
        case Arithmetic(kind, left, right, text):
            pairs = zip(_values(left, columns, rows), _values(right, columns, rows), strict=True)
            return _each(lambda a, b: _calculate(kind, a, b), pairs, text, "calculates with text")
        case Comparison():
            return _compared(node, columns, rows)
        case Membership(operand, values, negated):
            found = _values(operand, columns, rows)
            return [(not _missing(value) and value in values) != negated for value in found]
        case Junction(every, operands, texts):
            sides = [
                _conditions(_values(each, columns, rows), text)
                for each, text in zip(operands, texts, strict=True)
            ]
            return [(all if every else any)(row) for row in zip(*sides, strict=True)]
        case Negation(operand, text):
            return [not met for met in _conditions(_values(operand, columns, rows), text)]


def _compared(node: Comparison, columns: Columns, rows: int) -> list[Value]:
    operands = [_values(each, columns, rows) for each in node.operands]
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


def _each(
    compute: Callable[..., Value], pairs: Iterable[tuple[Value, Value]], text: str, problem: str
) -> list[Value]:
    """Compute each pair: missing where a side is or kinds differ, an error if they differ in all pairs."""
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
    """One operation by the rules of floating point: x / 0 and overflow are infinite, 0 / 0 is missing."""
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


def _conditions(values: Sequence[Value], text: str) -> list[bool]:
    """Truth values, a missing one counting as false; everything else is no condition."""
    if any(not isinstance(value, bool) for value in values if not _missing(value)):
        raise RequestError(f"{_cut(text)!r} is no condition: write a comparison, such as seed == 1")
    return [value is True for value in values]


def _missing(value: Value) -> bool:
    return value is None or value != value


def _cut(text: str, most: int = 60) -> str:
    short = printable(text)
    return short if len(short) <= most else f"{short[: most - 3]}..."
