"""whenthen: when an event happens in a host application, if its conditions hold, then act.

Host developers call `build`; plugin authors need the declarations, `Run`, `Outcome` and `hookimpl`.
"""

from whenthen.build import build
from whenthen.declare import (
    API_VERSION,
    Action,
    Condition,
    Effect,
    EventType,
    Fact,
    HandlerModule,
    Resource,
    Sourced,
)
from whenthen.engine import Engine
from whenthen.errors import (
    Aborted,
    DeclarationError,
    Missing,
    Problem,
    Refused,
    SettingsError,
    Unavailable,
    WhenthenError,
)
from whenthen.event import Actor, Event, Position, Request, Response, UserRef
from whenthen.hookspecs import hookimpl
from whenthen.operands import Choices, Flag, Number, Operand, Pattern, Text, Time
from whenthen.options import option
from whenthen.outcome import REMOVED, Change, Outcome, OutcomeKind
from whenthen.parsing import parse
from whenthen.record import Finding, Record, Verdict
from whenthen.run import Delivery, Run, Scope

__all__ = [
    "API_VERSION",
    "REMOVED",
    "Aborted",
    "Action",
    "Actor",
    "Change",
    "Choices",
    "Condition",
    "DeclarationError",
    "Delivery",
    "Effect",
    "Engine",
    "Event",
    "EventType",
    "Fact",
    "Finding",
    "Flag",
    "HandlerModule",
    "Missing",
    "Number",
    "Operand",
    "Outcome",
    "OutcomeKind",
    "Pattern",
    "Position",
    "Problem",
    "Record",
    "Refused",
    "Request",
    "Resource",
    "Response",
    "Run",
    "Scope",
    "SettingsError",
    "Sourced",
    "Text",
    "Time",
    "Unavailable",
    "UserRef",
    "Verdict",
    "WhenthenError",
    "build",
    "hookimpl",
    "option",
    "parse",
]
