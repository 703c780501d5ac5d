"""The store: SQLAlchemy Core tables behind the engine's protocols. Import it late; it is heavy."""

from whenthen.store.bindings import BindingStore, Version
from whenthen.store.database import Database, open_database
from whenthen.store.deliveries import DeliveryStore
from whenthen.store.host import HostTransactions
from whenthen.store.records import RecordStore

__all__ = [
    "BindingStore",
    "Database",
    "DeliveryStore",
    "HostTransactions",
    "RecordStore",
    "Version",
    "open_database",
]
