"""`whenthen records`, `deliveries` and `worker`: what happened, and what is still to happen."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence

import attrs
import click

from whenthen.cli.options import database_option, json_option, opened
from whenthen.cli.output import clean, local, print_json, print_table
from whenthen.protocols import DeliveryState
from whenthen.record import Finding, Record

__all__ = ["deliveries_command", "records_command", "worker_command"]

_last = click.option(
    "--last",
    default=20,
    type=click.IntRange(min=1),
    show_default=True,
    help="How many, the newest first.",
)


@click.command("records")
@click.option("--event", default="", help="Only those of this event, fired or not.")
@click.option("--binding", default="", help="Only those of this binding.")
@_last
@database_option
@json_option
def records_command(event: str, binding: str, last: int, as_json: bool) -> None:
    """Show which bindings fired, which did not, and why."""
    with opened() as parts:
        found = list(parts.records.find(event=event, binding=binding, last=last))
    if as_json:
        print_json([{"id": number} | attrs.asdict(record) for number, record in found])
        return
    if not found:
        click.echo("There are no records.")
    for number, record in found:
        _tell(number, record)


def _tell(number: int, record: Record) -> None:
    click.echo(
        f"#{number}  {local(record.time)}  {record.position} {record.event_type}  "
        f"{record.binding}: {record.outcome}"
    )
    for note in (record.detail, record.error, record.delivery and f"delivery {record.delivery}"):
        if note:
            click.echo(f"    {clean(note)}")
    if record.empty_tags:
        click.echo(f"    empty tags: {', '.join(record.empty_tags)}")
    _findings(record.findings, "    ")
    click.echo(f"    event {record.event}, {record.duration * 1000:.2f} ms")


def _findings(findings: Sequence[Finding], indent: str) -> None:
    for finding in findings:
        verdict = finding.verdict or "not looked at"
        seen = f"{finding.fact} is {finding.value or 'empty'}" if finding.fact else ""
        why = finding.reason or "; ".join(filter(None, (seen, finding.source)))
        click.echo(clean(f"{indent}{verdict:<13} {finding.clause}{f'   ({why})' if why else ''}"))
        _findings(finding.children, indent + "    ")


@click.command("deliveries")
@click.argument("identifier", required=False)
@click.option(
    "--state",
    type=click.Choice([state.value for state in DeliveryState]),
    help="Only those in this state.",
)
@click.option("--binding", default="", help="Only those of this binding.")
@_last
@database_option
@json_option
def deliveries_command(
    identifier: str | None, state: str | None, binding: str, last: int, as_json: bool
) -> None:
    """List deferred actions; with an IDENTIFIER, show one with every attempt."""
    with opened() as parts:
        if identifier is None:
            found = parts.deliveries.find(state=state or "", binding=binding, last=last)
            rows = [attrs.asdict(delivery) for delivery in found]
            attempts = None
        else:
            delivery, made = parts.deliveries.get(identifier)
            rows, attempts = [attrs.asdict(delivery)], [attrs.asdict(one) for one in made]
    if as_json:
        print_json(rows if attempts is None else rows[0] | {"tries": attempts})
        return
    shown = ("id", "binding", "action", "state", "attempts", "created", "detail")
    table = [{key: row[key] for key in shown} for row in rows]
    print_table(table, empty="There are no deliveries.")
    if attempts is not None:
        click.echo()
        print_table(attempts, empty="It has not been tried yet.")


@click.command("worker")
@click.option("--once", is_flag=True, help="Deliver what is due now, then end.")
@database_option
def worker_command(once: bool) -> None:
    """Deliver deferred actions until interrupted. Any number of workers may run at a time."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with opened() as parts:
        worker = parts.worker
        if once:
            while worker.deliver():
                pass
            return
        parts.plan.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: worker.stop())
        click.echo(f"Worker {worker.name} delivers; Ctrl-C ends it after the one under way.")
        # The main thread only waits, so that a signal is seen at once.
        thread = threading.Thread(target=worker.run, name="whenthen-worker")
        thread.start()
        thread.join()
        parts.plan.close()
