"""Templates: plain text with tags; whatever is no tag is text, and values are final."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from whenthen import Action, Effect, Outcome, Refused, Run, option
from whenthen.plan import compile_binding
from whenthen.template import identifiers, render

if TYPE_CHECKING:
    from core.tests.conftest import Lab


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("Hello {user}!", "Hello ann!"),
        ("{user}{user}", "annann"),
        ("{fact:token.failcount} {fact:token.info.Vendor-1}", "3 acme"),
        ("{ user }", "{ user }"), ("{}", "{}"), ("{", "{"), ("}", "}"), ("{{user}}", "{ann}"),
        ("{User}", "{User}"), ("{user", "{user"), ("{user.name}", "{user.name}"),
        ("{user!r}", "{user!r}"), ("{user:>10}", "{user:>10}"), ("{0}", "{0}"),
        ("{user[0]}", "{user[0]}"), ("${user}", "$ann"), ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("{evil}", "{user} {evil}"), ("", ""),
    ],
)  # fmt: skip
def test_render(text: str, rendered: str) -> None:
    values = {
        "user": "ann", "evil": "{user} {evil}", "fact:token.failcount": "3",
        "fact:token.info.Vendor-1": "acme",
    }  # fmt: skip
    assert render(text, values) == rendered


@given(st.text(), st.text())
def test_values_are_never_looked_at_again(before: str, value: str) -> None:
    text = before.replace("{", "") + "{user}"
    assert render(text, {"user": value}) == before.replace("{", "") + value


@given(st.text(alphabet="{}abc:. "))
def test_a_text_without_values_stays_as_it_is(text: str) -> None:
    assert render(text, {}) == text


def test_tags_are_listed_once_in_order() -> None:
    assert identifiers("{b} {a} {b} {fact:x.y} { c } {D}") == ["b", "a", "fact:x.y"]


def test_values_are_escaped_and_the_text_is_not() -> None:
    assert render("<b>{user}</b>", {"user": "<i>"}, lambda _: "safe") == "<b>safe</b>"


@frozen
class Message:
    body: str = option("A text", template=True, tags=("own",), default="")
    lines: tuple[str, ...] = option("Texts", template=True, default=())
    plain: str = option("No template", default="")


def write(run: Run[Message]) -> Outcome:
    return Outcome.done(f"{run.options.body}|{'|'.join(run.options.lines)}|{run.options.plain}")


WRITE = Action("act", write, options=Message, effect=Effect.OBSERVE)


def test_an_unknown_tag_is_refused_when_saved(lab: Lab) -> None:
    engine = lab.build(WRITE)
    options = {"body": "{user} {usr} {fact:token.failcuont} {own}", "lines": ["x", "{nope}"],
               "plain": "{what}"}  # fmt: skip
    with pytest.raises(Refused) as caught:
        compile_binding(lab.binding(options=options), engine.ports.registry, {}, "bindings[0]")
    found = [(problem.path, problem.message.split()[0]) for problem in caught.value.problems]
    assert found == [
        ("bindings[0].options.body", "{usr}"),
        ("bindings[0].options.body", "{fact:token.failcuont}"),
        ("bindings[0].options.lines", "{nope}"),
    ]


def test_rendered_in_an_action_and_empty_tags_are_told(lab: Lab) -> None:
    engine = lab.build(WRITE)
    options = {"body": "{user} {serial} {x", "lines": ["{action}"], "plain": "{user}"}
    lab.bind(engine, lab.binding(options=options))

    @engine.event("op")
    def operation(**_: object) -> None:
        """Do nothing."""

    operation(user="{serial}{action}")
    (record,) = lab.records(engine)
    assert record.detail == "{serial}{action}  {x|op|{user}"
    assert record.empty_tags == ("serial",)
