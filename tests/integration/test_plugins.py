"""Plugins as real distributions: found, active, quarantined with the reason, uninstalled."""

from __future__ import annotations

import json

import pytest
from wheels import Site

DOORBELL = '''
from attrs import frozen
from whenthen import Action, Effect, EventType, HandlerModule, Outcome, Run, hookimpl, option

@frozen
class Ring:
    """Ring the doorbell."""
    times: int = option("How often it rings", default=1, minimum=1, maximum=5)
    label: str = option("Who is at the door", template=True, default="{user}")

def ring(run: Run[Ring]) -> Outcome:
    print("ding " * run.options.times, run.options.label)
    return Outcome.done()

@hookimpl
def whenthen_handler_modules():
    action = Action("ring", ring, options=Ring, effect=Effect.OBSERVE)
    return [HandlerModule("doorbell", "Rings a doorbell.", actions=[action])]

@hookimpl
def whenthen_event_types():
    return [EventType("knock", "Somebody knocks.")]
'''

HOOKS = "from whenthen import HandlerModule, hookimpl\n"

BROKEN = {
    "import_error": (
        "from whenthen import no_such_name",
        "It cannot be imported, ImportError",
    ),
    "assertion": ("assert False", "It raised AssertionError at whenthen_assertion.py, line 1"),
    "system_exit": ("import sys; sys.exit(3)", "tried to end the process"),
    "missing_dependency": (
        "import no_such_dependency_anywhere",
        "needs the module 'no_such_dependency_anywhere', which is not installed",
    ),
    "wrong_return_type": (
        HOOKS + "@hookimpl\ndef whenthen_handler_modules():\n    return {'a': 1}",
        "whenthen_handler_modules returned dict, but must return a list of HandlerModule",
    ),
    "wrong_item": (
        HOOKS + "@hookimpl\ndef whenthen_conditions():\n    return ['serial']",
        "whenthen_conditions returned str in its list, not Condition",
    ),
    "unknown_hook": (
        HOOKS + "@hookimpl\ndef whenthen_handlers():\n    return []",
        "unknown hook 'whenthen_handlers'",
    ),
    "wrong_signature": (
        HOOKS + "@hookimpl\ndef whenthen_record(event):\n    pass",
        "does not fit the hooks of whenthen",
    ),
    "hook_raises": (
        HOOKS + "@hookimpl\ndef whenthen_facts():\n    raise RuntimeError('s3cret')",
        "It raised RuntimeError at whenthen_hook_raises.py, line 4",
    ),
    "contradiction": (
        HOOKS + "@hookimpl\ndef whenthen_handler_modules():\n"
        "    return [HandlerModule('Upper Case', 'No.', actions=[])]",
        "The name 'Upper Case' is not allowed",
    ),
    "other_api": ("WHENTHEN_API = 99", "made for version 99 of whenthen's plugin API"),
    "takes_a_name": (
        HOOKS + "@hookimpl\ndef whenthen_handler_modules():\n"
        "    return [HandlerModule('tokenhandler', 'Mine now.', actions=[])]",
        "declares modules named like other plugins: tokenhandler",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_quarantined_and_named(site: Site, name: str) -> None:
    source, reason = BROKEN[name]
    site.install(name, source, version="2.5")
    site.install("doorbell", DOORBELL)
    plugins = site.plugins()
    assert plugins[name]["state"] == "quarantined"
    assert reason in plugins[name]["reason"]
    assert "s3cret" not in plugins[name]["reason"]
    assert plugins[name]["entry_point"] == f"whenthen_{name}"
    assert plugins[name]["distribution"] == f"whenthen-{name.replace('_', '-')}"
    assert plugins[name]["version"] == "2.5"
    # Nobody else suffers, and a name that was tried for stays with its owner.
    assert plugins["doorbell"]["state"] == "active"
    assert plugins["tokenhandler"]["state"] == "active"


def test_two_distributions_with_one_plugin_name_are_both_quarantined(site: Site) -> None:
    site.install("doorbell", DOORBELL, module="whenthen_doorbell")
    site.install("doorbell", DOORBELL, module="other_doorbell")
    done = site.whenthen("plugins", "--json")
    found = [plugin for plugin in json.loads(done.stdout) if plugin["name"] == "doorbell"]
    assert {plugin["distribution"] for plugin in found} == {"whenthen-doorbell", "other-doorbell"}
    for plugin in found:
        assert plugin["state"] == "quarantined"
        assert "2 installed distributions have a plugin named 'doorbell'" in plugin["reason"]


def test_of_two_plugins_with_one_handler_module_the_second_is_quarantined(site: Site) -> None:
    site.install(
        "aardvark",
        DOORBELL.replace('EventType("knock"', 'EventType("ring"').replace(
            'HandlerModule("doorbell"', 'HandlerModule("bell"'
        ),
    )
    site.install("zebra", DOORBELL.replace('HandlerModule("doorbell"', 'HandlerModule("bell"'))
    plugins = site.plugins()
    assert plugins["aardvark"]["state"] == "active"
    assert plugins["zebra"]["state"] == "quarantined"
    assert "declares modules that another plugin has declared: bell" in plugins["zebra"]["reason"]


def test_strict_raises_and_names_the_culprit(site: Site) -> None:
    site.install("assertion", "assert False", version="0.3")
    done = site.run("-c", "import whenthen; whenthen.build(strict=True)")
    assert done.returncode == 1
    assert "The plugin assertion (whenthen-assertion 0.3): It raised AssertionError" in done.stderr
    assert "[WT-201]" in done.stderr


def test_the_order_of_plugins_does_not_depend_on_the_installation(site: Site) -> None:
    for name in ("zebra", "apple", "mango"):
        site.install(name, "")
    names = [name for name in site.plugins() if name in ("zebra", "apple", "mango")]
    assert names == ["apple", "mango", "zebra"]


HOST = """
import whenthen
engine = whenthen.build(executor=None)

@engine.event("{event}")
def operation(user):
    return "answered"

print(operation(user="hugo"))
engine.close()
"""

BINDINGS = """
bindings:
  - name: ring-the-bell
    events: [knock]
    position: post
    handler: doorbell
    action: ring
    options: {times: 2, label: "for {user}"}
  - name: also-at-logins
    events: [auth]
    position: post
    handler: doorbell
    action: ring
"""


def test_a_plugin_is_installed_and_uninstalled_while_its_bindings_exist(site: Site) -> None:
    folder = site.folder.parent
    (folder / "bindings.yaml").write_text(BINDINGS)
    refused = site.whenthen("apply", "bindings.yaml")
    assert refused.returncode == 1
    assert "bindings[0].handler: There is no handler module 'doorbell'." in refused.stderr

    site.install("doorbell", DOORBELL)
    assert site.whenthen("apply", "bindings.yaml").returncode == 0
    done = site.run("-c", HOST.format(event="knock"))
    assert done.stdout == "ding ding  for hugo\nanswered\n", done.stderr

    site.uninstall("whenthen_doorbell")
    # The host still answers, and the bindings are there, with the reason why they cannot run.
    done = site.run("-c", HOST.format(event="auth"))
    assert done.stdout == "answered\n", done.stderr
    listed = json.loads(site.whenthen("bindings", "--json").stdout)
    assert [(binding["name"], binding["state"]) for binding in listed] == [
        ("also-at-logins", "unavailable"),
        ("ring-the-bell", "unavailable"),
    ]
    assert "There is no handler module 'doorbell'" in listed[0]["reason"]
    records = json.loads(site.whenthen("records", "--json").stdout)
    assert records[0]["outcome"] == "unavailable"
    # What is in force can still be exported and applied, and nothing is lost.
    (folder / "exported.yaml").write_text(site.whenthen("export").stdout)
    assert "Nothing changes." in site.whenthen("apply", "exported.yaml").stdout

    site.install("doorbell", DOORBELL)
    done = site.run("-c", HOST.format(event="knock"))
    assert done.stdout == "ding ding  for hugo\nanswered\n", done.stderr
