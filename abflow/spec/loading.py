"""Reading an experiment file, and saying precisely what is wrong with it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from abflow.errors import SpecError
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec, json_schema
from abflow.spec.field_error import FieldError
from abflow.spec.support import not_yet

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C loader is ten times faster
_Path = tuple[str | int, ...]

# A YAML alias may stand for itself or for a thousand times its size.
MOST_LEVELS = 20
MOST_FIELDS = 10_000


def load_experiment(path: Path) -> ExperimentSpec:
    """Read one experiment file.

    Raises:
        SpecError: The file cannot be read, is not YAML, or does not describe an experiment.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SpecError(f"{path}: there is no such file; give an experiment's name or the path of its file") from error
    except IsADirectoryError as error:
        raise SpecError(f"{path}: is a directory; give an experiment's name or the path of its file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    spec = parse_experiment(text, source=str(path))
    if path.stem != spec.experiment:
        raise SpecError(
            f"{path}: experiment is {spec.experiment!r}, but the file is named {path.name!r}; "
            f"rename it to {spec.experiment}.yaml, so that nobody can have two files of one name"
        )
    return spec


def parse_experiment(text: str, *, source: str = "experiment") -> ExperimentSpec:
    """Turn the text of an experiment file into a spec; see `load_experiment`."""
    raw, lines = _read_yaml(text, source)
    try:
        spec = ExperimentSpec.model_validate(raw)
        _ = calendar_of(spec).last
    except ValidationError as error:
        problems = [_explain(problem, lines, source) for problem in error.errors()]
        raise SpecError("\n".join(problems)) from error
    except OverflowError as error:
        raise SpecError(f"{source}: phases: the last day lies beyond the end of the calendar") from error
    except FieldError as error:
        raise SpecError(_place(source, lines, error.field) + error.wrong) from error
    missing = not_yet(spec)
    if missing:
        raise SpecError("\n".join(_place(source, lines, field) + f"{note}" for field, note in missing))
    return spec


def _read_yaml(text: str, source: str) -> tuple[dict[str, Any], dict[_Path, int]]:
    try:
        node = yaml.compose(text, Loader=_Loader)
    except RecursionError as error:
        raise SpecError(f"{source}: not valid YAML: it is nested too deeply") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(node, yaml.MappingNode):
        raise SpecError(f"{source}: an experiment file is a mapping that begins with `experiment: <name>`")
    lines: dict[_Path, int] = {}
    _walk(node, (), lines, source)
    loader = _Loader("")
    try:
        return loader.construct_document(node), lines
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # the latter two by tags such as !!bool
        raise SpecError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error
    finally:
        loader.dispose()


def _walk(node: yaml.Node, path: _Path, lines: dict[_Path, int], source: str) -> None:
    """Note the line of every field, and refuse what YAML would let pass in silence."""
    lines[path] = node.start_mark.line + 1
    if len(path) > MOST_LEVELS:
        raise SpecError(f"{source}:{lines[path]}: nested too deeply; an experiment has at most {MOST_LEVELS} levels")
    if len(lines) > MOST_FIELDS:
        raise SpecError(f"{source}:{lines[path]}: too many fields; an experiment has at most {MOST_FIELDS}")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "of a field, a list or a mapping,"
                raise SpecError(f"{source}:{line}: the name {shown} is not text in YAML; put it in quotes")
            if (*path, key.value) in lines:
                raise SpecError(f"{source}:{line}: {key.value!r} stands twice; keep one of them")
            _walk(value, (*path, key.value), lines, source)
            lines[*path, key.value] = line
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, source)
    elif node.tag == "tag:yaml.org,2002:timestamp":
        try:
            yaml.SafeLoader("").construct_object(node)
        except (ValueError, AttributeError) as error:  # the latter by !!timestamp before any text
            wrong = f"{node.value!r} is no day of the calendar"
            raise SpecError(f"{source}:{lines[path]}: {'.'.join(map(str, path))}: {wrong}") from error


def _explain(problem: Any, lines: dict[_Path, int], source: str) -> str:
    place = _in_file(lines, problem["loc"])
    match problem["type"], problem.get("ctx", {}).get("error"):
        case "missing", _:
            place, wrong = (*place, problem["loc"][-1]), "is missing"
        case "extra_forbidden", _:
            wrong = f"there is no such field{_hint(str(place[-1]))}"
        case "value_error", FieldError() as error:
            place, wrong = (*place, *error.field), error.wrong
        case "value_error", error:
            wrong = str(error)
        case kind, _ if kind.startswith("date_"):
            wrong = f"is no date; write it as 2026-10-01, without a time, given {str(problem['input'])!r}"
        case _:
            given = problem["input"]
            shown = "" if isinstance(given, dict | list) else f", given {given!r}"
            wrong = f"{problem['msg'][0].lower()}{problem['msg'][1:]}{shown}"
    return _place(source, lines, place) + wrong


def _in_file(lines: dict[_Path, int], location: _Path) -> _Path:
    """A place as the file names it: pydantic also names the chosen model of a union, which the file does not have."""
    known: _Path = ()
    for part in location:
        if (*known, part) in lines:
            known = (*known, part)
    return known


def _hint(field: str) -> str:
    close = difflib.get_close_matches(field, _field_names(), n=1)
    return f"; did you mean {close[0]!r}?" if close else "; see `abflow schema` for the fields there are"


def _field_names() -> list[str]:
    """Every field name that can stand anywhere in the file."""
    schema = json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({name for part in parts for name in part.get("properties", {})})


def _place(source: str, lines: dict[_Path, int], field: _Path) -> str:
    """The file, the line of the field or of the deepest part around it that the file has, and the field."""
    line = next(lines[field[:depth]] for depth in range(len(field), -1, -1) if field[:depth] in lines)
    name = ".".join(map(str, field))
    return f"{source}:{line}: {name + ': ' if name else ''}"
