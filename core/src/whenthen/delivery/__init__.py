"""Deliveries: deferred actions, run after the host's commit, again and again until done."""

from whenthen.delivery.worker import Worker

__all__ = ["Worker"]
