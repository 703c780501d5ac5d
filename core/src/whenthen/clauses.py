"""From the conditions that an administrator writes to a tree of clauses, every error at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field

from whenthen.declare import Condition, Fact
from whenthen.errors import Problem, Refused
from whenthen.operands import Operand, operand_for
from whenthen.parsing import join
from whenthen.registry import Registry
from whenthen.verdict import Clause, Group, Junction, Node, WhenUnknown

__all__ = ["parse_conditions"]

DEEPEST = 5
MOST_CLAUSES = 100
_FACT = "fact"
_WHEN_UNKNOWN = "when_unknown"


def parse_conditions(raw: Sequence[object], registry: Registry, path: str) -> Group:
    """Return the tree that a list of clauses stands for: all of them.

    Raises:
        Refused: with every error and its path.
    """
    parser = _Parser(registry)
    children = parser.clauses(raw, path, depth=0)
    if parser.count > MOST_CLAUSES:
        parser.refuse(path, f"has {parser.count} clauses, more than {MOST_CLAUSES}")
    if parser.problems:
        raise Refused(parser.problems)
    return Group(Junction.ALL, children)


@define
class _Parser:
    registry: Registry
    problems: list[Problem] = field(factory=list)
    count: int = 0

    def refuse(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def clauses(self, raw: object, path: str, depth: int) -> tuple[Node, ...]:
        if not isinstance(raw, list | tuple):
            self.refuse(path, f"expected a list of clauses, got {raw!r}")
            return ()
        if depth > DEEPEST:
            self.refuse(path, f"is nested deeper than {DEEPEST} levels")
            return ()
        nodes = (self.clause(item, f"{path}[{i}]", depth) for i, item in enumerate(raw))
        return tuple(node for node in nodes if node is not None)

    def clause(self, raw: object, path: str, depth: int) -> Node | None:
        self.count += 1
        if not isinstance(raw, Mapping):
            self.refuse(path, f"expected a clause such as tokentype: [hotp], got {raw!r}")
            return None
        names = [str(name) for name in raw if name != _WHEN_UNKNOWN]
        if len(names) != 1:
            self.refuse(path, f"expected one condition for each clause, got {len(names)}: {names}")
            return None
        (name,) = names
        when_unknown = self.when_unknown(raw, path)
        if name in list(Junction):
            return self.group(Junction(name), raw[name], join(path, name), depth, when_unknown)
        if name == _FACT:
            return self.fact_clause(raw[name], join(path, name), when_unknown)
        condition = self.registry.conditions.get(name)
        if condition is None:
            known = ", ".join(sorted(self.registry.conditions))
            self.refuse(
                join(path, name), f"is no condition that a plugin declares; there are {known}"
            )
            return None
        return self.named(condition, raw[name], join(path, name), when_unknown)

    def when_unknown(self, raw: Mapping[str, object], path: str) -> WhenUnknown | None:
        value = raw.get(_WHEN_UNKNOWN)
        if value is None or value in list(WhenUnknown):
            return WhenUnknown(value) if value else None
        allowed = ", ".join(WhenUnknown)
        self.refuse(join(path, _WHEN_UNKNOWN), f"expected one of {allowed}, got {value!r}")
        return None

    def group(
        self, junction: Junction, raw: object, path: str, depth: int, unknown: WhenUnknown | None
    ) -> Node | None:
        if junction is Junction.NOT and isinstance(raw, Mapping):
            children = (self.clause(raw, path, depth + 1),) if depth < DEEPEST else ()
            if not children:
                self.refuse(path, f"is nested deeper than {DEEPEST} levels")
        elif junction is Junction.NOT:
            self.refuse(path, f"expected one clause, got {raw!r}")
            return None
        else:
            children = self.clauses(raw, path, depth + 1)
            if raw == []:
                self.refuse(path, "expected at least one clause")
        return Group(junction, tuple(child for child in children if child is not None), unknown)

    def named(
        self, condition: Condition, raw: object, path: str, unknown: WhenUnknown | None
    ) -> Node | None:
        """Return the clause of a condition; over named values it is a clause for each name."""
        declared = self.registry.fact(condition.fact)
        if declared is None:
            self.refuse(path, f"needs the fact {condition.fact}, which no plugin declares")
            return None
        fact, key = declared
        if fact.type is dict and not key:
            return self.each(condition.name, fact, condition.operand, raw, path, unknown)
        text = f"{condition.name}: {_text(raw)}"
        return self.test(text, condition.fact, fact, condition.operand, raw, path, unknown)

    def each(
        self, name: str, fact: Fact, operand: Operand, raw: object, path: str,
        unknown: WhenUnknown | None,
    ) -> Node | None:  # fmt: skip
        if not isinstance(raw, Mapping) or not raw:
            self.refuse(path, f"expected a mapping of names to comparisons, got {raw!r}")
            return None
        nodes = [
            self.test(
                f"{name}: {{{key}: {_text(value)}}}", f"{fact.name}.{key}", fact, operand, value,
                join(path, str(key)), unknown,
            )
            for key, value in raw.items()
        ]  # fmt: skip
        found = tuple(node for node in nodes if node is not None)
        return found[0] if len(found) == 1 else Group(Junction.ALL, found)

    def fact_clause(self, raw: object, path: str, unknown: WhenUnknown | None) -> Node | None:
        if not isinstance(raw, Mapping) or len(raw) != 1:
            self.refuse(path, f"expected one fact and its comparison, got {raw!r}")
            return None
        ((name, value),) = raw.items()
        declared = self.registry.fact(str(name))
        operand = operand_for(declared[0].type) if declared else None
        if declared is None:
            self.refuse(join(path, str(name)), "is no fact that a plugin declares")
            return None
        if operand is None:
            self.refuse(join(path, str(name)), "is a fact that cannot be compared")
            return None
        text = f"{name}: {_text(value)}"
        return self.test(text, name, declared[0], operand, value, join(path, name), unknown)

    def test(
        self, text: str, name: str, fact: Fact, operand: Operand, raw: object, path: str,
        unknown: WhenUnknown | None,
    ) -> Node | None:  # fmt: skip
        try:
            parsed = operand.parse(raw)
        except ValueError as error:
            self.refuse(path, str(error))
            return None
        return Clause(text, name, parsed, fact.cost, unknown)


def _text(raw: object) -> str:
    """Return a value as it is written in YAML's flow style."""
    match raw:
        case bool():
            return "true" if raw else "false"
        case list():
            return f"[{', '.join(map(_text, raw))}]"
        case Mapping():
            return f"{{{', '.join(f'{key}: {_text(value)}' for key, value in raw.items())}}}"
        case _:
            return str(raw)
