"""Keys, seeds and hashes."""

from __future__ import annotations

import stat
from pathlib import Path

import attrs
import pytest
from cryptography.fernet import Fernet

from whenthen import SettingsError
from whenthen_otpserver.settings import Settings
from whenthen_otpserver.vault import KEYS_VARIABLE, Hasher, open_vault


def test_the_key_file_is_made_for_its_owner_only(settings: Settings) -> None:
    sealed = open_vault(settings).seal(b"seed")
    mode = Path(settings.key_file).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert open_vault(settings).unseal(sealed) == b"seed"
    assert list(Path(settings.key_file).parent.glob("tmp*")) == []


@pytest.mark.parametrize("content", ["", "not a key"])
def test_a_wrong_key_file_is_refused(settings: Settings, content: str) -> None:
    path = Path(settings.key_file)
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SettingsError):
        open_vault(settings)


def test_a_key_file_that_others_can_read_is_refused(settings: Settings) -> None:
    open_vault(settings)
    Path(settings.key_file).chmod(0o640)
    with pytest.raises(SettingsError, match="0600"):
        open_vault(settings)
    with pytest.raises(SettingsError, match="cannot be used"):
        open_vault(attrs.evolve(settings, key_file="/nowhere/key"))


def test_keys_rotate(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv(KEYS_VARIABLE, old)
    sealed, bearer = open_vault(settings).seal(b"seed"), open_vault(settings).issue(b"me")
    monkeypatch.setenv(KEYS_VARIABLE, f"{new},{old}")
    both = open_vault(settings)
    assert both.unseal(sealed) == b"seed"
    assert both.claims(bearer, 60) == b"me"
    monkeypatch.setenv(KEYS_VARIABLE, new)
    with pytest.raises(SettingsError, match="not among the keys"):
        open_vault(settings).unseal(sealed)
    assert not Path(settings.key_file).exists()


def test_a_seed_is_no_login(settings: Settings) -> None:
    vault = open_vault(settings)
    assert vault.claims(vault.seal(b'["admin", "root", ""]'), 60) is None
    assert vault.claims("é", 60) is None


def test_hashes(settings: Settings) -> None:
    hasher = Hasher.of(settings)
    hashed = hasher.hash("1234")
    assert "1234" not in hashed
    assert hasher.verify(hashed, "1234")
    assert not hasher.verify(hashed, "12345")
    assert not hasher.verify(None, "1234")
    assert not hasher.verify("malformed", "1234")
