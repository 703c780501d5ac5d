from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from whenthen import EventType, hookimpl
from whenthen.configuration import read
from whenthen.plan import compile_binding, compile_resource
from whenthen.plugins import load_plugins


class Host:
    @hookimpl
    def whenthen_event_types(self) -> list[EventType]:
        return [EventType("call", "Somebody calls.")]


def test_importing_it_and_declaring_loads_nothing_heavy() -> None:
    code = (
        "import sys, whenthen_usernotification as plugin; plugin.whenthen_handler_modules();"
        "print(*({'smtplib', 'email.headerregistry', 'ssl', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()


def test_it_is_found_and_active() -> None:
    registry = load_plugins(strict=True).registry
    assert "usernotification" in registry.modules
    assert "mail_server" in registry.resources


def test_example_of_the_readme_is_accepted() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    configuration = read(example.replace("validate_check", "call").replace("token_init", "call"))
    registry = load_plugins(strict=True, extra={"host": Host()}).registry
    for binding in configuration.bindings.values():
        compile_binding(binding, registry, configuration.resources)
    for resource in configuration.resources.values():
        compile_resource(resource, registry)
    assert (len(configuration.bindings), len(configuration.resources)) == (2, 1)
