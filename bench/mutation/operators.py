"""Makes the small changes of a source file that its tests should notice.

The changes are found on the syntax tree and made in the text, so that a mutant differs from the file in one place.
Imports, annotations, decorators, base classes, f-strings and the block of `__main__` are left as they are.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

COMPARISONS: Final[dict[type[ast.cmpop], tuple[str, str]]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
ORDERINGS: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
NOT_MUTATED: Final = ("annotation", "returns", "decorator_list", "bases")  # fields of syntax tree nodes
REMOVABLE: Final = (ast.Raise, ast.Continue, ast.Break, ast.AugAssign)
UNORDERED: Final = ("isinstance", "issubclass", "max", "min")  # swapped arguments change nothing, or always break
BEFORE_OPERATOR: Final = re.compile(rb"(?:#[^\n]*|[\s()\\])*")


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a file: the bytes from `start` to `end` become `replacement`."""

    start: int
    end: int
    replacement: str
    operator: str
    line: int  # counted from 1

    def apply(self, text: bytes) -> bytes:
        """Return the changed file."""
        return text[: self.start] + self.replacement.encode() + text[self.end :]

    def describe(self, text: bytes) -> str:
        """Return what is replaced by what, on one line."""
        before, after = (" ".join(part.split()) for part in (text[self.start : self.end].decode(), self.replacement))
        return f"{self.operator}: {before} -> {after or 'nothing'}"


class Source:
    """A source file whose syntax tree nodes can be found in its bytes."""

    def __init__(self, text: bytes) -> None:
        """Read a file encoded in UTF-8; raises SyntaxError."""
        self.text = text
        self.tree = ast.parse(text)
        self._lines = [0, *accumulate(len(line) for line in text.splitlines(keepends=True))]

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return where a statement or expression begins and ends, in bytes."""
        start = self._lines[node.lineno - 1] + node.col_offset
        return start, self._lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def code(self, node: ast.expr | ast.stmt) -> str:
        """Return the text of a statement or expression."""
        start, end = self.span(node)
        return self.text[start:end].decode()

    def edit(self, start: int, end: int, replacement: str, operator: str) -> Edit:
        """Return a change with its line number."""
        return Edit(start, end, replacement, operator, self.text.count(b"\n", 0, start) + 1)

    def replace_operator(
        self, left: ast.expr, right: ast.expr, change: tuple[str, str], operator: str
    ) -> Iterator[Edit]:
        """Yield the change of the operator between two operands; nothing if it is written in an unexpected way."""
        before, after = change
        start, limit = self.span(left)[1], self.span(right)[0]
        match = BEFORE_OPERATOR.match(self.text, start, limit)
        begin = match.end() if match else start
        if self.text.startswith(before.encode(), begin, limit):
            yield self.edit(begin, begin + len(before), after, operator)


Operator = Callable[[Source, ast.AST], Iterator[Edit]]


def edits(text: bytes) -> list[Edit]:
    """Return every change of a file, in the order of the syntax tree; raises SyntaxError."""
    source = Source(text)
    return [edit for node in _mutable_nodes(source.tree) for operator in OPERATORS for edit in operator(source, node)]


def compiles(text: bytes) -> bool:
    """Return whether a changed file is still valid Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "mutant", "exec", dont_inherit=True)
        except SyntaxError:
            return False
    return True


def _mutable_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that may be changed, in the order of the source."""
    yield node
    for name, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in () if name in NOT_MUTATED else children:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr) and not _is_main(child):
                yield from _mutable_nodes(child)


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _comparison(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Compare):
        for (left, right), operator in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
            yield from source.replace_operator(left, right, COMPARISONS[type(operator)], "comparison")


def _boolean(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.BoolOp):
        change = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in pairwise(node.values):
            yield from source.replace_operator(left, right, change, "boolean operator")


def _negation(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        start, _ = source.span(node)
        yield source.edit(start, start + len("not"), "", "removed negation")


def _constant(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        yield source.edit(*source.span(node), repr(node.value + 1), "off by one")


def _returned(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Change what a function returns; `not` and equality are left to the operators above."""
    if isinstance(node, ast.Return) and (value := node.value) is not None and not _is_none(value):
        span = source.span(value)
        if _is_decision(value):
            yield source.edit(*span, f"not ({source.code(value)})", "returned value")
        elif not isinstance(value, ast.Compare | ast.UnaryOp):
            yield source.edit(*span, "None", "returned value")


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _is_decision(value: ast.expr) -> bool:
    """Return whether an expression is a boolean that no other operator negates."""
    if isinstance(value, ast.Compare):
        return len(value.ops) > 1 or isinstance(value.ops[0], ORDERINGS)
    return isinstance(value, ast.Constant) and isinstance(value.value, bool)


def _removal(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.stmt) and (isinstance(node, REMOVABLE) or _is_call(node) or _is_item_assignment(node)):
        yield source.edit(*source.span(node), "pass", "removed statement")


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _is_item_assignment(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript)


def _swapped_arguments(source: Source, node: ast.AST) -> Iterator[Edit]:
    if not isinstance(node, ast.Call) or len(node.args) < 2 or ast.unparse(node.func) in UNORDERED:
        return
    first, second = node.args[:2]
    if any(isinstance(argument, ast.Starred) for argument in (first, second)) or _is_same(first, second):
        return
    (start, first_end), (second_start, end) = source.span(first), source.span(second)
    between = source.text[first_end:second_start].decode()
    yield source.edit(start, end, source.code(second) + between + source.code(first), "swapped arguments")


def _is_same(first: ast.expr, second: ast.expr) -> bool:
    return ast.dump(first) == ast.dump(second)


OPERATORS: Final[tuple[Operator, ...]] = (
    _comparison,
    _boolean,
    _negation,
    _constant,
    _returned,
    _removal,
    _swapped_arguments,
)
