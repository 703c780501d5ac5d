"""The eleven basic conditions over a real host in memory: met, unmet, unknown, refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from whenthen import Actor, Event, Position, Refused, UserRef, Verdict
from whenthen.clauses import parse_conditions
from whenthen.facts import Facts
from whenthen.identity import User
from whenthen.record import Finding
from whenthen.registry import Registry
from whenthen.services import HostServices
from whenthen.verdict import Group, UnknownClauseError, evaluate

if TYPE_CHECKING:
    from core.tests.conftest import World

NewEvent = Callable[..., Event]
ANN = UserRef("ann", "sales", "sql")
BOB = UserRef("bob", "support", "sql")
GONE = UserRef("gone", "sales", "sql")
NOBODY = UserRef("nobody", "sales", "sql")


@pytest.fixture
def host(world: World) -> World:
    world.users = {ref: User(ref.name, ref.realm, ref.resolver) for ref in (ANN, BOB)}
    world.add("A1", "hotp", owner=ANN, realms=frozenset({"r1", "r2"}), failcount=10, counter=900)
    world.add("B1", "totp", owner=BOB, realms=frozenset({"r1"}))
    world.add("B2", "hotp", owner=BOB, enabled=False)
    world.add("G1", "sms", owner=GONE, failcount=9)
    world.add("F1", "paper")
    return world


def look(registry: Registry, host: World, conditions: list[object], event: Event) -> Finding:
    return evaluate(parse_conditions(conditions, registry, "conditions"),
                    Facts(event, registry, host.open()))  # fmt: skip


ADMIN, USER = Actor("admin", "root"), Actor("user", "ann", "sales")
YES, NO = {"result": {"value": True}}, {"result": {"value": False}}
A1, B1, G1, F1 = ({"serial": serial} for serial in ("A1", "B1", "G1", "F1"))


@pytest.mark.parametrize(
    ("clause", "met", "unmet", "unknown"),
    [
        ({"logged_in_user": "admin"}, [{"actor": ADMIN}], [{"actor": USER}], [{}]),
        ({"logged_in_user": ["admin", "user"]}, [{"actor": ADMIN}, {"actor": USER}], [], [{}]),
        ({"realm": "sales"}, [{"user": ANN}, A1, {"user": NOBODY}], [{"user": BOB}], [{}, F1]),
        ({"realm": ["x", "support"]}, [{"user": BOB}], [{"user": ANN}], [{"serial": "none"}]),
        ({"user_token_number": 1}, [{"user": ANN}, A1], [{"user": BOB}], [{}, F1]),
        ({"user_token_number": 0}, [{"user": NOBODY}], [{"user": ANN}], [{}]),
        ({"user_token_number": ">= 2"}, [{"user": BOB}], [{"user": ANN}], [{}]),
        ({"user_token_number": {"count": 1, "type": ["totp"]}},
         [{"user": BOB}], [{"user": ANN}], [{}]),
        ({"user_token_number": {"count": "= 1", "active": True}}, [{"user": BOB}], [], [{}]),
        ({"user_token_number": {"count": 1, "realm": ["r1"]}},
         [{"user": BOB}, {"user": ANN}], [], [{}]),
        ({"serial": "A"}, [A1, {"user": ANN}, {"serial": "Anone"}], [B1], [{}, {"user": BOB}]),
        ({"tokentype": ["hotp", "sms"]}, [A1, G1, {"user": ANN}], [B1],
         [{}, {"serial": "none"}, {"user": BOB}, {"user": NOBODY}]),
        ({"tokenrealm": "r2"}, [A1], [B1, F1], [{}, {"serial": "none"}]),
        ({"token_locked": True}, [A1], [B1, G1], [{}, {"serial": "none"}, {"user": BOB}]),
        ({"token_locked": False}, [B1], [A1], [{}, {"serial": "none"}]),
        ({"token_has_owner": True}, [A1, G1], [F1], [{}]),
        ({"token_is_orphaned": True}, [G1], [A1, F1], [{}, {"serial": "none"}]),
        ({"otp_counter": ">= 900"}, [A1], [B1], [{}, {"serial": "none"}]),
        ({"result_value": True}, [{"body": YES}], [{"body": NO}],
         [{}, {"body": {}}, {"body": {"result": {"value": 3}}}, {"body": {"result": None}},
          {"body": {"result": "x"}}]),
    ],
)  # fmt: skip
def test_the_seed_conditions(
    clause: dict[str, object], met: list[Any], unmet: list[Any], unknown: list[Any],
    registry: Registry, host: World, new_event: NewEvent,
) -> None:  # fmt: skip
    expected = {Verdict.MET: met, Verdict.UNMET: unmet, Verdict.UNKNOWN: unknown}
    opposite = {Verdict.MET: Verdict.UNMET, Verdict.UNMET: Verdict.MET}
    for verdict, events in expected.items():
        for given in events:
            event = new_event(**given)
            found = look(registry, host, [clause], event)
            assert found.verdict is verdict, given
            (child,) = found.children
            assert bool(child.reason) is (verdict is Verdict.UNKNOWN), given
            # Under `not` what is unknown stays unknown.
            negated = look(registry, host, [{"not": clause}], event)
            assert negated.verdict is opposite.get(verdict, Verdict.UNKNOWN), given


def test_the_requested_type_counts_before_enrolment(
    registry: Registry, host: World, new_event: NewEvent
) -> None:
    event = new_event("token_init", position=Position.PRE, parameters={"type": "TOTP"})
    found = look(registry, host, [{"tokentype": "totp"}], event)
    assert found.verdict is Verdict.MET
    assert found.children[0].source == "type from the request"
    elsewhere = new_event("op", parameters={"type": "TOTP"})
    assert look(registry, host, [{"tokentype": "totp"}], elsewhere).verdict is Verdict.UNKNOWN


def test_a_directory_that_raises_makes_unknown_and_its_words_stay_out(
    registry: Registry, host: World, new_event: NewEvent
) -> None:
    host.broken = ConnectionError("ldap://admin:hunter2@host")
    for value in (True, False):
        found = look(registry, host, [{"token_is_orphaned": value}], new_event(serial="A1"))
        assert found.verdict is Verdict.UNKNOWN
        assert found.children[0].reason == "Resolving token.is_orphaned raised ConnectionError."


def test_a_resolver_that_tries_to_exit_makes_unknown(
    registry: Registry, host: World, new_event: NewEvent
) -> None:
    host.broken = SystemExit(3)
    found = look(registry, host, [{"token_is_orphaned": True}], new_event(serial="A1"))
    assert found.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("name", ["token_locked", "token_has_owner", "token_is_orphaned"])
def test_without_the_service_the_condition_is_unknown(
    name: str, registry: Registry, new_event: NewEvent
) -> None:
    import svcs

    nothing = HostServices.of(svcs.Registry())
    tree = parse_conditions([{name: True}], registry, "conditions")
    found = evaluate(tree, Facts(new_event(serial="A1"), registry, nothing))
    assert found.verdict is Verdict.UNKNOWN
    assert found.children[0].reason == "The host offers no TokenStore."


def problems(registry: Registry, conditions: list[object]) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        parse_conditions(conditions, registry, "b.conditions")
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("logged_in_user", ["root", 1, True, [], ["admin", "x"], None]),
        ("realm", [1, [], None, [1], {"a": "b"}]),
        ("user_token_number", ["many", ">= x", True, None, {}, {"type": ["hotp"]},
                               {"count": "x"}, {"count": 1, "kind": "x"},
                               {"count": 1, "active": "true"}, {"count": 1, "type": "hotp"}]),
        ("serial", [1, None, ["A"], "(", "(?=A)", r"(A)\1"]),
        ("tokentype", [1, [], None]),
        ("tokenrealm", [True, [], None]),
        ("token_locked", ["true", 1, None, [True]]),
        ("token_has_owner", ["false", 0, None]),
        ("token_is_orphaned", ["yes", 0, None]),
        ("otp_counter", ["x", ">=", 1.5, True, None, "=> 1"]),
        ("result_value", ["true", 1, None]),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_with_their_path(
    name: str, values: list[object], registry: Registry
) -> None:
    for value in values:
        assert list(problems(registry, [{name: value}])) == [f"b.conditions[0].{name}"], value


def test_the_eleven_are_there(registry: Registry) -> None:
    assert set(registry.conditions) == {
        "logged_in_user", "otp_counter", "realm", "result_value", "serial", "tokenrealm",
        "tokentype", "token_locked", "token_has_owner", "token_is_orphaned", "user_token_number",
    }  # fmt: skip


def test_every_error_of_a_tree_at_once(registry: Registry) -> None:
    found = problems(
        registry,
        [
            {"tokntype": "hotp"},
            {"any": [{"realm": 1}, {"all": [{"token_locked": "yes"}]}]},
            {"not": {"serial": "("}},
            {"not": ["x"]},
            {"any": []},
            {"any": "x"},
            "text",
            {"realm": "a", "serial": "b"},
            {},
            {"when_unknown": "met"},
            {"realm": "a", "when_unknown": "perhaps"},
            {"realm": "a", "when_unknown": True},
            {"fact": {"token.failcuont": 3}},
            {"fact": {"token.failcount": "x"}},
            {"fact": {"token": "x"}},
            {"fact": "x"},
            {"fact": {}},
        ],
    )
    assert set(found) == {
        "b.conditions" + path
        for path in (
            "[0].tokntype", "[1].any[0].realm", "[1].any[1].all[0].token_locked",
            "[2].not[0].serial", "[3].not", "[4].any", "[5].any", "[6]", "[7]", "[8]", "[9]",
            "[10].when_unknown", "[11].when_unknown", "[12].fact.token.failcuont",
            "[13].fact.token.failcount", "[14].fact.token", "[15].fact", "[16].fact",
        )
    }  # fmt: skip
    assert "tokentype" in found["b.conditions[0].tokntype"]  # it lists what there is


def test_any_fact_can_be_compared(registry: Registry, host: World, new_event: NewEvent) -> None:
    host.add("I1", info={"vendor": "acme", "last_sync": "2020-01-01T00:00+00:00"})
    event = new_event(serial="I1")
    table: list[tuple[dict[str, object], Verdict]] = [
        ({"token.failcount": "< 3"}, Verdict.MET),
        ({"token.failcount": 3}, Verdict.UNMET),
        ({"token.info.vendor": "in acme, other"}, Verdict.MET),
        ({"token.info.last_sync": "older than 90d"}, Verdict.MET),
        ({"token.info.vendor": ">= 3"}, Verdict.UNKNOWN),
        ({"token.info.absent": "x"}, Verdict.UNKNOWN),
        ({"token.enabled": True}, Verdict.MET),
        ({"event.time": "within 1h"}, Verdict.MET),
    ]
    for clause, verdict in table:
        assert look(registry, host, [{"fact": clause}], event).verdict is verdict, clause


@pytest.mark.parametrize(
    ("says", "verdict"), [("met", Verdict.MET), ("unmet", Verdict.UNMET), (None, Verdict.UNKNOWN)]
)
def test_when_unknown(
    says: str | None, verdict: Verdict, registry: Registry, host: World, new_event: NewEvent
) -> None:
    clause: dict[str, Any] = {"realm": "sales"} | ({"when_unknown": says} if says else {})
    found = look(registry, host, [clause], new_event())
    assert found.verdict is verdict
    assert found.children[0].reason  # what was missing is told all the same
    if says:  # it decides only what is unknown
        assert look(registry, host, [clause], new_event(user=ANN)).verdict is Verdict.MET
        assert look(registry, host, [clause], new_event(user=BOB)).verdict is Verdict.UNMET
        group: dict[str, object] = {"any": [{"realm": "sales"}], "when_unknown": says}
        assert look(registry, host, [group], new_event()).verdict is verdict


def test_when_unknown_error(registry: Registry, host: World, new_event: NewEvent) -> None:
    clause = {"realm": "sales", "when_unknown": "error"}
    with pytest.raises(UnknownClauseError, match="realm: sales"):
        look(registry, host, [clause], new_event())
    assert look(registry, host, [clause], new_event(user=BOB)).verdict is Verdict.UNMET


def nested(levels: int) -> dict[str, object]:
    clause: dict[str, object] = {"realm": "a"}
    for _ in range(levels):
        clause = {"not": clause}
    return clause


def test_depth_and_size_are_limited(registry: Registry) -> None:
    assert isinstance(parse_conditions([nested(5)], registry, "c"), Group)
    assert "nested deeper" in next(iter(problems(registry, [nested(6)]).values()))
    assert "nested deeper" in next(iter(problems(registry, [nested(800)]).values()))
    assert isinstance(parse_conditions([{"realm": "a"}] * 100, registry, "c"), Group)
    assert "more than 100" in problems(registry, [{"realm": "a"}] * 101)["b.conditions"]


def test_the_cheapest_clause_is_asked_first_and_no_other_once_decided(
    registry: Registry, host: World, new_event: NewEvent
) -> None:
    clauses: list[object] = [{"token_locked": True}, {"logged_in_user": "admin"}]
    found = look(registry, host, clauses, new_event(serial="A1", actor=USER))
    assert found.verdict is Verdict.UNMET
    assert [child.verdict for child in found.children] == [None, Verdict.UNMET]
    assert host.asked == []


def test_findings_say_value_and_source(
    registry: Registry, host: World, new_event: NewEvent
) -> None:
    event = new_event(serial="A1", parameters={"serial": "A1"})
    (finding,) = look(registry, host, [{"otp_counter": ">= 900"}], event).children
    assert (finding.clause, finding.fact, finding.value, finding.source) == (
        "otp_counter: >= 900", "token.counter", "900", "serial from the request",
    )  # fmt: skip


def test_the_users_tokens_are_not_spilt_into_the_finding(
    registry: Registry, host: World, new_event: NewEvent
) -> None:
    host.add("S1", owner=ANN, info={"pin": "hunter2"})
    found = look(registry, host, [{"user_token_number": 2}], new_event(user=ANN))
    assert found.verdict is Verdict.MET
    assert "hunter2" not in found.children[0].value
