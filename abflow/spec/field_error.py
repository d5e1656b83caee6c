"""`FieldError`: one field does not fit the others, as a rule finds that reads several of them."""

from __future__ import annotations


class FieldError(ValueError):
    """What is wrong with one field; pydantic carries it to where the file's lines are known.

    Attributes:
        field: The field's path, from the part of the file that the rule belongs to.
        wrong: What was given and what to do, without the field's name.
    """

    def __init__(self, *field: str, wrong: str) -> None:
        super().__init__(f"{'.'.join(field)}: {wrong}")
        self.field = field
        self.wrong = wrong
