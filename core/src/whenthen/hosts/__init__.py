"""Adapters: how a host's calls become events."""

from whenthen.hosts.functions import FunctionAdapter
from whenthen.protocols import Adapter

__all__ = ["Adapter", "FunctionAdapter"]
