"""The action sendmail: a message for each recipient, and one outcome of it all."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from email.message import EmailMessage

from whenthen import Outcome, Run
from whenthen_usernotification.addresses import is_address
from whenthen_usernotification.mail_server import MailServer
from whenthen_usernotification.messages import build_message
from whenthen_usernotification.options import SendMail
from whenthen_usernotification.recipients import Recipient, Selected, select
from whenthen_usernotification.transport import Failure, hand_over

__all__ = ["send_mail"]

_NAMED = 5


def send_mail(run: Run[SendMail]) -> Outcome:
    """Send the mail; see `_outcome` for what comes of it when it works for some only."""
    options = run.configured
    selected = select(options.to, run, run.prepared.get("to"))
    if not selected.recipients:
        return Outcome.unknown(
            f"The mail was not sent, for it has no recipient: {selected.nobody}."
        )
    if selected.count > options.max_recipients:
        return Outcome.failed(
            f"The mail was not sent: it has {selected.count} recipients, and max_recipients is "
            f"{options.max_recipients}. Select fewer, or raise it.",
            permanent=True,
        )
    answers, notes = _reply_to(run)
    if selected.without:
        notes.append(f"{selected.without} of those selected have no address.")
    server = run.resource(MailServer, options.mail_server)
    failures: dict[str, Failure] = {}
    ready: list[tuple[Recipient, EmailMessage]] = []
    stable = run.delivery.id if run.delivery else uuid.uuid4().hex
    for number, recipient in enumerate(selected.recipients, 1):
        if not is_address(recipient.address):
            failures[recipient.label] = Failure("This is not one mail address. Correct it.", True)
            continue
        try:
            message = build_message(
                run, recipient, sender=server.sender, reply_to=answers,
                message_id=f"<{stable}.{number}@whenthen>",
            )  # fmt: skip
        except ValueError:
            failures[recipient.label] = Failure(
                "A value in the subject or text cannot be in a mail, such as a line break in the "
                "subject. Use other tags there.",
                permanent=True,
            )
            continue
        ready.append((recipient, message))
    if ready:
        handed = [(recipient.address, message) for recipient, message in ready]
        results = hand_over(server, handed, run.deadline)
        for (recipient, _), failure in zip(ready, results, strict=True):
            if failure is not None:
                failures[recipient.label] = failure
    return _outcome(selected, failures, notes)


def _reply_to(run: Run[SendMail]) -> tuple[Sequence[Recipient], list[str]]:
    """Return who gets the answers, and what there is to say about it."""
    selector = run.configured.reply_to
    if selector is None:
        return (), []
    found = select(selector, run, run.prepared.get("reply_to"))
    good = [one for one in found.recipients if is_address(one.address)]
    if found.count > run.configured.max_recipients:
        return (), ["Answers go to the sender: reply_to selects more than max_recipients."]
    if not good:
        why = found.nobody or "what it selects is not one mail address"
        return (), [f"Answers go to the sender, for reply_to selects nobody: {why}."]
    return good, []


def _outcome(selected: Selected, failures: dict[str, Failure], notes: Sequence[str]) -> Outcome:
    """Return the outcome.

    If some failed only for now, the whole delivery is tried again: the others then get the mail
    once more, under the same Message-ID.
    """
    sent = len(selected.recipients) - len(failures)
    count = f"{sent} recipient{'' if sent == 1 else 's'}"
    if not failures:
        return Outcome.done(" ".join([f"The mail server took the mail for {count}.", *notes]))
    named = [f"For {label}: {one.sentence}" for label, one in list(failures.items())[:_NAMED]]
    if len(failures) > _NAMED:
        named.append(f"So it is for {len(failures) - _NAMED} more.")
    permanent = all(failure.permanent for failure in failures.values())
    if sent and permanent:
        named.append(f"The mail server took the mail for {count}.")
    elif sent:
        named.append(
            f"The mail server took the mail for {count}, who will get it again at the next attempt."
        )
    return Outcome.failed(" ".join([*named, *notes]), permanent=permanent)
