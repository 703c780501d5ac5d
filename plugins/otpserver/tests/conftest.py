"""A host on a fresh SQLite file, with a realm of two resolvers, and a client of its API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import define
from flask.testing import FlaskClient

from whenthen_otpserver.app import create_app
from whenthen_otpserver.host import Host, open_host
from whenthen_otpserver.settings import Settings

PASSWD = "carol:x:1001:1001:Carol Curie,Lab,+49 30 1,+49 170 1,carol@example.com:/:/bin/sh\n"


class NoBindings:
    """Stands where an engine would, for tests of the host alone."""

    def event(self, event_type: str, *, adapter: object = None) -> Callable[[Any], Any]:
        return lambda operation: operation


@define
class Api:
    """A client of the API, logged in or not."""

    client: FlaskClient
    bearer: str = ""

    def call(self, method: str, path: str, status: int = 200, **parameters: Any) -> Any:
        """Return the answer's body, and check its HTTP status."""
        headers = {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        given: dict[str, Any] = {"query_string" if method == "GET" else "json": parameters}
        answer = self.client.open(path, method=method, headers=headers, **given)
        assert answer.status_code == status, answer.get_json()
        return answer.get_json()

    def value(self, method: str, path: str, **parameters: Any) -> Any:
        """Return the value of a call that succeeds."""
        return self.call(method, path, **parameters)["result"]["value"]

    def check(self, password: str, **parameters: Any) -> str:
        """Return what comes of authenticating."""
        parameters["pass"] = password
        answer = self.call("POST", "/validate/check", **parameters)
        return str(answer["result"]["authentication"])

    def as_(self, username: str, password: str, realm: str = "") -> Api:
        """Return a client that is logged in."""
        given = {"username": username, "password": password, "realm": realm}
        return Api(self.client, self.value("POST", "/auth", **given)["token"])

    def shown(self, serial: str) -> Any:
        """Return a token as it is listed."""
        (token,) = self.value("GET", "/token/", serial=serial)["tokens"]
        return token


@pytest.fixture
def passwd(tmp_path: Path) -> Path:
    file = tmp_path / "passwd"
    file.write_text(PASSWD)
    return file


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database_url=f"sqlite:///{tmp_path / 'otp.db'}",
        key_file=str(tmp_path / "key"),
        hash_time=1,
        hash_memory=8,
    )


@pytest.fixture
def opened(settings: Settings, passwd: Path) -> Iterator[Callable[..., Host]]:
    """Open hosts with some settings changed; the first one is populated."""
    hosts: list[Host] = []

    def open_(**changes: Any) -> Host:
        host = open_host(attrs.evolve(settings, **changes))
        if not hosts:
            populate(host, passwd)
        hosts.append(host)
        return host

    yield open_
    for host in hosts:
        host.close()


def populate(host: Host, passwd: Path) -> None:
    """Add an administrator, a realm with both kinds of resolvers, and two users."""
    host.add_admin("root", "root-pw", email="root@example.com")
    host.add_resolver("local")
    host.add_resolver("files", path=str(passwd))
    host.add_realm("sales", ["local", "files"])
    host.add_realm("support", ["local"])
    alice = {"givenname": "Alice", "email": "alice@example.com", "mobile": "+49 170 2"}
    host.add_user("alice", "sales", password="alice-pw", **alice)
    host.add_user("bob", "sales", password="bob-pw", givenname="Bob")


@pytest.fixture
def host(opened: Callable[..., Host]) -> Host:
    return opened()


@pytest.fixture
def client_of() -> Callable[[Host], Api]:
    """Return a client, not logged in, of any host."""
    return lambda host: Api(create_app(NoBindings(), host.settings, host=host).test_client())


@pytest.fixture
def anybody(host: Host, client_of: Callable[[Host], Api]) -> Api:
    """A client that is not logged in."""
    return client_of(host)


@pytest.fixture
def api(anybody: Api) -> Api:
    """A client that an administrator is logged in with."""
    return anybody.as_("root", "root-pw")
