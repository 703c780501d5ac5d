"""From the conditions that an administrator writes to a tree of clauses, every error at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field, frozen

from whenthen.declare import Condition
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


@frozen
class _Written:
    """What stands after a condition's name, and where."""

    raw: object
    path: str
    when_unknown: WhenUnknown | None = None

    def member(self, key: str) -> _Written:
        assert isinstance(self.raw, Mapping)
        return _Written(self.raw[key], join(self.path, key), self.when_unknown)


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
        written = _Written(raw[name], join(path, name), self.when_unknown(raw, path))
        if name in list(Junction):
            return self.group(Junction(name), written, depth)
        if name == _FACT:
            return self.fact(written)
        condition = self.registry.conditions.get(name)
        if condition is None:
            known = ", ".join(sorted(self.registry.conditions))
            self.refuse(written.path, f"no plugin declares this condition; there are {known}")
            return None
        return self.condition(condition, written)

    def when_unknown(self, raw: Mapping[str, object], path: str) -> WhenUnknown | None:
        value = raw.get(_WHEN_UNKNOWN)
        if value is None:
            return None
        if isinstance(value, str) and value in list(WhenUnknown):
            return WhenUnknown(value)
        allowed = ", ".join(WhenUnknown)
        self.refuse(join(path, _WHEN_UNKNOWN), f"expected one of {allowed}, got {value!r}")
        return None

    def group(self, junction: Junction, written: _Written, depth: int) -> Node:
        listed = written.raw
        if junction is Junction.NOT:
            if not isinstance(listed, Mapping):
                self.refuse(written.path, f"expected one clause, got {listed!r}")
            listed = [listed] if isinstance(listed, Mapping) else []
        elif listed == []:
            self.refuse(written.path, "expected at least one clause")
        children = self.clauses(listed, written.path, depth + 1)
        return Group(junction, children, written.when_unknown)

    def condition(self, condition: Condition, written: _Written) -> Node | None:
        """Return the clause of a condition; over named values, a clause for each name."""
        declared = self.registry.fact(condition.fact)
        if declared is None:
            self.refuse(written.path, f"needs the fact {condition.fact}, which nobody declares")
            return None
        fact, key = declared
        if fact.type is not dict or key:
            return self.test(condition.name, condition.fact, condition.operand, written)
        if not isinstance(written.raw, Mapping) or not written.raw:
            self.refuse(written.path, f"expected names and comparisons, got {written.raw!r}")
            return None
        self.count += len(written.raw) - 1
        nodes = [
            self.test(f"{condition.name}.{name}", f"{condition.fact}.{name}", condition.operand,
                      written.member(name))
            for name in written.raw
        ]  # fmt: skip
        return Group(Junction.ALL, tuple(node for node in nodes if node is not None))

    def fact(self, written: _Written) -> Node | None:
        """Return the clause that compares a fact by its name."""
        if not isinstance(written.raw, Mapping) or len(written.raw) != 1:
            self.refuse(written.path, f"expected one fact and its comparison, got {written.raw!r}")
            return None
        (name,) = written.raw
        comparison = written.member(name)
        declared = self.registry.fact(name)
        if declared is None:
            self.refuse(comparison.path, "no plugin declares this fact")
            return None
        operand = operand_for(declared[0].type)
        if operand is None:
            self.refuse(comparison.path, "this fact cannot be compared; one of its members can")
            return None
        return self.test(name, name, operand, comparison)

    def test(self, label: str, fact: str, operand: Operand, written: _Written) -> Node | None:
        declared = self.registry.fact(fact)
        assert declared is not None
        try:
            parsed = operand.parse(written.raw)
        except ValueError as error:
            self.refuse(written.path, str(error))
            return None
        text = f"{label}: {_text(written.raw)}"
        return Clause(text, fact, parsed, declared[0].cost, written.when_unknown)


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
