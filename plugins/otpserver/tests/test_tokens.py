"""The life of tokens: what authenticates, what does not, and what is counted."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from whenthen import UserRef
from whenthen_otpserver.host import Host

KEY = b"12345678901234567890".hex()
OTPS = [
    "755224", "287082", "359152", "969429", "338314",
    "254676", "287922", "162583", "399871", "520489",
]  # fmt: skip


def enroll(api: Any, kind: str = "hotp", **parameters: Any) -> Any:
    given = {"type": kind, "user": "alice", "pin": "1234", **parameters}
    if kind == "hotp":
        given.setdefault("otpkey", KEY)
    return api.call("POST", "/token/init", **given)["detail"]


def test_a_hotp_token_authenticates_each_password_once(api: Any) -> None:
    serial = enroll(api)["serial"]
    assert api.check(f"1234{OTPS[0]}", user="alice") == "ACCEPT"
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    assert api.check(f"1234{OTPS[5]}", serial=serial) == "ACCEPT"
    assert api.check(f"1234{OTPS[4]}", serial=serial) == "REJECT"
    token = api.shown(serial)
    assert (token["counter"], token["failcount"], token["tokentype"]) == (6, 1, "hotp")


@pytest.mark.parametrize("password", ["", "1234", OTPS[0], f"12345{OTPS[0]}", f"1234 {OTPS[0]}"])
def test_pin_and_password_both_count(api: Any, password: str) -> None:
    enroll(api)
    assert api.check(password, user="alice") == "REJECT"


def test_without_a_pin_the_password_alone_counts(api: Any) -> None:
    enroll(api, pin="")
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    assert api.check(OTPS[0], user="alice") == "ACCEPT"


def test_the_window_is_the_look_ahead(api: Any) -> None:
    enroll(api, count_window=3)
    assert api.check(f"1234{OTPS[3]}", user="alice") == "REJECT"
    assert api.check(f"1234{OTPS[2]}", user="alice") == "ACCEPT"


def test_a_totp_token_refuses_replay_and_its_seed_is_encrypted(api: Any, host: Host) -> None:
    detail = enroll(api, "totp")
    seed = bytes.fromhex(detail["otpkey"]["value"])
    now = TOTP(seed, 6, SHA1(), 30).generate(int(datetime.now(UTC).timestamp())).decode()
    assert api.check(f"1234{now}", user="alice") == "ACCEPT"
    assert api.check(f"1234{now}", user="alice") == "REJECT"
    assert detail["googleurl"]["value"].startswith("otpauth://totp/whenthen:alice?")
    enroll(api)
    with host.work() as work:
        stored = repr(work.session.connection().exec_driver_sql("SELECT * FROM otp_token").all())
    assert seed.hex() not in stored
    assert KEY not in stored


def test_a_token_locks_and_is_reset(api: Any) -> None:
    serial = enroll(api, max_failcount=3)["serial"]
    for _ in range(5):
        assert api.check("1234000000", user="alice") == "REJECT"
    token = api.shown(serial)
    assert (token["failcount"], token["locked"]) == (3, True)
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    assert api.value("POST", "/token/reset", serial=serial) == 1
    assert api.check("1234000000", user="alice") == "REJECT"
    assert api.check(f"1234{OTPS[0]}", user="alice") == "ACCEPT"
    assert api.shown(serial)["failcount"] == 0


def test_of_several_tokens_those_with_the_pin_count_the_failure(api: Any) -> None:
    serials = [enroll(api)["serial"], enroll(api, pin="9999")["serial"]]

    def counts() -> list[int]:
        return [api.shown(serial)["failcount"] for serial in serials]

    api.check("9999000000", user="alice")
    assert counts() == [0, 1]
    api.check("5555000000", user="alice")
    assert counts() == [1, 2]
    assert api.check(f"9999{OTPS[0]}", user="alice") == "ACCEPT"
    assert counts() == [1, 0]


def test_failures_at_the_same_time_are_all_counted(api: Any, host: Host) -> None:
    serial = enroll(api, max_failcount=100)["serial"]

    def fail() -> None:
        for _ in range(5):
            with host.work() as work:
                work.checker.check("1234000000", serial=serial)

    threads = [threading.Thread(target=fail) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.shown(serial)["failcount"] == 30


def test_of_the_same_password_at_the_same_time_one_is_accepted(api: Any, host: Host) -> None:
    serial, verdicts = enroll(api)["serial"], []

    def check() -> None:
        with host.work() as work:
            found = work.checker.check(f"1234{OTPS[0]}", serial=serial)
        verdicts.append(found.authentication)

    threads = [threading.Thread(target=check) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdicts) == ["ACCEPT"] + ["REJECT"] * 5


def test_disabled_revoked_and_expired_tokens_do_not_authenticate(api: Any) -> None:
    serial = enroll(api)["serial"]
    api.call("POST", "/token/disable", serial=serial)
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    api.call("POST", "/token/enable", serial=serial)
    now, hour = datetime.now(UTC), timedelta(hours=1)
    for begins, ends in ((now + hour, now + 2 * hour), (now - 2 * hour, now - hour)):
        valid = {"valid_from": begins.isoformat(), "valid_till": ends.isoformat()}
        api.call("POST", "/token/set", serial=serial, **valid)
        assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    valid = {"valid_from": (now - hour).isoformat(), "valid_till": (now + hour).isoformat()}
    api.call("POST", "/token/set", serial=serial, **valid)
    assert api.check(f"1234{OTPS[0]}", user="alice") == "ACCEPT"
    api.call("POST", "/token/set", serial=serial, revoked=True)
    assert api.check(f"1234{OTPS[1]}", user="alice") == "REJECT"


def test_a_registration_code_works_once_and_the_token_stays(api: Any) -> None:
    detail = enroll(api, "registration", pin="")
    code, serial = detail["registrationcode"], detail["serial"]
    assert api.check(code[:-1] + "-", user="alice") == "REJECT"
    assert api.check(code, user="alice") == "ACCEPT"
    assert api.check(code, user="alice") == "REJECT"
    assert api.shown(serial)["rollout_state"] == "used"


def test_a_paper_list_is_used_from_top_to_bottom(api: Any) -> None:
    detail = enroll(api, "paper", count=3)
    otps = detail["otps"]
    assert list(otps) == ["0", "1", "2"]
    assert api.check(f"1234{otps['1']}", user="alice") == "ACCEPT"
    assert api.check(f"1234{otps['0']}", user="alice") == "REJECT"
    assert api.check(f"1234{otps['2']}", user="alice") == "ACCEPT"
    assert api.shown(detail["serial"])["rollout_state"] == "used"


def test_a_token_is_synchronised_again(api: Any) -> None:
    serial = enroll(api, count_window=1)["serial"]
    wrong = {"serial": serial, "otp1": OTPS[3], "otp2": OTPS[5]}
    assert api.value("POST", "/token/resync", **wrong) is False
    right = {"serial": serial, "otp1": OTPS[3], "otp2": OTPS[4]}
    assert api.value("POST", "/token/resync", **right) is True
    assert api.check(f"1234{OTPS[5]}", user="alice") == "ACCEPT"
    paper = enroll(api, "paper")["serial"]
    api.call("POST", "/token/resync", status=409, serial=paper, otp1="123456", otp2="123456")


def test_a_pin_is_set_and_taken_away(api: Any) -> None:
    serial = enroll(api)["serial"]
    api.call("POST", "/token/setpin", serial=serial, pin="äöü€")
    assert api.check(f"äöü€{OTPS[0]}", user="alice") == "ACCEPT"
    api.call("POST", "/token/setpin", serial=serial, pin="")
    assert api.check(OTPS[1], user="alice") == "ACCEPT"


def test_assigning_moves_a_token_into_the_realm(api: Any) -> None:
    serial = enroll(api, user="")["serial"]
    assert api.shown(serial)["realms"] == []
    api.call("POST", "/token/assign", serial=serial, user="bob", realm="support")
    token = api.shown(serial)
    assert (token["username"], token["user_realm"]) == ("bob", "support")
    assert token["realms"] == ["support"]
    api.call("POST", "/token/assign", status=409, serial=serial, user="alice")
    api.call("POST", "/token/unassign", status=404, serial=serial, user="alice")
    assert api.value("POST", "/token/unassign", user="bob", realm="support") == 1
    assert api.shown(serial)["owner"] is None
    api.call("POST", f"/token/realm/{serial}", realms=["sales", "support"])
    assert api.shown(serial)["realms"] == ["sales", "support"]
    api.call("POST", f"/token/realm/{serial}", status=404, realms=["nowhere"])


def test_tokens_are_deleted_with_all_that_belongs_to_them(api: Any, host: Host) -> None:
    serial = enroll(api)["serial"]
    api.call("POST", "/token/set", serial=serial, info={"vendor": "acme"}, description="new")
    token = api.shown(serial)
    assert (token["info"], token["description"]) == ({"vendor": "acme"}, "new")
    assert api.value("DELETE", f"/token/{serial}") == 1
    api.call("DELETE", f"/token/{serial}", status=404)
    with host.work() as work:
        for table in ("otp_token", "otp_token_info", "otp_token_realm"):
            query = f"SELECT count(*) FROM {table}"
            assert work.session.connection().exec_driver_sql(query).scalar() == 0


def test_the_store_sees_what_the_api_does(api: Any, host: Host) -> None:
    serial = enroll(api, description="of the lab")["serial"]
    with host.work() as work:
        tokens = work.tokens
        tokens.set_info(serial, "a", "1")
        tokens.set_info(serial, "a", "2")
        tokens.set_realms(serial, ["sales", "support"])
        token = tokens.get(serial)
        assert token is not None
        assert token.owner == UserRef("alice", "sales", "local")
        assert token.realms == {"sales", "support"}
        assert (token.info, token.description) == ({"a": "2"}, "of the lab")
        assert tokens.owned_by(UserRef("alice")) == [token]
        assert tokens.owned_by(UserRef("alice", "support")) == []
        assert tokens.get("nothing") is None
        for method in (tokens.delete, tokens.unassign):
            with pytest.raises(LookupError):
                method("nothing")
        with pytest.raises(LookupError):
            tokens.enrolment("nothing")
        with pytest.raises(ValueError, match="failcount"):
            tokens.set_failcount(serial, -1)
        with pytest.raises(LookupError, match="nowhere"):
            tokens.set_realms(serial, ["nowhere"])
        with pytest.raises(ValueError, match="digits"):
            tokens.enroll("hotp", {"digits": 7})
