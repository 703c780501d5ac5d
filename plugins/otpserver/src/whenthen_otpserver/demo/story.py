"""The demo's story, step by step, through the HTTP API."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import define
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

import whenthen
from whenthen_otpserver.app import create_app
from whenthen_otpserver.demo import telling
from whenthen_otpserver.demo.stage import Api, MailSink, Observer, command
from whenthen_otpserver.host import open_host
from whenthen_otpserver.server import Server
from whenthen_otpserver.settings import Settings

__all__ = ["tell"]

_PASSWORD = "admin-demo"  # noqa: S105  # of a server that lives for a minute, on this machine
_PIN = "1234"
_SECRETS = {"password", "pass", "pin"}
_PATIENCE_SECONDS = 30.0


def tell(folder: Path) -> None:
    """Play the story in a folder; nothing is left running."""
    with MailSink(folder) as sink:
        environ = _prepared(folder, sink.port)
        telling.step(1, "The administrator has four plugins and binds actions to events")
        telling.said("$ whenthen plugins")
        telling.said(command(environ, "plugins"))
        telling.said("(basic is the core's own: conditions and facts.)")
        telling.said("$ whenthen apply bindings.yaml")
        telling.said(command(environ, "apply", str(folder / "bindings.yaml")))
        telling.bindings(json.loads(command(environ, "bindings", "--json")))
        observer = Observer()
        with _server(folder, environ, observer) as url:
            story = Story(Api(url), sink, observer, environ)
            story.alice_gets_a_token()
            story.alice_logs_in()
            story.an_attacker_locks_the_token()
            story.bob_registers()
        telling.step(6, "The administrator looks back")
        telling.said("$ whenthen deliveries")
        telling.said(command(environ, "deliveries"))
        telling.said("$ whenthen records --binding tell-the-owner --last 2")
        telling.said(command(environ, "records", "--binding", "tell-the-owner", "--last", "2"))


def _prepared(folder: Path, port: int) -> dict[str, str]:
    """Write the bindings and the script into the folder; return the environment for commands."""
    here, scripts = files("whenthen_otpserver.demo"), folder / "scripts"
    scripts.mkdir(mode=0o700)
    (scripts / "alarm").write_bytes((here / "alarm").read_bytes())
    (scripts / "alarm").chmod(0o700)
    bindings = (here / "bindings.yaml").read_text(encoding="utf-8")
    (folder / "bindings.yaml").write_text(bindings.replace("2525", str(port)), encoding="utf-8")
    return {
        **os.environ,
        "WHENTHEN_DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
        "WHENTHEN_SCRIPTHANDLER_DIRECTORY": str(scripts),
    }


@contextmanager
def _server(folder: Path, environ: Mapping[str, str], observer: Observer) -> Iterator[str]:
    """Run the server, with two users and an administrator; give its URL."""
    database_url = environ["WHENTHEN_DATABASE_URL"]
    scripts = {"directory": environ["WHENTHEN_SCRIPTHANDLER_DIRECTORY"]}
    chosen = Settings(database_url=database_url, key_file=str(folder / "demo.key"))
    with ExitStack() as stack:
        host = stack.enter_context(open_host(chosen))
        host.add_admin("root", _PASSWORD, email="root@example.org")
        host.add_resolver("staff")
        host.add_realm("sales", ["staff"], default=True)
        for name in ("alice", "bob"):
            host.add_user(name, givenname=name.title(), email=f"{name}@example.org")
        engine = whenthen.build(
            database_url=database_url,
            plugins={"demo": observer},
            settings={"scripthandler": scripts},
        )
        stack.callback(engine.close)
        yield stack.enter_context(Server(create_app(engine, chosen, host=host))).url


@define
class Story:
    """What happens, told as it happens."""

    api: Api
    sink: MailSink
    observer: Observer
    environ: Mapping[str, str]
    alices: str = ""
    key: bytes = b""

    def alice_gets_a_token(self) -> None:
        """Enrol a HOTP token; its owner gets a mail."""
        telling.step(2, "The administrator enrols a HOTP token for alice, who gets a mail")
        answer = self.call("POST", "/auth", username="root", password=_PASSWORD)
        self.api.token = answer["result"]["value"]["token"]
        answer = self.call("POST", "/token/init", type="hotp", user="alice", pin=_PIN)
        self.alices = answer["detail"]["serial"]
        uri = parse_qs(urlsplit(answer["detail"]["googleurl"]["value"]).query)
        self.key = base64.b32decode(uri["secret"][0] + "=" * (-len(uri["secret"][0]) % 8))
        telling.mail(self.sink.next())

    def alice_logs_in(self) -> None:
        """Log in with a real one-time password."""
        telling.step(3, "alice logs in with her PIN and a one-time password")
        otp = self._otp(0)
        self.call("POST", "/validate/check", user="alice", **{"pass": _PIN + otp})

    def an_attacker_locks_the_token(self) -> None:
        """Fail until the token locks; the owner gets a mail, a script runs."""
        telling.step(4, "an attacker guesses until the token locks; alice hears of it")
        telling.said("the administrator has tokens lock at the third failure:")
        self.call("POST", "/token/set", serial=self.alices, max_failcount=3)
        telling.said("the attacker knows the PIN, and guesses:")
        for guess in ("000000", "111111", "222222"):
            self.call("POST", "/validate/check", user="alice", **{"pass": _PIN + guess})
        telling.mail(self.sink.next())
        state, detail = self._delivered("raise-the-alarm")
        telling.said(f"the delivery of raise-the-alarm is {state}:")
        telling.quoted(detail.replace(" ⏎ ", "\n"))
        telling.said("from now on even the right one-time password is refused:")
        otp = self._otp(1)
        self.call("POST", "/validate/check", user="alice", **{"pass": _PIN + otp})
        telling.mail(self.sink.next())

    def bob_registers(self) -> None:
        """Use a registration token; a TOTP token takes its place."""
        telling.step(5, "bob uses a registration token, and gets a real one in its place")
        answer = self.call("POST", "/token/init", type="registration", user="bob")
        registration = answer["detail"]["serial"]
        mail = self.sink.next()
        telling.mail(mail)
        code = str(mail.get_content()).rstrip().rpartition(" ")[2]
        self.call("POST", "/validate/check", user="bob", **{"pass": code})
        answer = self.call("GET", "/token/", user="bob")
        for token in answer["result"]["value"]["tokens"]:
            telling.said(f"bob now has {token['serial']}, of type {token['type']}")
        answer = self.call("GET", "/token/", serial=registration)
        if answer["result"]["value"]["count"] == 0:
            telling.said(f"and {registration} is gone")

    def call(self, method: str, path: str, **parameters: object) -> dict[str, Any]:
        """Make a call, and tell what it did."""
        answer = self.api.call(method, path, **parameters)
        result = answer["result"]
        if not result["status"]:
            raise RuntimeError(f"{path} was refused: {result['error']['message']}")
        shown = " ".join(f"{k}={v}" for k, v in parameters.items() if k not in _SECRETS)
        telling.said(f"{method} {path} {shown}: {result.get('authentication') or 'done'}")
        telling.records(self.observer.take())
        return answer

    def _otp(self, counter: int) -> str:
        """Return alice's one-time password, as her token would show it (RFC 4226)."""
        return HOTP(self.key, 6, SHA1(), enforce_key_length=False).generate(counter).decode()  # noqa: S303

    def _delivered(self, binding: str) -> tuple[str, str]:
        """Return what came of the binding's delivery, as soon as it is decided."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            listed = json.loads(command(self.environ, "deliveries", "--binding", binding, "--json"))
            if listed and listed[0]["state"] not in ("waiting", "running"):
                return listed[0]["state"], listed[0]["detail"]
        raise RuntimeError(f"The delivery of {binding} was not made in time.")
