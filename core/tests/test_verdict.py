"""Kleene's logic over random trees, against its definition; facts resolved lazily and once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import svcs
from hypothesis import given
from hypothesis import strategies as st

from whenthen import Event, Fact, Missing, Position, Scope, Sourced, Verdict
from whenthen.facts import Facts, Known
from whenthen.registry import Registry
from whenthen.services import HostServices
from whenthen.verdict import Clause, Group, Junction, Node, evaluate

if TYPE_CHECKING:
    from core.tests.conftest import World

VALUES = {"yes": 1.0, "perhaps": 0.5, "no": 0.0}
VERDICTS = {1.0: Verdict.MET, 0.5: Verdict.UNKNOWN, 0.0: Verdict.UNMET}


def resolver(value: object) -> Callable[[Scope], object]:
    def resolve(_: Scope) -> object:
        if value is None:
            raise Missing("Nobody knows.")
        return value

    return resolve


FACTS = Registry(
    facts={
        name: Fact(name, bool, resolver(value))
        for name, value in (("yes", True), ("no", False), ("perhaps", None))
    }
)


def facts(registry: Registry = FACTS) -> Facts:
    return Facts(Event("op", Position.POST), registry, HostServices.of(svcs.Registry()))


def clause(name: str, cost: int = 1) -> Clause:
    return Clause(name, name, lambda value, _: bool(value), cost)


leaves = st.builds(clause, st.sampled_from(sorted(VALUES)), st.integers(0, 3))


def groups(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Group]:
    many = st.lists(children, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Group, st.sampled_from([Junction.ALL, Junction.ANY]), many),
        st.builds(Group, st.just(Junction.NOT), st.tuples(children)),
    )


trees: st.SearchStrategy[Node] = st.recursive(leaves, groups, max_leaves=20)


def kleene(node: Node) -> float:
    """Kleene's strong logic: and is the least, or the greatest, not the distance from 1."""
    if isinstance(node, Clause):
        return VALUES[node.fact]
    values = [kleene(child) for child in node.children]
    match node.junction:
        case Junction.ALL:
            return min(values, default=1.0)
        case Junction.ANY:
            return max(values, default=0.0)
        case _:
            return 1 - values[0]


def verdict(node: Node) -> Verdict | None:
    return evaluate(node, facts()).verdict


def group(junction: Junction, *children: Node) -> Group:
    return Group(junction, children)


@given(trees)
def test_evaluation_is_kleenes_logic(tree: Node) -> None:
    assert verdict(tree) is VERDICTS[kleene(tree)]


@given(trees)
def test_not_twice_is_nothing(tree: Node) -> None:
    twice = group(Junction.NOT, group(Junction.NOT, tree))
    assert verdict(twice) is verdict(tree)
    if verdict(tree) is Verdict.UNKNOWN:
        assert verdict(group(Junction.NOT, tree)) is Verdict.UNKNOWN


@given(trees, trees)
def test_de_morgan(one: Node, two: Node) -> None:
    negated = [group(Junction.NOT, one), group(Junction.NOT, two)]
    assert verdict(group(Junction.NOT, group(Junction.ALL, one, two))) is verdict(
        group(Junction.ANY, *negated)
    )
    assert verdict(group(Junction.NOT, group(Junction.ANY, one, two))) is verdict(
        group(Junction.ALL, *negated)
    )


@given(trees, trees, trees)
def test_order_and_nesting_do_not_matter(one: Node, two: Node, three: Node) -> None:
    for junction in (Junction.ALL, Junction.ANY):
        flat = verdict(group(junction, one, two, three))
        assert flat is verdict(group(junction, three, one, two))
        assert flat is verdict(group(junction, one, group(junction, two, three)))


@given(trees)
def test_there_is_a_finding_for_every_child_in_the_order_written(tree: Node) -> None:
    if isinstance(tree, Group):
        found = evaluate(tree, facts())
        wanted = [c.text if isinstance(c, Clause) else str(c.junction) for c in tree.children]
        assert [finding.clause for finding in found.children] == wanted


def counting(value: object, calls: list[str], name: str) -> Callable[[Scope], object]:
    def resolve(_: Scope) -> object:
        calls.append(name)
        if isinstance(value, BaseException):
            raise value
        return value

    return resolve


@pytest.mark.parametrize("value", [3, Missing("gone"), ValueError("hunter2"), "wrong type", None])
def test_a_fact_is_resolved_once_whatever_comes_of_it(value: object) -> None:
    calls: list[str] = []
    registry = Registry(facts={"n": Fact("n", int, counting(value, calls, "n"))})
    ours = facts(registry)
    first, second = ours.resolve("n"), ours.resolve("n")
    assert first is second
    assert calls == ["n"]
    assert isinstance(first, Known if value == 3 else Missing)
    assert "hunter2" not in str(first)


def test_a_wrong_type_is_unknown_and_says_so() -> None:
    registry = Registry(facts={"n": Fact("n", int, lambda _: "3")})
    found = facts(registry).resolve("n")
    assert isinstance(found, Missing)
    assert found.sentence == "n should be int but is str."


def test_facts_that_depend_on_each_other_in_a_circle_are_unknown() -> None:
    registry = Registry(
        facts={
            "a": Fact("a", int, lambda scope: scope.fact("b")),
            "b": Fact("b", int, lambda scope: scope.fact("c") + 1),
            "c": Fact("c", int, lambda scope: scope.fact("a")),
            "d": Fact("d", int, lambda scope: scope.fact("d")),
        }
    )
    ours = facts(registry)
    for name in "abcd":
        found = ours.resolve(name)
        assert isinstance(found, Missing), name
        assert "depends on itself" in found.sentence


def test_an_undeclared_fact_is_unknown() -> None:
    assert isinstance(facts().resolve("nothing"), Missing)
    with pytest.raises(Missing, match="declares"):
        facts().fact("nothing")


def test_the_source_passes_on_to_facts_made_of_it() -> None:
    calls: list[str] = []
    registry = Registry(
        facts={
            "base": Fact("base", dict, counting(Sourced({"k": "v"}, "the mail"), calls, "base")),
            "size": Fact("size", int, lambda scope: len(scope.fact("base"))),
            "plain": Fact("plain", int, lambda _: 1),
        }
    )
    ours = facts(registry)
    assert ours.resolve("size") == Known(1, "the mail")
    assert ours.resolve("base.k") == Known("v", "the mail")
    assert ours.resolve("plain") == Known(1, "")
    assert isinstance(ours.resolve("base.absent"), Missing)
    assert calls == ["base"]


@pytest.mark.parametrize(
    ("given_", "source"),
    [
        ({"serial": "A1", "parameters": {"serial": "A1"}}, "serial from the request"),
        ({"serial": "A1", "body": {"detail": {"serial": "A1"}}}, "serial from the response"),
        ({"serial": "A1", "parameters": {"user": "A1"}}, "serial from the response"),
        ({"user": "ann"}, "the user's only token"),
    ],
)
def test_where_the_token_came_from(
    given_: dict[str, Any], source: str, world: World, registry: Registry,
    new_event: Callable[..., Event],
) -> None:  # fmt: skip
    from whenthen import UserRef

    ann = UserRef("ann", "sales")
    if "user" in given_:
        given_ = given_ | {"user": ann}
    world.add("A1", owner=ann)
    ours = Facts(new_event(**given_), registry, world.open())
    for name in ("token", "token.locked", "token.type", "token.serial"):
        found = ours.resolve(name)
        assert isinstance(found, Known)
        assert found.source == source, name
    assert len(world.asked) == 1
    assert ours.fact("token.serial") == "A1"


def test_a_secret_fact_is_masked_where_it_is_shown() -> None:
    registry = Registry(facts={"pin": Fact("pin", str, lambda _: "4711", secret=True)})
    found = evaluate(Clause("pin: 4711", "pin", lambda value, _: value == "4711"), facts(registry))
    assert found.verdict is Verdict.MET
    assert "4711" not in found.value
