"""How the demo tells what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from email.message import EmailMessage
from typing import Any

import click

from whenthen import Finding, OutcomeKind, Record, Verdict

__all__ = ["bindings", "mail", "quoted", "records", "said", "step"]

_FIRED = {OutcomeKind.DONE, OutcomeKind.DEFERRED}


def step(number: int, title: str) -> None:
    """Begin a step of the story."""
    click.echo()
    click.secho(f"{number}. {title}", bold=True)


def said(text: str) -> None:
    """Tell one thing of a step."""
    for line in text.rstrip().splitlines():
        click.echo(f"   {line}")


def records(found: Iterable[Record]) -> None:
    """Tell of each event which bindings fired, and which did not and why."""
    event = ""
    found = list(found)
    if not found:
        said("  nothing is bound to this event")
    for record in found:
        if f"{record.position} {record.event_type}" != event:
            event = f"{record.position} {record.event_type}"
            said(f"event {event}")
        fired = record.outcome in _FIRED
        click.echo("     ", nl=False)
        click.secho("fired    " if fired else "not fired", fg="green" if fired else None, nl=False)
        click.echo(f"  {record.binding}: {_what(record)}")


def bindings(listed: Iterable[Mapping[str, Any]]) -> None:
    """Tell what is bound, in its order."""
    said("so, in the order in which they run:")
    for one in listed:
        met = ", ".join(
            f"{name}: {_text(value)}" for c in one["conditions"] for name, value in c.items()
        )
        click.echo(f"     {one['name']}")
        click.echo(f"       when {one['position']} {', '.join(one['events'])}, if {met},")
        click.echo(f"       then {one['handler']}.{one['action']}")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace("'", "")


def mail(message: EmailMessage) -> None:
    """Show a mail as it was received."""
    said("mail received:")
    heads = "\n".join(f"{name}: {message[name]}" for name in ("From", "To", "Subject"))
    quoted(f"{heads}\n\n{message.get_content()}")


def quoted(text: str) -> None:
    """Show what somebody else wrote."""
    for line in text.rstrip().splitlines():
        click.echo(f"     | {line}".rstrip())


def _what(record: Record) -> str:
    action = f"{record.handler}.{record.action}"
    if record.outcome is OutcomeKind.DEFERRED:
        return f"{action}, deferred until after the commit"
    if record.outcome is OutcomeKind.DONE:
        return f"{action} is done. {record.detail}".rstrip()
    reason = "; ".join(_deciding(record.findings)) or record.detail
    return f"{record.outcome.value.replace('_', ' ')}, {reason}"


def _deciding(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield what the clauses that were not met found."""
    for finding in findings:
        if finding.verdict in (None, Verdict.MET):
            continue
        if finding.reason:
            yield f"{finding.clause} ({finding.reason})"
        elif finding.fact:
            yield f"{finding.clause} (it is {finding.value or 'empty'})"
        else:
            yield from _deciding(finding.children)
