"""The same on the databases of servers, where they can be reached, and beside whenthen's tables."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import svcs

from whenthen import Missing
from whenthen.errors import StoreError
from whenthen.identity import AdminDirectory, TokenStore, UserDirectory
from whenthen_otpserver import tables, whenthen_services
from whenthen_otpserver.database import VERSION_TABLE, open_engine
from whenthen_otpserver.errors import Unreachable
from whenthen_otpserver.host import Host

SERVERS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1:5432/test",
    "mariadb": "mariadb+pymysql://root@127.0.0.1:3306/test",
}
OTPS = ["755224", "287082", "359152"]
KEY = b"12345678901234567890".hex()


def drop(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        tables.metadata.drop_all(connection)
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {VERSION_TABLE}")


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: Any) -> Iterator[str]:
    address, reason = SERVERS[request.param], ""
    try:
        engine = sa.create_engine(address, connect_args={"connect_timeout": 3})
        engine.connect().close()
    except (sa.exc.OperationalError, ModuleNotFoundError) as error:
        reason = type(error).__name__
    if reason:
        pytest.skip(f"no {request.param} is reachable on this machine ({reason})")
    drop(engine)
    yield address
    drop(engine)
    engine.dispose()


def test_a_token_lives_on_a_server(
    url: str, opened: Callable[..., Host], client_of: Callable[[Host], Any]
) -> None:
    host = opened(database_url=url)
    api = client_of(host).as_("root", "root-pw")
    given = {"user": "alice", "pin": "1234", "otpkey": KEY, "max_failcount": 100}
    serial = api.call("POST", "/token/init", **given)["detail"]["serial"]
    api.call("POST", "/token/init", status=409, serial=serial)
    api.call("POST", "/token/init", status=404, user="ALICE")
    assert api.check(f"1234{OTPS[0]}", user="alice") == "ACCEPT"
    verdicts = []

    def check() -> None:
        with host.work() as work:
            found = work.checker.check(f"1234{OTPS[1]}", serial=serial)
        verdicts.append(found.authentication)
        for _ in range(3):
            with host.work() as work:
                work.checker.check("1234000000", serial=serial)

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdicts) == ["ACCEPT", "REJECT", "REJECT", "REJECT"]
    assert 12 <= api.shown(serial)["failcount"] <= 15
    api.call("POST", "/token/set", serial=serial, info={"vendor": "acme"})
    assert api.value("DELETE", f"/token/{serial}") == 1


def test_a_database_that_is_away_or_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        open_engine(f"sqlite:///{tmp_path}/nowhere/otp.db")
    for url in ("nonsense", "nothing://x/y"):
        with pytest.raises(StoreError):
            open_engine(url)


def test_a_newer_schema_is_refused(host: Host) -> None:
    with host.work() as work:
        statement = f"UPDATE {VERSION_TABLE} SET version_num = '9999'"
        work.session.connection().exec_driver_sql(statement)
    with pytest.raises(StoreError, match="newer version"):
        open_engine(host.settings.database_url)


def test_the_schema_is_that_of_the_tables(host: Host) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with host.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or "otp_" in str(name)},
        )
        assert compare_metadata(context, tables.metadata) == []


def test_services_are_those_of_the_call(host: Host) -> None:
    registry = svcs.Registry()
    whenthen_services(registry)
    kinds: list[Any] = [TokenStore, UserDirectory, AdminDirectory, sa.orm.Session]
    with svcs.Container(registry) as container:
        for kind in kinds:
            with pytest.raises(Missing):
                container.get_abstract(kind)
    with host.work() as work, svcs.Container(registry) as container:
        found = [container.get_abstract(kind) for kind in kinds]
        assert found == [work.tokens, work.users, work.admins, work.session]
    registry.close()


def test_importing_the_plugin_is_cheap() -> None:
    code = (
        "import sys, whenthen_otpserver; "
        "print([name for name in ('flask', 'sqlalchemy', 'argon2', 'waitress', 'cryptography') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
