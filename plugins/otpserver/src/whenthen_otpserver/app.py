"""The HTTP API: one request is one call, in one transaction, and an event of the engine."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import flask
import sqlalchemy as sa
from werkzeug.exceptions import HTTPException

from whenthen import Aborted, Actor, Request, SettingsError
from whenthen_otpserver.calls import Answer, Call, EventSource, Operation, OtpAdapter
from whenthen_otpserver.errors import Failure, Forbidden, Unauthorized
from whenthen_otpserver.host import Host, Work, open_host
from whenthen_otpserver.operations import ROUTES, Route, Who
from whenthen_otpserver.operations.checks import logged_in
from whenthen_otpserver.parameters import received
from whenthen_otpserver.settings import Settings

__all__ = ["create_app"]

log = logging.getLogger(__name__)
# A login or a session is nobody's business but ours: events do not carry it.
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


def create_app(engine: EventSource, settings: Settings, *, host: Host | None = None) -> flask.Flask:
    """Return the API as a WSGI application.

    Args:
        engine: what `whenthen.build` returns.
        settings: how the host is set up.
        host: the host, if it is open already; else it is opened with these settings, and found at
            `app.extensions["otpserver"]`. Whoever made the app closes it.
    """
    app = flask.Flask("whenthen_otpserver", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body
    opened = app.extensions["otpserver"] = host or open_host(settings)
    adapter = OtpAdapter()
    for route in ROUTES:
        operation = engine.event(route.event_type, adapter=adapter)(_undoing(route.operation))
        app.add_url_rule(
            route.rule, route.event_type, _view(opened, route, operation), methods=route.methods
        )
    app.register_error_handler(Exception, _refused)
    return app


def _view(host: Host, route: Route, operation: Operation) -> Callable[..., flask.Response]:
    def keeps(error: Exception) -> bool:
        # Attempts stay counted even if a binding stops the call: else guessing would be free.
        return route.keeps or not isinstance(error, Aborted)

    def view(**in_path: str) -> flask.Response:
        asked = flask.request
        parameters, texts = received(asked)
        headers = {k: v for k, v in asked.headers.items() if k.lower() not in _PRIVATE_HEADERS}
        request = Request(
            parameters | in_path, headers, asked.remote_addr, asked.method, asked.path
        )
        with host.work(keeps=keeps) as work:
            actor = _actor(work, route.who)
            answer = operation(Call(request, work, actor, texts))
        return _response(answer.body, answer.status)

    return view


def _undoing(operation: Operation) -> Operation:
    """Return an operation that takes back what it wrote when it raises.

    What bindings at the position `error` write after that stays.
    """

    @functools.wraps(operation)
    def undoing(call: Call) -> Answer:
        savepoint = call.work.session.begin_nested()
        try:
            answer = operation(call)
        except Exception as error:
            if isinstance(error, Failure) and error.keeps:
                savepoint.commit()
            else:
                savepoint.rollback()
            raise
        savepoint.commit()
        return answer

    return undoing


def _actor(work: Work, who: Who) -> Actor | None:
    if who is Who.ANYONE:
        return None
    kind, _, bearer = flask.request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise Unauthorized("Log in first.")
    actor = logged_in(work, bearer.strip())
    if who is Who.ADMIN and actor.role != "admin":
        raise Forbidden("Only administrators may do this.")
    return actor


def _refused(error: Exception) -> flask.Response:
    match error:
        case Failure():
            return _error(error.status, error.code, str(error))
        case sa.exc.DataError():
            return _error(400, "bad_request", "A parameter is out of the range of the database.")
        case RecursionError():
            return _error(400, "bad_request", "The body is nested too deeply.")
        case Aborted():
            return _error(403, "aborted", error.sentence)
        case HTTPException():
            return _error(error.code or 500, error.name.lower().replace(" ", "_"), _said(error))
        case SettingsError():
            log.error("A call cannot be answered: %s", error)
            return _error(500, "settings", "The server is not set up correctly.")
        case _:
            log.error("A call failed: %s", _place(error))
            return _error(500, "internal", "Something went wrong in the server; its log says what.")


def _place(error: Exception) -> str:
    """Return what was raised and where, but not its message: that may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _said(error: HTTPException) -> str:
    """Return a sentence of our own where werkzeug's might repeat what was sent."""
    if error.code == 400:
        return "The request cannot be read: its body must be a JSON object or a form."
    if error.code == 413:
        return "The request is too large."
    return f"{error.name}."


def _error(status: int, code: str, message: str) -> flask.Response:
    result = {"status": False, "error": {"code": code, "message": message}}
    return _response({"result": result, "detail": {}}, status)


def _response(body: Mapping[str, Any], status: int) -> flask.Response:
    response = flask.jsonify(body)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
