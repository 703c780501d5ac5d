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

    _container: svcs.Container = field()

    @classmethod
    def of(cls, registry: svcs.Registry) -> Self:
        """Return the services that `registry` has, opened only when they are asked for."""
        import svcs

        return cls(svcs.Container(registry))

    def service(self, kind: type[T]) -> T:
        """Return the host's service of a type; raises Missing if nobody offers it."""
        import svcs

        try:
            service: T = self._container.get_abstract(kind)
        except svcs.exceptions.ServiceNotFoundError:
            raise Missing(f"The host offers no {kind.__name__}.") from None
        return service

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()
