"""Realms, resolvers, users and administrators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whenthen import Actor, UserRef
from whenthen_otpserver.errors import Conflict, NotFound, Unreachable
from whenthen_otpserver.host import Host


def test_a_realm_asks_its_resolvers_in_order(host: Host, passwd: Path) -> None:
    with host.work() as work:
        carol = work.users.find(UserRef("carol", "sales"))
        assert carol is not None
        assert carol.resolver == "files"
        assert carol.attributes == {
            "givenname": "Carol",
            "surname": "Curie",
            "phone": "+49 30 1",
            "mobile": "+49 170 1",
            "email": "carol@example.com",
        }
        assert work.users.find(UserRef("carol", "support")) is None
        assert work.users.find(UserRef("carol", "sales", "local")) is None
        with passwd.open("a") as file:
            file.write("alice:x:1:1:Other Alice:/:/bin/sh\n")
        alice = work.users.find(UserRef("alice"))  # in the default realm, which is the first
        assert alice is not None
        assert alice.ref == UserRef("alice", "sales", "local")
        listed = [(user.name, user.resolver) for user in work.users.in_realm("sales")]
        assert listed == [("alice", "local"), ("bob", "local"), ("carol", "files")]
        assert work.users.realms() == ["sales", "support"]


def test_a_user_vanishes_from_the_file(api: Any, host: Host, passwd: Path) -> None:
    given = {"type": "registration", "user": "carol", "realm": "sales"}
    detail = api.call("POST", "/token/init", **given)["detail"]
    passwd.write_text("# nobody is left\n")
    with host.work() as work:
        token = work.tokens.get(detail["serial"])
        assert token is not None
        assert token.owner is not None
        assert work.users.find(token.owner) is None
    for whom in ({"user": "carol"}, {"serial": detail["serial"]}):
        assert api.check(detail["registrationcode"], **whom) == "REJECT"


@pytest.mark.parametrize("spoilt", ["missing", "binary"])
def test_a_file_that_cannot_be_read_says_nothing_about_users(
    api: Any, host: Host, passwd: Path, spoilt: str
) -> None:
    detail = api.call("POST", "/token/init", type="registration", user="carol")["detail"]
    passwd.unlink()
    if spoilt == "binary":
        passwd.write_bytes(b"\xff\xfe\xff\n")
    with host.work() as work:
        with pytest.raises(Unreachable):
            work.users.find(UserRef("carol", "sales"))
        assert work.users.find(UserRef("alice", "sales")) is not None
    given = {"user": "carol", "pass": detail["registrationcode"]}
    said = api.call("POST", "/validate/check", status=503, **given)["result"]["error"]
    assert said["code"] == "unreachable"


def test_a_password_in_the_file_is_an_argon2_hash(host: Host, passwd: Path, anybody: Any) -> None:
    hashed = host.hasher.hash("dave-pw")
    passwd.write_text(f"dave:{hashed}:1:1:Dave:/:/bin/sh\ncarol:x:2:2::/:/bin/sh\n")
    assert anybody.as_("dave", "dave-pw", "sales").bearer
    anybody.call("POST", "/auth", status=401, username="carol", password="x", realm="sales")


def test_users_are_added_changed_and_deleted(api: Any) -> None:
    new = {"user": "erin", "realm": "support", "email": "e@example.com", "password": "erin-pw"}
    api.call("POST", "/user/", **new)
    api.call("POST", "/user/", status=409, **new)
    erin = api.value("GET", "/user/", realm="support")[-1]
    assert (erin["user"], erin["email"], erin["resolver"]) == ("erin", "e@example.com", "local")
    api.call("PUT", "/user/", user="erin", realm="support", email="", mobile="7", password="new")
    erin = api.value("GET", "/user/", realm="support")[-1]
    assert ("email" in erin, erin["mobile"]) == (False, "7")
    assert api.as_("erin", "new", "support").bearer
    api.call("DELETE", "/user/support/erin")
    api.call("DELETE", "/user/support/erin", status=404)
    api.call("PUT", "/user/", status=404, user="erin")
    api.call("DELETE", "/user/sales/carol", status=409)
    api.call("POST", "/user/", status=409, user="erin", realm="nowhere")
    api.call("POST", "/user/", status=400, user="a:b")
    api.call("GET", "/user/", status=404, realm="nowhere")


def test_administrators_are_found(host: Host) -> None:
    with host.work() as work:
        root = work.admins.find(Actor("admin", "root"))
        assert root is not None
        assert root.attributes == {"email": "root@example.com"}
        assert work.admins.find(Actor("user", "root")) is None
        assert work.admins.named("nobody") is None
        with pytest.raises(Conflict):
            work.admins.add("root", "again", {})
        with pytest.raises(NotFound):
            work.users.add_realm("lab", ["nowhere"])
