"""Configuration files: refused as a whole with every error, or applied; versions and rollback."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whenthen import Action, Effect, Engine, Outcome, Refused, Resource, option
from whenthen.binding import Binding, ResourceConfig, as_written
from whenthen.configuration import Configuration, StepKind, check, difference, export, read
from whenthen.errors import NotFound
from whenthen.parsing import parse
from whenthen.yaml_file import dump_yaml, load_yaml

if TYPE_CHECKING:
    from core.tests.conftest import Lab


@frozen
class Server:
    """A server."""

    host: str = option("Where")
    password: str | None = option("The password", secret=True, default=None)


@frozen
class Send:
    """Send."""

    server: str = option("Through which", resource=Server)
    body: str = option("What", template=True, default="")


ACTIONS = [
    Action("act", lambda _: Outcome.done(), options=Send, effect=Effect.EXTERNAL),
    Action("bare", lambda _: Outcome.done(), effect=Effect.OBSERVE, positions=["post"]),
]
GOOD = """
resources:
  - {name: themis, kind: server, options: {host: h, password: {env: PW}}}
bindings:
  - name: one
    events: [op]
    position: post
    handler: lab
    action: act
    conditions: [{tokentype: [hotp]}]
    options: {server: themis, body: "{user}"}
"""


@pytest.fixture
def engine(lab: Lab) -> Engine:
    return lab.build(*ACTIONS, resources=[Resource("server", Server)])


def refusal(text: str) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read(text)
    return {problem.path: problem.message for problem in caught.value.problems}


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "duplicate key"),
        ("bindings:\n  - {name: a, name: b}", "duplicate key"),
        (BOMB, "aliases"),
        ("a: &a [*a]", "aliases"),
        ("a: &a {b: {c: *a}}", "aliases"),
        ("[" * 31 + "]" * 31, "nested deeper"),
        ("[" * 100_000, "nested deeper"),
        ("{a: " * 40 + "1" + "}" * 40, "nested deeper"),
        ("1: a", "is no text"),
        ("bindings: [{true: a}]", "is no text"),
        ("~: a", "is no text"),
        ("[a]: b", ""),
        ("bindings: [", "is not YAML"),
        ("a: b: c", "is not YAML"),
        ("a: \tb\n\t- c", "is not YAML"),
        ("a: !!python/object/apply:os.system [x]", "is not YAML"),
        ("a: !unknown x", "is not YAML"),
        ("a: *nothing", "is not YAML"),
        ("a: 1\n---\nb: 2", "is not YAML"),
        ("a: !!binary aGk=", "cannot be configured"),
        ("a: !!set {x}", "cannot be configured"),
        ("a: !!bool perhaps", ""),
        ("a: !!int many", ""),
        ("a: !!timestamp soon", ""),
        ("a: 2026-13-45", ""),
        ("a: \x00", ""),
    ],
    ids=lambda value: str(value)[:20].encode("unicode_escape").decode(),
)
def test_a_file_that_is_refused_before_its_form_is_looked_at(text: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        load_yaml(text)
    assert said in str(caught.value)


def test_a_duplicate_key_is_told_with_its_line() -> None:
    assert list(refusal("bindings: []\nbindings: []")) == ["line 2, column 1"]


@pytest.mark.parametrize("text", ["{}", "bindings:", "bindings: []"])
def test_nothing_is_a_configuration(text: str) -> None:
    assert read(text) == Configuration()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "[]",
        "x",
        "1",
        "bindings: {}",
        "bindings: x",
        "bindings: false",
        "bindings: 0",
    ],
)
def test_another_form_is_refused(text: str) -> None:
    assert refusal(text)


def test_every_error_of_the_form_at_once() -> None:
    assert set(
        refusal("""
other: 1
resources: [{name: r}]
bindings:
  - {name: A b, events: [], position: after, handler: x, action: y, colour: red}
  - {name: two, events: op, position: post, handler: x, action: y, active: "false", order: "1"}
  - {name: two, events: [op], position: post, handler: x, action: y, conditions: {realm: a}}
  - {name: two, events: [op], position: post, handler: x, action: y}
  - {name: two, events: [op], position: post, handler: x, action: y}
  - text
""")
    ) == {
        "other", "resources[0].kind", "bindings[0].name", "bindings[0].events",
        "bindings[0].position", "bindings[0].colour", "bindings[1].events", "bindings[1].active",
        "bindings[1].order", "bindings[2].conditions", "bindings[2].name", "bindings[3].name",
        "bindings[4].name", "bindings[5]",
    }  # fmt: skip


def steps(engine: Engine, lab: Lab, text: str, *, prune: bool = False) -> list[tuple[str, str]]:
    """Plan and apply, as the command does."""
    store = lab.store(engine)
    _, bindings, resources = store.load()
    found = difference(
        Configuration.of(bindings, resources), read(text), engine.ports.registry, prune=prune
    )
    put = [step.thing for step in found if step.kind in (StepKind.CREATE, StepKind.CHANGE)]
    delete = [step.thing for step in found if step.kind is StepKind.DELETE]
    if put or delete:
        store.change(put=put, delete=delete, who="tester")
    return [(step.kind.value, step.thing.name) for step in found]


def exported(engine: Engine, lab: Lab) -> str:
    _, bindings, resources = lab.store(engine).load()
    return export(Configuration.of(bindings, resources))


def test_apply_export_apply(engine: Engine, lab: Lab) -> None:
    store = lab.store(engine)
    assert steps(engine, lab, GOOD) == [("create", "themis"), ("create", "one")]
    revision = store.revision()
    assert steps(engine, lab, GOOD) == []
    assert steps(engine, lab, exported(engine, lab), prune=True) == []
    assert store.revision() == revision
    assert "hunter2" not in exported(engine, lab)


def test_every_error_of_the_meaning_at_once_and_nothing_is_applied(
    engine: Engine, lab: Lab
) -> None:
    wrong = GOOD.replace("[op]", "[op, opp]").replace("tokentype", "tokntype").replace(
        "body: \"{user}\"", "body: \"{usr}\", extra: 1") + """
  - {name: b, events: [op], position: post, handler: nowhere, action: act}
  - {name: c, events: [op], position: pre, handler: lab, action: bare, mode: inline}
  - {name: d, events: [op], position: post, handler: lab, action: act, options: {server: zeus}}
  - {name: e, events: [op], position: post, handler: lab, action: nothing}
  - {name: f, events: [op], position: post, handler: lab, action: act}
"""  # fmt: skip
    with pytest.raises(Refused) as caught:
        steps(engine, lab, wrong.replace("kind: server", "kind: server, description: x").replace(
            "{host: h, ", "{"))  # fmt: skip
    assert {problem.path for problem in caught.value.problems} == {
        "resources[0].options.host", "bindings[0].events[1]", "bindings[0].conditions[0].tokntype",
        "bindings[0].options.extra", "bindings[1].handler", "bindings[2].position",
        "bindings[2].mode", "bindings[3].options.server", "bindings[4].action",
        "bindings[5].options.server",
    }  # fmt: skip
    assert lab.store(engine).load() == (0, [], [])


def test_prune(engine: Engine, lab: Lab) -> None:
    steps(engine, lab, GOOD)
    assert steps(engine, lab, "{}") == [("keep", "themis"), ("keep", "one")]
    only_binding = GOOD[GOOD.index("bindings:") :]
    with pytest.raises(Refused) as caught:
        steps(engine, lab, only_binding, prune=True)
    assert "resources.themis" in str(caught.value) or "server" in str(caught.value)
    assert len(lab.store(engine).load()[2]) == 1
    assert steps(engine, lab, "bindings: []", prune=True) == [
        ("delete", "themis"), ("delete", "one"),
    ]  # fmt: skip
    assert lab.store(engine).load()[1:] == ([], [])


def test_a_change_names_its_fields(engine: Engine, lab: Lab) -> None:
    steps(engine, lab, GOOD)
    _, bindings, resources = lab.store(engine).load()
    changed = read(GOOD + "    order: 3\n    active: false\n")
    (step,) = difference(Configuration.of(bindings, resources), changed, engine.ports.registry)
    assert (step.kind, step.fields) == (StepKind.CHANGE, ("active", "order"))


def test_every_change_is_a_version_and_rollback_is_one_too(engine: Engine, lab: Lab) -> None:
    store = lab.store(engine)
    first = lab.binding(order=1)
    second = lab.binding(order=2)
    store.change(put=[first], who="ann")
    store.change(put=[second], who="bob")
    store.set_active("one", False, who="cyd")
    store.change(delete=[first], who="dan")
    store.change(put=[store.version("one", 1)], who="eve", change="back to 1")
    assert [(v.version, v.who, v.change) for v in store.history("one")] == [
        (5, "eve", "back to 1"), (4, "dan", "deleted"), (3, "cyd", "disabled"),
        (2, "bob", "changed"), (1, "ann", "created"),
    ]  # fmt: skip
    assert store.get("one") == first
    assert store.revision() == 5
    assert all(v.at.tzinfo is not None for v in store.history("one"))
    for missing in (lambda: store.version("one", 4), lambda: store.version("one", 9),
                    lambda: store.get("two"), lambda: store.history("two"),
                    lambda: store.set_active("two", True, who="x")):  # fmt: skip
        with pytest.raises(NotFound):
            missing()
    assert store.revision() == 5


names = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40
) | st.sampled_from(["true", "null", "1", "1e3", "0x1", "yes", "~", "2026-01-01", "a: b", "# x",
                     " x ", "x\n\ny\n",
                     "-", "&a", "*a", "!t", "<<", "=", "'", '"', ""])  # fmt: skip
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(values)
@settings(max_examples=100, deadline=None)
def test_what_is_written_as_yaml_reads_the_same(value: object) -> None:
    assert load_yaml(dump_yaml({"v": value})) == {"v": value}


@given(
    st.dictionaries(names, st.fixed_dictionaries({"description": texts, "options":
        st.dictionaries(texts, values, max_size=3), "order": st.integers(-9, 9),
        "active": st.booleans()}), max_size=3)
)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_export_then_read_is_the_same_configuration(things: dict[str, Any]) -> None:
    usual = {"events": ["op"], "position": "pre", "handler": "h", "action": "a"}
    bindings = [parse(Binding, {"name": name} | usual | more) for name, more in things.items()]
    resources = [ResourceConfig(name=name, kind="k") for name in things]
    before = Configuration.of(bindings, resources)
    assert read(export(before)) == before


@given(st.text(alphabet=string.printable, max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_a_file_says_it_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except Refused as refused:
        assert refused.problems  # noqa: PT017  # nothing else may be raised


def test_what_has_its_default_is_not_written(lab: Lab) -> None:
    assert set(as_written(lab.binding())) == {"name", "events", "position", "handler", "action"}


def test_errors_of_the_form_hide_no_error_of_the_meaning(engine: Engine, lab: Lab) -> None:
    text = """
bindings:
  - {name: one, events: [nowhere], position: after, handler: nobody, action: act, order: "1",
     conditions: [{tokntype: x}]}
  - {name: two, events: [op], position: post, handler: lab, action: act,
     conditions: [{fact: {no.such: 1}}], options: {server: none_such}, active: maybe}
  - {name: two, events: [op], position: post, handler: nobody, action: act}
  - {events: [nowhere]}
"""
    _, bindings, resources = lab.store(engine).load()
    with pytest.raises(Refused) as caught:
        check(text, Configuration.of(bindings, resources), engine.ports.registry)
    assert {problem.path for problem in caught.value.problems} >= {
        "bindings[0].position", "bindings[0].order", "bindings[0].events[0]",
        "bindings[0].handler", "bindings[0].conditions[0].tokntype", "bindings[1].active",
        "bindings[1].conditions[0].fact.no.such", "bindings[2].name", "bindings[2].handler",
        "bindings[3].name", "bindings[3].handler", "bindings[3].events[0]",
    }  # fmt: skip
