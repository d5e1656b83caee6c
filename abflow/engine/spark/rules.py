"""What DuckDB says in its own way, said so that Spark gives the same answer: one rule per form.

sqlglot translates the rest. Each rule takes a node of a statement in DuckDB's dialect, its parts translated already,
and returns what stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp, parse_one

Rule = Callable[[exp.Expr], exp.Expr | None]

_NUMBER = r"\s*[+-]?(\d+(_\d+)*(\.(\d+(_\d+)*)?)?|\.\d+(_\d+)*)([eE][+-]?\d+)?\s*|\s*[+-]?(?i:inf|infinity|nan)\s*"
_TIME = r"\s*\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d?(:\d\d?(\.\d*)?)?(Z| UTC|[+-]\d\d(:?\d\d)?)?\s*)?"
_SPLIT = 2**60  # two numbers of 60 bits hold the 90 of an exact sum


def translated(tree: exp.Expr) -> exp.Expr:
    """A statement in which every form that sqlglot would get wrong is replaced."""
    root = exp.Paren(this=tree)  # so that the outermost node can be replaced too
    for node in reversed(list(tree.walk(bfs=True))):
        rule = _RULES.get(type(node))
        new = rule(node) if rule else None
        if new is not None:
            node.replace(new)
    inner: exp.Expr = root.this
    return inner


def spark(sql: str, **parts: exp.Expr) -> exp.Expr:
    """An expression of Spark; `:name` in it is one of the parts."""
    found = parse_one(sql, read="spark")
    for node in list(found.find_all(exp.Placeholder)):
        node.replace(parts[node.name].copy())
    return found


def _call(node: exp.Expr) -> exp.Expr | None:
    """Functions that sqlglot does not know."""
    name, parts = node.name.lower(), node.expressions
    match name:
        case "epoch_us":
            return spark("unix_micros(cast(:moment as timestamp))", moment=parts[0])
        case "hash":  # only ever compared with others of the same query; 32 bits would collide too often
            return exp.Anonymous(this="xxhash64", expressions=parts)
        case "isfinite":
            return spark("abs(:number) < double('infinity')", number=parts[0])
        case "list_extract":
            return spark("element_at(:list, cast(:place as int))", list=parts[0], place=parts[1])
    return None


def _moment(node: exp.Expr) -> exp.Expr:
    """`make_timestamp(microseconds)` has no zone."""
    return spark("cast(timestamp_micros(:number) as timestamp_ntz)", number=node.this)


def _distance(node: exp.Expr) -> exp.Expr | None:
    if node.text("unit").lower() != "microsecond":
        return None
    ends = (spark("unix_micros(cast(:moment as timestamp))", moment=end) for end in (node.this, node.expression))
    return exp.Paren(this=exp.Sub(this=next(ends), expression=next(ends)))


def _floor(node: exp.Expr) -> exp.Expr:
    """Spark's own is a `bigint`, which large numbers do not fit."""
    return exp.Paren(this=spark(":number - pmod(:number, 1)", number=exp.Paren(this=node.this)))


def _whole_match(node: exp.Expr) -> exp.Expr:
    return _matches(node.this, node.expression.name)


def _percentile(node: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="percentile", expressions=[node.this, node.expression])


def _try_cast(node: exp.Expr) -> exp.Expr | None:
    """Text becomes a value where both engines read it alike, and null where either reads nothing."""
    text = node.this
    match node.args["to"].this:
        case exp.DataType.Type.DOUBLE:
            number = spark("try_cast(replace(cast(:text as string), '_', '') as double)", text=text)
            return _if_text(text, _if(_matches(text, _NUMBER), number), node)
        case exp.DataType.Type.BOOLEAN:
            spelled = spark(
                "case when lower(:text) in ('true', 't', '1', 'yes', 'y') then true "
                "when lower(:text) in ('false', 'f', '0', 'no', 'n') then false end",
                text=spark("cast(:text as string)", text=text),
            )
            return _if_text(text, spelled, node)
        case exp.DataType.Type.TIMESTAMPTZ:
            text = spark("cast(:text as string)", text=text)
            # Spark wants seconds before a zone.
            whole = spark(r"regexp_replace(:text, '([ T]\\d\\d?:\\d\\d?)(?=Z| UTC|[+-])', '$1:00')", text=text)
            return _if(_matches(text, _TIME), spark("try_cast(:text as timestamp)", text=whole))
    return None


def _cast(node: exp.Expr) -> exp.Expr | None:
    match node.args["to"].this:
        case exp.DataType.Type.INT128:
            return _whole(node.this)
        case exp.DataType.Type.UBIGINT if isinstance(text := node.this.unnest(), exp.DPipe):
            # '0x' || sixteen digits
            return spark("cast(conv(:digits, 16, 10) as decimal(20, 0))", digits=text.expression)
        case exp.DataType.Type.DOUBLE if node.this.find(exp.Sum) and isinstance(node.this, exp.Sum | exp.Filter):
            return _nearest(node.this)
        case exp.DataType.Type.TEXT if isinstance(node.this, exp.JSONExtractScalar):
            return node.this
    return None


def _whole(number: exp.Expr) -> exp.Expr:
    """A `hugeint`: half of a digest as a number without sign, or a double rounded to the nearest whole number."""
    if isinstance(number, exp.BitwiseRightShift | exp.BitwiseAnd):
        first = 17 if isinstance(number, exp.BitwiseRightShift) else 1
        text = number.this.expressions[0]
        # DuckDB reads the bytes of a digest from the last to the first.
        pairs = ", ".join(f"substr(md5(:text), {at}, 2)" for at in range(first + 14, first - 1, -2))
        return spark(f"cast(conv(concat({pairs}), 16, 10) as decimal(20, 0))", text=text)
    # Spark would take the shortest decimal number that is read as the double, and not the double itself.
    return spark(
        f"cast(cast(:n / {_SPLIT}D as bigint) as decimal(38, 0)) * {_SPLIT} "
        f"+ cast(rint(:n - cast(cast(:n / {_SPLIT}D as bigint) as double) * {_SPLIT}D) as bigint)",
        n=exp.Paren(this=number),
    )


def _nearest(total: exp.Expr) -> exp.Expr:
    """An exact sum as a double, rounded in the two steps in which DuckDB does it."""
    low = spark(f"pmod(:total, {2**64})", total=total)
    high = spark(f"((:total - :low) div {2**64})", total=total, low=low)
    return spark(
        f"case when :high = -1 then -cast({2**64 - 1} - :low as double) - 1 "
        f"else cast(:low as double) + cast(:high as double) * {float(2**64)!r} end",
        low=low,
        high=high,
    )


def _json_text(node: exp.Expr) -> exp.Expr:
    """Values of JSON are variants here."""
    return spark("cast(:value as string)", value=_json_value(node))


def _json_value(node: exp.Expr) -> exp.Expr:
    keys = [part.name for part in node.expression.expressions if isinstance(part, exp.JSONPathKey)]
    return variant_at(node.this, keys) if keys else node.this


def variant_at(value: exp.Expr, keys: list[str]) -> exp.Expr:
    """What stands in a variant under some keys, one inside the other."""
    path = "$" + "".join(f"[{_quoted(key)}]" for key in keys)
    return exp.Anonymous(
        this="variant_get", expressions=[value.copy(), exp.Literal.string(path), exp.Literal.string("variant")]
    )


def _quoted(key: str) -> str:
    return f"'{key}'" if '"' in key else f'"{key}"'


def _json_type(node: exp.Expr) -> exp.Expr:
    """Only numbers with a fraction are ever asked for."""
    return spark(
        "case when schema_of_variant(:value) like 'DECIMAL%' then 'DOUBLE' else schema_of_variant(:value) end",
        value=node.this,
    )


def _star(node: exp.Expr) -> exp.Expr | None:
    """Spark leaves columns out and adds others; in which order they stand does not matter where this is used."""
    replaced = node.args.get("replace")
    if not replaced or not isinstance(node.parent, exp.Select):
        return None
    node.parent.set("expressions", [*node.parent.expressions, *(alias.copy() for alias in replaced)])
    return exp.Star(except_=[exp.to_identifier(alias.alias, quoted=True) for alias in replaced])


def _matches(text: exp.Expr, pattern: str) -> exp.Expr:
    text = spark("cast(:text as string)", text=text)
    return exp.RegexpLike(this=text, expression=exp.Literal.string(rf"\A(?:{pattern})\z"))


def _if_text(value: exp.Expr, spelled: exp.Expr, otherwise: exp.Expr) -> exp.Expr:
    """Only texts have spellings; whether it is one, Spark knows before it reads any."""
    return spark(
        "case when typeof(:value) = 'string' then :spelled else :otherwise end",
        value=value,
        spelled=spelled,
        otherwise=otherwise,
    )


def _if(condition: exp.Expr, value: exp.Expr) -> exp.Expr:
    return exp.Case(ifs=[exp.If(this=condition, true=value)])


_RULES: dict[type[exp.Expr], Rule] = {
    exp.Anonymous: _call,
    exp.UnixToTime: _moment,
    exp.DateDiff: _distance,
    exp.Floor: _floor,
    exp.RegexpFullMatch: _whole_match,
    exp.PercentileCont: _percentile,
    exp.TryCast: _try_cast,
    exp.Cast: _cast,
    exp.JSONExtractScalar: _json_text,
    exp.JSONExtract: _json_value,
    exp.JSONType: _json_type,
    exp.Star: _star,
}
