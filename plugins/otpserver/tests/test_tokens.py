"""The life of tokens: what authenticates, what does not, and what is counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import Api

from whenthen import UserRef
from whenthen_otpserver.host import Host

KEY = b"12345678901234567890".hex()
OTPS = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489".split()


def enroll(api: Api, kind: str = "hotp", **parameters: Any) -> Any:
    given = {"type": kind, "user": "alice", "pin": "1234", **parameters}
    if kind == "hotp":
        given.setdefault("otpkey", KEY)
    return api.call("POST", "/token/init", **given)["detail"]


def shown(api: Api, serial: str) -> Any:
    (token,) = api.value("GET", "/token/", serial=serial)["tokens"]
    return token


def test_a_hotp_token_authenticates_each_password_once(api: Api) -> None:
    serial = enroll(api)["serial"]
    assert api.check(f"1234{OTPS[0]}", user="alice") == "ACCEPT"
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    assert api.check(f"1234{OTPS[5]}", serial=serial) == "ACCEPT"
    assert api.check(f"1234{OTPS[4]}", serial=serial) == "REJECT"
    token = shown(api, serial)
    assert (token["count"], token["failcount"]) == (6, 1)
    assert (token["count_auth_success"], token["count_auth_fail"]) == (2, 2)
    assert token["last_auth"]


@pytest.mark.parametrize("password", ["", "1234", OTPS[0], f"12345{OTPS[0]}", f"1234 {OTPS[0]}"])
def test_pin_and_password_both_count(api: Api, password: str) -> None:
    enroll(api)
    assert api.check(password, user="alice") == "REJECT"


def test_without_a_pin_the_password_alone_counts(api: Api) -> None:
    enroll(api, pin="")
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    assert api.check(OTPS[0], user="alice") == "ACCEPT"


def test_a_totp_token_refuses_replay(api: Api, host: Host) -> None:
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    detail = enroll(api, "totp")
    seed = bytes.fromhex(detail["otpkey"]["value"])
    now = TOTP(seed, 6, SHA1(), 30).generate(int(datetime.now(UTC).timestamp())).decode()
    assert api.check(f"1234{now}", user="alice") == "ACCEPT"
    assert api.check(f"1234{now}", user="alice") == "REJECT"
    assert detail["googleurl"]["value"].startswith("otpauth://totp/whenthen:alice?")
    with host.begin() as unit:
        stored = unit.session.connection().exec_driver_sql("SELECT * FROM otp_token").all()
    assert seed.hex() not in repr(stored)
    assert "1234" not in repr(stored)


def test_a_token_locks_and_is_reset(api: Api) -> None:
    serial = enroll(api)["serial"]
    api.call("POST", "/token/set", serial=serial, max_failcount=3)
    for _ in range(5):
        assert api.check("1234000000", user="alice") == "REJECT"
    token = shown(api, serial)
    assert (token["failcount"], token["locked"]) == (3, True)
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    assert api.value("POST", "/token/reset", serial=serial) == 1
    assert api.check(f"1234{OTPS[0]}", user="alice") == "ACCEPT"


def test_success_resets_the_fail_counter(api: Api) -> None:
    serial = enroll(api)["serial"]
    api.check("1234000000", user="alice")
    assert shown(api, serial)["failcount"] == 1
    api.check(f"1234{OTPS[0]}", user="alice")
    assert shown(api, serial)["failcount"] == 0


def test_of_several_tokens_those_with_the_pin_count_the_failure(api: Api) -> None:
    first = enroll(api)["serial"]
    second = enroll(api, pin="9999")["serial"]
    api.check("9999000000", user="alice")
    assert [shown(api, serial)["failcount"] for serial in (first, second)] == [0, 1]
    api.check("5555000000", user="alice")
    assert [shown(api, serial)["failcount"] for serial in (first, second)] == [1, 2]
    assert api.check(f"9999{OTPS[0]}", user="alice") == "ACCEPT"
    assert [shown(api, serial)["failcount"] for serial in (first, second)] == [1, 0]


def test_disabled_revoked_and_expired_tokens_do_not_authenticate(api: Api, host: Host) -> None:
    serial = enroll(api)["serial"]
    api.call("POST", "/token/disable", serial=serial)
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    api.call("POST", "/token/enable", serial=serial)
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    for begins, ends in ((now + hour, now + 2 * hour), (now - 2 * hour, now - hour)):
        valid = {"valid_from": begins.isoformat(), "valid_till": ends.isoformat()}
        api.call("POST", "/token/set", serial=serial, **valid)
        assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    api.call("POST", "/token/set", serial=serial, valid_from=None, valid_till=None)
    with host.begin() as unit:
        unit.tokens.revoke(serial)
    assert api.check(f"1234{OTPS[0]}", user="alice") == "REJECT"
    said = api.call("POST", "/token/enable", status=409, serial=serial)
    assert "for ever" in said["result"]["error"]["message"]


def test_a_registration_code_works_once_and_the_token_stays(api: Api) -> None:
    detail = enroll(api, "registration", pin="")
    code, serial = detail["registrationcode"], detail["serial"]
    assert len(code) == 24
    assert api.check(code[:-1] + "-", user="alice") == "REJECT"
    assert api.check(code, user="alice") == "ACCEPT"
    assert api.check(code, user="alice") == "REJECT"
    assert shown(api, serial)["rollout_state"] == "used"


def test_a_paper_list_is_used_from_top_to_bottom(api: Api) -> None:
    detail = enroll(api, "paper", count=3)
    otps = detail["otps"]
    assert list(otps) == ["0", "1", "2"]
    assert api.check(f"1234{otps['1']}", user="alice") == "ACCEPT"
    assert api.check(f"1234{otps['0']}", user="alice") == "REJECT"
    assert api.check(f"1234{otps['2']}", user="alice") == "ACCEPT"
    assert shown(api, detail["serial"])["rollout_state"] == "used"


def test_a_list_does_not_go_on_past_its_end(api: Api) -> None:
    enroll(api, "paper", count=2, otpkey=KEY)
    assert api.check(f"1234{OTPS[2]}", user="alice") == "REJECT"


def test_a_token_is_synchronised_again(api: Api) -> None:
    serial = enroll(api)["serial"]
    api.call("POST", "/token/set", serial=serial, count_window=1)
    wrong = {"serial": serial, "otp1": OTPS[3], "otp2": OTPS[5]}
    assert api.value("POST", "/token/resync", **wrong) is False
    right = {"serial": serial, "otp1": OTPS[3], "otp2": OTPS[4]}
    assert api.value("POST", "/token/resync", **right) is True
    assert api.check(f"1234{OTPS[5]}", user="alice") == "ACCEPT"
    paper = enroll(api, "paper")["serial"]
    api.call("POST", "/token/resync", status=400, serial=paper, otp1="123456", otp2="123456")


def test_a_pin_is_set_and_taken_away(api: Api) -> None:
    serial = enroll(api)["serial"]
    api.call("POST", "/token/setpin", serial=serial, pin="äöü€")
    assert api.check(f"äöü€{OTPS[0]}", user="alice") == "ACCEPT"
    api.call("POST", "/token/setpin", serial=serial, pin="")
    assert api.check(OTPS[1], user="alice") == "ACCEPT"


def test_assigning_moves_a_token_into_the_realm(api: Api) -> None:
    serial = enroll(api, user="")["serial"]
    assert shown(api, serial)["realms"] == []
    api.call("POST", "/token/assign", serial=serial, user="bob", realm="support")
    token = shown(api, serial)
    assert (token["username"], token["user_realm"]) == ("bob", "support")
    assert token["realms"] == ["support"]
    said = api.call("POST", "/token/assign", status=409, serial=serial, user="alice")
    assert "another owner" in said["result"]["error"]["message"]
    assert api.value("POST", "/token/unassign", user="bob", realm="support") == 1
    assert shown(api, serial)["username"] == ""
    api.call("POST", f"/token/realm/{serial}", realms=["sales", "support"])
    assert shown(api, serial)["realms"] == ["sales", "support"]
    api.call("POST", f"/token/realm/{serial}", status=400, realms=["nowhere"])


def test_tokens_are_deleted_with_all_that_belongs_to_them(api: Api, host: Host) -> None:
    serial = enroll(api)["serial"]
    api.call("POST", "/token/set", serial=serial, info={"vendor": "acme"})
    assert shown(api, serial)["info"] == {"vendor": "acme"}
    assert api.value("DELETE", f"/token/{serial}") == 1
    api.call("DELETE", f"/token/{serial}", status=404)
    with host.begin() as unit:
        for table in ("otp_token", "otp_token_info", "otp_token_realm"):
            query = f"SELECT count(*) FROM {table}"
            assert unit.connection.exec_driver_sql(query).scalar() == 0


def test_tokens_are_listed_by_page_and_by_what_they_are(api: Api) -> None:
    serials = [enroll(api, serial=f"T{number}")["serial"] for number in range(5)]
    enroll(api, "registration", user="bob", realm="support")
    page = api.value("GET", "/token/", pagesize=2, page=2)
    assert [token["serial"] for token in page["tokens"]] == serials[2:4]
    assert (page["count"], page["prev"], page["next"]) == (6, 1, 3)
    counts = {
        "user": api.value("GET", "/token/", user="alice")["count"],
        "type": api.value("GET", "/token/", type="registration")["count"],
        "realm": api.value("GET", "/token/", realm="support")["count"],
        "tokenrealm": api.value("GET", "/token/", tokenrealm="sales")["count"],
        "assigned": api.value("GET", "/token/", assigned="false")["count"],
    }
    assert counts == {"user": 5, "type": 1, "realm": 1, "tokenrealm": 5, "assigned": 0}


def test_the_store_sees_what_the_api_does(api: Api, host: Host) -> None:
    serial = enroll(api, description="of the lab")["serial"]
    with host.begin() as unit:
        unit.tokens.set_info(serial, "a", "1")
        unit.tokens.set_info(serial, "a", "2")
        unit.tokens.set_info(serial, "b", "3")
        unit.tokens.set_realms(serial, ["sales", "support"])
        token = unit.tokens.get(serial)
        assert token is not None
        assert token.owner == UserRef("alice", "sales", "local")
        assert token.realms == {"sales", "support"}
        assert token.info == {"a": "2", "b": "3"}
        assert token.description == "of the lab"
        assert unit.tokens.owned_by(UserRef("alice")) == [token]
        assert unit.tokens.owned_by(UserRef("alice", "support")) == []
        assert unit.tokens.get("nothing") is None
        for method in (unit.tokens.delete, unit.tokens.unassign, unit.tokens.revoke):
            with pytest.raises(LookupError):
                method("nothing")
        with pytest.raises(LookupError):
            unit.tokens.enrolment("nothing")
        with pytest.raises(ValueError, match="fail counter"):
            unit.tokens.set_failcount(serial, -1)
        with pytest.raises(ValueError, match="nowhere"):
            unit.tokens.set_realms(serial, ["nowhere"])
        with pytest.raises(ValueError, match="digits"):
            unit.tokens.enroll("hotp", {"digits": 7})
