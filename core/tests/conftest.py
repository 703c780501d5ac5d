"""What the core's tests share: an engine on a database of its own, and hosts in memory."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import svcs
from attrs import define, field

from whenthen import (
    Action,
    Condition,
    Engine,
    Event,
    EventType,
    Fact,
    HandlerModule,
    Record,
    Resource,
    UserRef,
    build,
    hookimpl,
    parse,
)
from whenthen.binding import Binding, ResourceConfig
from whenthen.freshness import FreshPlan
from whenthen.identity import Token, TokenStore, User, UserDirectory
from whenthen.plan import Plan
from whenthen.registry import Registry
from whenthen.services import HostServices
from whenthen.store import BindingStore, DeliveryStore, RecordStore, open_database

EVENT_TYPES = ("op", "other", "token_init")


@pytest.fixture(autouse=True)
def only_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out whatever other plugins happen to be installed, and settings of the caller's."""
    real: Any = importlib.metadata.entry_points

    def entry_points(**chosen: str) -> Any:
        found = real(**chosen)
        if chosen.get("group") != "whenthen.plugins":
            return found
        return [point for point in found if point.value == "whenthen.basic"]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.delenv("WHENTHEN_DISABLE", raising=False)
    monkeypatch.delenv("WHENTHEN_DATABASE_URL", raising=False)


def plugin_of(
    actions: Sequence[Action] = (),
    facts: Sequence[Fact] = (),
    conditions: Sequence[Condition] = (),
    resources: Sequence[Resource] = (),
    *,
    secrets: Sequence[str] = (),
) -> SimpleNamespace:
    """Return a plugin whose handler module is called `lab`."""
    module = HandlerModule("lab", "For tests.", actions=list(actions), resources=list(resources))
    types = [EventType(name, "For tests.", secrets=frozenset(secrets)) for name in EVENT_TYPES]

    @hookimpl
    def whenthen_handler_modules() -> Sequence[HandlerModule]:
        return [module]

    @hookimpl
    def whenthen_facts() -> Sequence[Fact]:
        return list(facts)

    @hookimpl
    def whenthen_conditions() -> Sequence[Condition]:
        return list(conditions)

    @hookimpl
    def whenthen_event_types() -> Sequence[EventType]:
        return types

    return SimpleNamespace(
        whenthen_handler_modules=whenthen_handler_modules,
        whenthen_facts=whenthen_facts,
        whenthen_conditions=whenthen_conditions,
        whenthen_event_types=whenthen_event_types,
    )


def binding_of(name: str = "one", **given: object) -> Binding:
    """Return a binding of the action `lab.act`, at `post` of `op`, but for what is given."""
    usual = {"events": ["op"], "position": "post", "handler": "lab", "action": "act"}
    return parse(Binding, {"name": name} | usual | given)


@define
class Lab:
    """Builds engines on one database, and looks at what they left there."""

    url: str
    folder: Path
    engines: list[Engine] = field(factory=list)

    plugin = staticmethod(plugin_of)
    binding = staticmethod(binding_of)

    def build(
        self,
        *actions: Action,
        facts: Sequence[Fact] = (),
        conditions: Sequence[Condition] = (),
        resources: Sequence[Resource] = (),
        secrets: Sequence[str] = (),
        plugins: Mapping[str, object] | None = None,
        **given: Any,
    ) -> Engine:
        """Return an engine whose handler module `lab` has the actions."""
        plugin = plugin_of(actions, facts, conditions, resources, secrets=secrets)
        engine = build(
            database_url=self.url,
            plugins={"lab_plugin": plugin} | dict(plugins or {}),
            executor=given.pop("executor", None),
            strict=True,
            **given,
        )
        self.engines.append(engine)
        return engine

    def bind(self, engine: Engine, *things: Binding | ResourceConfig) -> None:
        """Save bindings and put them in force."""
        self.store(engine).change(put=things, who="tester")
        self.refresh(engine)

    def refresh(self, engine: Engine) -> Plan:
        """Put in force what is in the store."""
        current = cast("FreshPlan", engine.current)
        current.refresh()
        return current.plan

    def store(self, engine: Engine) -> BindingStore:
        """Return where the engine's bindings are."""
        return cast("BindingStore", cast("FreshPlan", engine.current).source)

    def deliveries(self, engine: Engine) -> DeliveryStore:
        """Return the outbox."""
        return cast("DeliveryStore", engine.ports.outbox)

    def records(self, engine: Engine, binding: str = "") -> list[Record]:
        """Return the records, the oldest first."""
        sink = cast("RecordStore", engine.ports.sink)
        sink.flush()
        return [record for _, record in sink.find(binding=binding, last=1000)][::-1]

    def outcomes(self, engine: Engine) -> list[tuple[str, str]]:
        """Return binding and outcome of every record, in order."""
        return [(record.binding, record.outcome.value) for record in self.records(engine)]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with tables and nothing in them, to be copied: cheaper than migrating again."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    database = open_database(f"sqlite:///{path}")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    return path


@pytest.fixture
def lab(tmp_path: Path, empty_database: Path) -> Iterator[Lab]:
    """Engines on a fresh SQLite file."""
    path = tmp_path / "whenthen.db"
    shutil.copy(empty_database, path)
    lab = Lab(f"sqlite:///{path}", tmp_path)
    yield lab
    for engine in lab.engines:
        engine.close()


@define
class World:
    """Tokens and users in memory; what is asked is counted, and may be made to raise."""

    tokens: dict[str, Token] = field(factory=dict)
    users: dict[UserRef, User] = field(factory=dict)
    broken: BaseException | None = None
    asked: list[str] = field(factory=list)

    def add(self, serial: str, type_: str = "hotp", **state: Any) -> Token:
        """Add a token."""
        self.tokens[serial] = Token(serial, type_, **state)
        return self.tokens[serial]

    def get(self, serial: str) -> Token | None:
        """As TokenStore."""
        self.asked.append(f"get {serial}")
        return self.tokens.get(serial)

    def owned_by(self, owner: UserRef) -> Sequence[Token]:
        """As TokenStore."""
        self.asked.append(f"owned_by {owner.name}")
        return [token for token in self.tokens.values() if token.owner == owner]

    def find(self, user: UserRef) -> User | None:
        """As UserDirectory."""
        self.asked.append(f"find {user.name}")
        if self.broken is not None:
            raise self.broken
        return self.users.get(user)

    def services(self) -> svcs.Registry:
        """Return a registry that offers this world."""
        registry = svcs.Registry()
        registry.register_value(TokenStore, self)
        registry.register_value(UserDirectory, self)
        return registry

    def open(self) -> HostServices:
        """Return its services as an engine sees them."""
        return HostServices.of(self.services())


@pytest.fixture
def world() -> World:
    """A host's tokens and users."""
    return World()


@pytest.fixture
def registry() -> Registry:
    """What the core itself declares, and the event types of the tests."""
    from whenthen.build import known

    return known(plugins={"lab_plugin": plugin_of()}, strict=True)[1]


@pytest.fixture
def new_event() -> Callable[..., Event]:
    """Make events of type `op` at `post`."""
    from whenthen import Position, Request, Response

    def make(
        type_: str = "op",
        *,
        position: Position = Position.POST,
        parameters: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        **given: Any,
    ) -> Event:
        response = Response(body) if body is not None else None
        return Event(type_, position, Request(parameters or {}), response, **given)

    return make
