"""The syntax of conditions on runs, as ``--where`` takes them: text in, a small tree of expressions out.

No text of a condition is ever run as code: :func:`parse` translates the few allowed forms of Python's syntax
and refuses all others.
"""

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from bench.system.errors import RequestError, printable, unknown

LONGEST = 4000  # characters: some hundred run ids
DEEPEST = 50  # levels of parentheses and operators

Value: TypeAlias = bool | int | float | str | None  # None: missing

ALLOWED = (
    "allowed are column names, numbers, 'text', True, False, == != < <= > >=, "
    "in and not in with a list, and, or, not, + - * / and parentheses"
)
ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div)
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

_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_EQUALITY = re.compile(r"(?P<name>[\w)]+)\s*(?<![=!<>:])=(?!=)")  # a single sign

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
class ComparisonChain:
    """Comparisons of each operand with the next."""

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


Expression: TypeAlias = (
    Column | Constant | Negative | Arithmetic | ComparisonChain | Membership | Junction | Negation
)


def parse(where: str, columns: Sequence[str] | None = None) -> Expression:
    """Translate the text of a condition into an expression.

    Parameters
    ----------
    where : str
        The condition.
    columns : sequence of str, optional
        Names that the condition may use; any where not given.

    Raises
    ------
    RequestError
        If a part is not allowed; the message names the first such part and all allowed forms.
    """
    if not isinstance(where, str):
        raise RequestError(f"a condition is a text, not {type(where).__name__}")
    text = where.strip()
    if len(text) > LONGEST:
        raise RequestError(f"it has {len(text):,} characters; allowed are {LONGEST:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of style, about parts that are then refused
            tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        hint = "columns are written without backticks" if "`" in text else ALLOWED
        if equality := _EQUALITY.search(_TEXT.sub("''", text)):
            hint = f"equality is written ==, as in {equality['name']} == ..."
        raise RequestError(f"it is no expression ({error.msg}{place}); {hint}") from None
    except ValueError:
        raise RequestError(f"it holds characters that are no text; {ALLOWED}") from None
    except (RecursionError, MemoryError):
        raise RequestError(f"it is nested too deeply: allowed are {DEEPEST} levels") from None
    return _Parser(text, columns).expression(tree.body, 1)


@dataclass(frozen=True)
class _Parser:
    """Translates the syntax tree of one text."""

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
            raise unknown("column", shortened(name), self.columns)
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
        return ComparisonChain(kinds, operands, self._part(node))

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
        return shortened(self._lines[node.lineno - 1][node.col_offset : end].decode())


def shortened(text: str, most: int = 60) -> str:
    """Printable text of at most so many characters, with dots in place of what is cut off."""
    short = printable(text)
    return short if len(short) <= most else f"{short[: most - 3]}..."
