"""What the host offers, by type: svcs behind the `Services` protocol."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from attrs import field, frozen

from whenthen.errors import Missing

if TYPE_CHECKING:
    import svcs

__all__ = ["HostServices"]

T = TypeVar("T")


@frozen
class HostServices:
    """The services of one call; what they opened is closed with the context."""

    _containers: tuple[svcs.Container, ...] = field()

    @classmethod
    def of(cls, *registries: svcs.Registry) -> Self:
        """Return what the registries have, the first before the others, opened when asked for."""
        import svcs

        return cls(tuple(map(svcs.Container, registries)))

    def service(self, kind: type[T]) -> T:
        """Return the host's service of a type; raises Missing if nobody offers it."""
        import svcs

        for container in self._containers:
            try:
                service: T = container.get_abstract(kind)
            except svcs.exceptions.ServiceNotFoundError:
                continue
            return service
        raise Missing(f"The host offers no {kind.__name__}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for container in self._containers:
            container.close()
