"""Options: parsed strictly, every error at once with its path, described as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

import pytest
from attrs import frozen

from whenthen import Refused, option, parse
from whenthen.options import walk
from whenthen.schema import json_schema


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@frozen
class Owner:
    """To the owner."""

    kind: Literal["owner"] = "owner"
    attribute: str = option("Which", default="email")


@frozen
class Addresses:
    """To addresses."""

    kind: Literal["email"] = "email"
    addresses: tuple[str, ...] = option("Where", minimum=1)


@frozen
class Part:
    name: str = option("Its name")
    size: int = option("Its size", minimum=1, maximum=9)


@frozen
class Everything:
    text: str = option("A text", default="")
    number: int = option("A number", default=0)
    ratio: float = option("A ratio", default=0.5)
    flag: bool = option("A flag", default=False)
    when: datetime | None = option("A time", default=None)
    colour: Colour = option("A colour", default=Colour.RED)
    word: Literal["a", "b"] = option("A word", default="a")
    texts: tuple[str, ...] = option("Texts", default=())
    named: Mapping[str, int] = option("Numbers by name", default={})
    maybe: str | None = option("Perhaps", default=None)
    to: Owner | Addresses = option("To whom", default=Owner())
    parts: tuple[Part, ...] = option("Parts", default=())
    shelves: Mapping[str, tuple[Part, ...]] = option("Parts by shelf", default={})


def refused(cls: type, raw: object, path: str = "") -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        parse(cls, raw, path)
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("field", "good"),
    [
        ("text", "x"), ("number", -3), ("ratio", 1), ("ratio", 1.5), ("flag", True),
        ("when", "2026-01-31T12:00+01:00"), ("colour", "blue"), ("word", "b"),
        ("texts", ["a", "b"]), ("named", {"a": 1}), ("maybe", None), ("maybe", "x"),
        ("to", {"kind": "owner"}), ("to", {"kind": "email", "addresses": ["a@b"]}),
        ("parts", [{"name": "x", "size": 1}]), ("shelves", {"top": [{"name": "x", "size": 9}]}),
    ],
)  # fmt: skip
def test_accepts(field: str, good: object) -> None:
    assert getattr(parse(Everything, {field: good}), field) is not Ellipsis
    # Given or not, nothing else changes.
    others = parse(Everything, {})
    for name in ("text", "number", "flag"):
        if name != field:
            assert getattr(parse(Everything, {field: good}), name) == getattr(others, name)


def test_values_arrive_with_their_types() -> None:
    parsed = parse(
        Everything,
        {
            "when": "2026-01-31T12:00+00:00", "colour": "blue", "texts": ["a"], "ratio": 2,
            "to": {"kind": "email", "addresses": ["a@b"]}, "parts": [{"name": "x", "size": 2}],
        },
    )  # fmt: skip
    assert parsed.when == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parsed.colour is Colour.BLUE
    assert parsed.texts == ("a",)
    assert isinstance(parsed.ratio, float)
    assert parsed.to == Addresses(addresses=("a@b",))
    assert parsed.parts == (Part(name="x", size=2),)


@pytest.mark.parametrize(
    ("field", "bad", "expected"),
    [
        ("text", 1, "a text"), ("text", None, "a text"), ("text", ["x"], "a text"),
        ("number", "1", "a whole number"), ("number", True, "a whole number"),
        ("number", 1.0, "a whole number"), ("number", None, "a whole number"),
        ("ratio", "0.5", "a number"), ("ratio", True, "a number"),
        ("ratio", float("nan"), "a number"), ("ratio", float("inf"), "a number"),
        ("flag", "false", "true or false"), ("flag", "true", "true or false"),
        ("flag", 0, "true or false"), ("flag", 1, "true or false"),
        ("when", "2026-01-31T12:00", "a time"), ("when", "tomorrow", "a time"),
        ("when", 1700000000, "a time"),
        ("colour", "green", "red, blue"), ("colour", "RED", "red, blue"), ("colour", 1, "red"),
        ("word", "c", "a, b"), ("word", None, "a, b"),
        ("texts", "ab", "a list"), ("texts", {"a": 1}, "a list"), ("texts", None, "a list"),
        ("named", ["a"], "a mapping"), ("named", "a", "a mapping"),
        ("maybe", 1, "a text"),
        ("to", "owner", "a mapping"), ("to", {}, "`kind`"), ("to", {"kind": "nobody"}, "`kind`"),
        ("to", {"kind": ["owner"]}, "`kind`"),
        ("parts", {"name": "x"}, "a list"),
    ],
)  # fmt: skip
def test_refuses_what_has_another_type(field: str, bad: object, expected: str) -> None:
    problems = refused(Everything, {field: bad})
    assert list(problems) == [field]
    assert expected in problems[field]


def test_every_error_at_once_each_with_its_path() -> None:
    problems = refused(
        Everything,
        {
            "text": 1,
            "flag": "false",
            "texts": ["a", 2, "c", None],
            "named": {"x": "1", "y": 2},
            "to": {"kind": "email", "addresses": [], "extra": 1},
            "parts": [{"name": "x", "size": 10}, "no", {"size": "big", "colour": 1}],
            "shelves": {"top": [{"name": "x", "size": 0}]},
            "unknown": 1,
        },
        "bindings[2].options",
    )
    assert set(problems) == {
        "bindings[2].options." + path
        for path in (
            "text", "flag", "texts[1]", "texts[3]", "named.x", "to.addresses", "to.extra",
            "parts[0].size", "parts[1]", "parts[2].name", "parts[2].size", "parts[2].colour",
            "shelves.top[0].size", "unknown",
        )
    }  # fmt: skip
    assert problems["bindings[2].options.parts[2].name"] == "is required"
    assert "known are" in problems["bindings[2].options.unknown"]


@pytest.mark.parametrize("raw", [None, [], "x", 1, True])
def test_the_whole_must_be_a_mapping(raw: object) -> None:
    assert refused(Part, raw, "here") == {"here": refused(Part, raw)[""]}


@frozen
class Bounds:
    number: int = option(default=5, minimum=2, maximum=8)
    text: str = option(default="abc", minimum=2, maximum=4)
    texts: tuple[str, ...] = option(default=("a",), minimum=1, maximum=2)
    name: str = option(default="ab", pattern="[a-z]+")


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("number", [2, 8], [1, 9, -5]),
        ("text", ["ab", "abcd"], ["a", "abcde", ""]),
        ("texts", [["a"], ["a", "b"]], [[], ["a", "b", "c"]]),
        ("name", ["abc"], ["", "a1", "a\n", "A"]),
    ],
)
def test_bounds_and_patterns(field: str, good: list[object], bad: list[object]) -> None:
    for value in good:
        assert getattr(parse(Bounds, {field: value}), field) is not None
    for value in bad:
        assert list(refused(Bounds, {field: value})) == [field], value


@frozen
class Server:
    host: str = option("Where")
    password: str | None = option("The password", secret=True, default=None)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [({"env": "PASSWORD"}, "env:PASSWORD"), ({"file": "/run/x"}, "file:/run/x"), (None, None)],
)
def test_a_secret_is_a_reference(raw: object, kept: str | None) -> None:
    assert parse(Server, {"host": "x", "password": raw}).password == kept


@pytest.mark.parametrize(
    "raw",
    ["hunter2", "env:X", {}, {"env": ""}, {"env": 1}, {"env": "A", "file": "b"}, {"vault": "x"}, 7],
)
def test_a_secret_itself_is_refused_and_not_repeated(raw: object) -> None:
    problems = refused(Server, {"host": "x", "password": raw})
    assert list(problems) == ["password"]
    assert "hunter2" not in problems["password"]


def test_defaults_are_not_shared() -> None:
    @frozen
    class Listed:
        named: dict[str, object] = option(default={"a": []})

    first, second = Listed(), Listed()
    first.named["b"] = 1
    assert second.named == {"a": []}


def test_walk_reaches_options_of_nested_classes() -> None:
    parsed = parse(Everything, {"to": {"kind": "email", "addresses": ["a@b"]},
                                "parts": [{"name": "x", "size": 1}]})  # fmt: skip
    walked = {path: value for path, _, value in walk(parsed, "options")}
    assert walked["options.to.addresses"] == ("a@b",)
    assert walked["options.parts.size"] == 1


def valid(schema: Mapping[str, Any], value: object) -> bool:
    """Say what JSON Schema says, for the words that json_schema uses."""
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
        "number": (int, float), "null": type(None),
    }  # fmt: skip
    kind = schema.get("type")
    if kind is not None and (
        not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean")
    ):
        return False
    if "anyOf" in schema and not any(valid(one, value) for one in schema["anyOf"]):
        return False
    if ("enum" in schema and value not in schema["enum"]) or (
        "const" in schema and value != schema["const"]
    ):
        return False
    size = len(value) if isinstance(value, str | list | dict) else value
    for word in ("minimum", "minLength", "minItems", "minProperties"):
        if word in schema and size < schema[word]:
            return False
    for word in ("maximum", "maxLength", "maxItems", "maxProperties"):
        if word in schema and size > schema[word]:
            return False
    if isinstance(value, list) and "items" in schema:
        return all(valid(schema["items"], item) for item in value)
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return (
            all(key in value for key in schema.get("required", ()))
            and all(key in known for key in value)
            and all(valid(known[key], item) for key, item in value.items())
        )
    if isinstance(value, dict) and "additionalProperties" in schema:
        return all(valid(schema["additionalProperties"], item) for item in value.values())
    return True


@pytest.mark.parametrize(
    "raw",
    [
        {}, {"text": "x"}, {"text": 1}, {"flag": "false"}, {"flag": True}, {"number": True},
        {"number": 1}, {"ratio": 1}, {"ratio": "1"}, {"texts": ["a"]}, {"texts": "a"},
        {"texts": [1]}, {"named": {"a": 1}}, {"named": {"a": "1"}}, {"maybe": None}, {"maybe": 1},
        {"colour": "red"}, {"colour": "green"}, {"word": "b"}, {"word": "x"},
        {"to": {"kind": "owner"}}, {"to": {"kind": "owner", "attribute": "x"}}, {"to": {}},
        {"to": {"kind": "email"}}, {"to": {"kind": "email", "addresses": ["a"]}},
        {"to": {"kind": "email", "addresses": []}}, {"to": {"kind": "x"}}, {"unknown": 1},
        {"parts": [{"name": "x", "size": 1}]}, {"parts": [{"name": "x", "size": 0}]},
        {"parts": [{"name": "x"}]}, {"shelves": {"a": [{"name": "x", "size": 10}]}},
        {"shelves": {"a": []}},
    ],
)  # fmt: skip
def test_the_schema_accepts_what_parsing_accepts(raw: dict[str, object]) -> None:
    try:
        parse(Everything, raw)
        parsed = True
    except Refused:
        parsed = False
    assert valid(json_schema(Everything), raw) is parsed


def test_the_schema_of_a_secret_takes_references_only() -> None:
    schema = json_schema(Server)
    assert schema["required"] == ["host"]
    for raw, good in (({"env": "X"}, True), ({"file": "x"}, True), ("x", False), ({}, False),
                      ({"env": "X", "file": "y"}, False)):  # fmt: skip
        assert valid(schema, {"host": "h", "password": raw}) is good
    assert schema["properties"]["password"]["x-secret"] is True


def test_the_schema_says_what_a_form_needs() -> None:
    @frozen
    class Form:
        body: str = option("The body", template=True, default="x", shown_when={"to": "email"})
        size: int = option("Its size", minimum=1, maximum=5)
        choice: str = option(choices=lambda: ["a", "b"])
        name: str = option(default="n", pattern="[a-z]+", maximum=9)

    schema = json_schema(Form)
    properties = schema["properties"]
    assert properties["body"] == {
        "type": "string", "description": "The body", "default": "x",
        "x-template": True, "x-shown-when": {"to": "email"},
    }  # fmt: skip
    assert properties["size"] == {
        "type": "integer", "description": "Its size", "minimum": 1, "maximum": 5,
    }  # fmt: skip
    assert properties["choice"]["x-choices"] == ["a", "b"]
    assert properties["name"]["maxLength"] == 9
    assert schema["required"] == ["size", "choice"]


def test_no_options_is_an_empty_object() -> None:
    assert valid(json_schema(None), {})
    assert not valid(json_schema(None), {"a": 1})
