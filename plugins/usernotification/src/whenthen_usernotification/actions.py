"""What the module can do, as declarations. What it takes to do it is loaded when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whenthen import Action, Effect, Outcome, Resource, Run
from whenthen_usernotification.mail_server import MailServer
from whenthen_usernotification.options import SaveFile, SendMail
from whenthen_usernotification.recipients import facts_of, look_up

__all__ = ["ACTIONS", "RESOURCES"]

SEND_SECONDS = 30.0
USEFUL_SECONDS = 3600.0


def _send_mail(run: Run[SendMail]) -> Outcome:
    from whenthen_usernotification.sendmail import send_mail

    return send_mail(run)


def _save_file(run: Run[SaveFile]) -> Outcome:
    from whenthen_usernotification.savefile import save_file

    return save_file(run)


def _mail_facts(options: SendMail) -> Sequence[str]:
    return tuple(dict.fromkeys([*facts_of(options.to), *facts_of(options.reply_to)]))


def _prepare_mail(run: Run[SendMail]) -> Mapping[str, object]:
    options = run.configured
    return {
        "to": look_up(options.to, run, options.max_recipients),
        "reply_to": look_up(options.reply_to, run, options.max_recipients),
    }


ACTIONS = (
    Action(
        "sendmail",
        _send_mail,
        options=SendMail,
        effect=Effect.EXTERNAL,
        facts=_mail_facts,
        prepare=_prepare_mail,
        time_limit=SEND_SECONDS,
        fresh_for=USEFUL_SECONDS,
    ),
    Action("savefile", _save_file, options=SaveFile, effect=Effect.EXTERNAL),
)

RESOURCES = (Resource("mail_server", MailServer, "A server that takes mails over SMTP."),)
