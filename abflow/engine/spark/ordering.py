"""Rows compared as a whole: DuckDB has a missing value after all others, Spark before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

TypesOf = Callable[[exp.Expr], "StructType"]


def with_missing_last(tree: exp.Expr, types_of: TypesOf) -> None:
    """Let structs be compared field by field with a missing value after all others, wherever they are.

    Args:
        tree: A statement of Spark; changed in place.
        types_of: The columns of a query with their types.
    """
    for query in reversed(list(tree.find_all(exp.Select))):
        asked = query.find_all(exp.Min, exp.Ordered, exp.LT, exp.GT)
        compared = [node for node in asked if _may_be_structs(node, query)]
        sides = [side for node in compared for side in _sides(node)]
        if not sides:
            continue
        types = dict(zip(map(id, sides), types_of(_asking(query, sides)), strict=True))
        for node in compared:
            _replace(node, [types[id(side)].dataType for side in _sides(node)])


def _may_be_structs(node: exp.Expr, query: exp.Select) -> bool:
    # What a query sorts by may be a column of its own, which is not there to be asked for its type.
    kinds = exp.Struct if isinstance(node, exp.Ordered) else exp.Column | exp.Struct
    return node.find_ancestor(exp.Select) is query and all(isinstance(side, kinds) for side in _sides(node))


def _sides(node: exp.Expr) -> list[exp.Expr]:
    return [node.this] if isinstance(node, exp.Min | exp.Ordered) else [node.this, node.expression]


def _asking(query: exp.Select, sides: list[exp.Expr]) -> exp.Expr:
    """The query that has what is compared as its columns."""
    asking = query.copy()
    for clause in ("group", "having", "order", "where", "distinct"):
        asking.set(clause, None)
    asking.set("expressions", [exp.alias_(side.copy(), f"c{n}") for n, side in enumerate(sides)])
    outer = query.parent
    while outer is not None and not query.args.get("with_"):
        if outer.args.get("with_"):
            asking.set("with_", outer.args["with_"].copy())
            break
        outer = outer.parent
    return asking


def _replace(node: exp.Expr, types: list[DataType]) -> None:
    if not all(_is_struct(type_) for type_ in types):
        return
    keys = [_key(side, type_) for side, type_ in zip(_sides(node), types, strict=True)]
    if isinstance(node, exp.Min):
        least = exp.Min(this=keys[0])
        node.replace(_value(least, types[0]))
    elif isinstance(node, exp.Ordered):
        node.set("this", keys[0])
    else:
        node.replace(type(node)(this=keys[0], expression=keys[1]))


def _is_struct(type_: DataType) -> bool:
    return type_.typeName() == "struct"


def _key(value: exp.Expr, type_: DataType) -> exp.Expr:
    """A struct in which a missing field is larger than any other; nothing where there is no struct."""
    if not _is_struct(type_):
        return value.copy()
    parts = []
    for number, (field, inner) in enumerate(zip(type_.fields, _fields(value, type_), strict=True)):  # type: ignore[attr-defined]  # it is a struct
        parts += [
            exp.alias_(exp.Is(this=inner.copy(), expression=exp.Null()), f"no{number}"),
            exp.alias_(_key(inner, field.dataType), f"v{number}"),
        ]
    key = exp.Anonymous(this="struct", expressions=parts)
    return key if isinstance(value, exp.Struct) else _unless_null(value, key)


def _fields(value: exp.Expr, type_: DataType) -> list[exp.Expr]:
    if isinstance(value, exp.Struct):
        return [pair.expression for pair in value.expressions]
    names = [exp.to_identifier(field.name, quoted=True) for field in type_.fields]  # type: ignore[attr-defined]
    return [exp.Dot(this=value.copy(), expression=name) for name in names]


def _value(key: exp.Expr, type_: DataType) -> exp.Expr:
    """The struct that a key stands for."""
    if not _is_struct(type_):
        return key.copy()
    fields = [
        exp.alias_(
            _value(exp.Dot(this=key.copy(), expression=exp.to_identifier(f"v{number}")), field.dataType),
            exp.to_identifier(field.name, quoted=True),
        )
        for number, field in enumerate(type_.fields)  # type: ignore[attr-defined]  # it is a struct
    ]
    return _unless_null(key, exp.Anonymous(this="struct", expressions=fields))


def _unless_null(value: exp.Expr, otherwise: exp.Expr) -> exp.Expr:
    there = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
    return exp.Case(ifs=[exp.If(this=there, true=otherwise)])
