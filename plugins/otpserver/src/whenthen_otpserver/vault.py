"""Secrets: seeds and sessions encrypted by Fernet, PINs and passwords hashed by argon2."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from attrs import field, frozen
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from whenthen import SettingsError
from whenthen_otpserver.settings import Settings

__all__ = ["KEYS_VARIABLE", "Hasher", "Vault", "open_vault"]

KEYS_VARIABLE = "WHENTHEN_OTPSERVER_KEYS"


@frozen
class Vault:
    """Encrypts what must be read again. The first key encrypts, every key decrypts."""

    _seeds: MultiFernet = field(repr=False)
    _sessions: MultiFernet = field(repr=False)

    def seal(self, secret: bytes) -> str:
        """Return a seed as it is stored."""
        return self._seeds.encrypt(secret).decode()

    def unseal(self, sealed: str) -> bytes:
        """Return a stored seed.

        Raises:
            SettingsError: it was encrypted with a key that is not there.
        """
        try:
            return self._seeds.decrypt(sealed)
        except InvalidToken:
            raise SettingsError(
                "A token's seed cannot be decrypted: its key is not among the keys of this host."
            ) from None

    def issue(self, claims: bytes) -> str:
        """Return a bearer token for a login."""
        return self._sessions.encrypt(claims).decode()

    def claims(self, bearer: str, lifetime: int) -> bytes | None:
        """Return what `issue` was given, or None if it is forged or older than `lifetime` s."""
        try:
            return self._sessions.decrypt(bearer.encode(), ttl=lifetime)
        except InvalidToken:
            return None


def open_vault(settings: Settings) -> Vault:
    """Return the vault with the keys from the environment or the key file.

    Raises:
        SettingsError: the keys are unreadable, malformed, or readable by others.
    """
    keys = os.environ.get(KEYS_VARIABLE, "").replace(",", " ").split()
    keys = keys or _from_file(Path(settings.key_file))
    try:
        seeds = [Fernet(key) for key in keys]
    except ValueError:
        raise SettingsError(
            f"A key in {KEYS_VARIABLE} or in the key file is malformed; "
            "each is 32 bytes in URL-safe base64."
        ) from None
    if not seeds:
        raise SettingsError(f"The key file {settings.key_file} holds no key.")
    return Vault(MultiFernet(seeds), MultiFernet([Fernet(_for_sessions(key)) for key in keys]))


def _for_sessions(key: str) -> bytes:
    """Derive a key of its own, so that a sealed seed is never taken for a login."""
    derived = HKDF(SHA256(), 32, salt=None, info=b"whenthen-otpserver sessions")
    return base64.urlsafe_b64encode(derived.derive(base64.urlsafe_b64decode(key)))


def _from_file(path: Path) -> list[str]:
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"The key file {path} is readable by others; set its mode to 0600.")
        return path.read_text("ascii").split()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"The key file {path} cannot be used ({error}).") from error


def _make(path: Path) -> None:
    """Write a new key: complete or not at all, and never over another process's."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
        path.hardlink_to(made)
    except FileExistsError:
        pass
    finally:
        made.unlink()


@frozen
class Hasher:
    """Hashes PINs and passwords. A check takes as long whether there is a hash or not."""

    _argon2: PasswordHasher = field(repr=False)
    _nobody: str = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Hasher:
        """Return a hasher of the cost that the settings say."""
        argon2 = PasswordHasher(settings.hash_time, settings.hash_memory, parallelism=1)
        return cls(argon2, argon2.hash(secrets.token_hex()))

    def hash(self, secret: str) -> str:
        """Return a salted hash."""
        return self._argon2.hash(secret)

    def verify(self, hashed: str | None, secret: str) -> bool:
        """Return whether `secret` is what was hashed; never, if nothing was."""
        try:
            self._argon2.verify(hashed or self._nobody, secret)
        except (VerificationError, InvalidHashError):
            return False
        return bool(hashed)
