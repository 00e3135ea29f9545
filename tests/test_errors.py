import pytest

from projgan import errors
from projgan.errors import ProjganError, UsageError, choose_from, printable


def test_message_has_what_where_safe_and_next() -> None:
    error = UsageError("it broke", where="a.png", safe="all", next_command="try again")
    assert str(error).splitlines() == ["it broke", "where: a.png", "safe:  all", "next:  try again"]
    assert error.as_dict() == {
        "error": "it broke",
        "where": "a.png",
        "safe": "all",
        "next": "try again",
        "exit_code": 2,
    }


def test_message_never_exceeds_six_lines() -> None:
    error = ProjganError("\n".join(map(str, range(50))), where="x")
    assert len(error.lines()) == 6


def test_control_characters_never_reach_the_terminal() -> None:
    assert printable("a\x1b[31m\u202e\udcff\nb") == "a\\x1b[31m\\u202e\\udcff\\nb"
    assert "\x1b" not in str(UsageError("name \x1b[2J", where="\x07"))


def test_unknown_name_lists_the_known_ones() -> None:
    assert str(choose_from("preset", "x", ("a", "b"))) == "unknown preset 'x'; known: a, b"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("UsageError", 2),
        ("DataError", 3),
        ("CheckpointError", 4),
        ("ResourceError", 5),
        ("DivergedError", 6),
        ("BusyError", 8),
        ("RefusedError", 9),
    ],
)
def test_exit_codes_are_the_documented_ones(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code
