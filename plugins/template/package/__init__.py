"""What this plugin offers. Names map to "module:factory" strings, so listing imports nothing."""

import m2m_adapters as m2m

M2M_INTERFACE = 1  # version of the hooks and interfaces this is written for


@m2m.hookimpl
def m2m_register(register: m2m.Register) -> None:
    register.source("{{name}}", "{{package}}.models:Letters", description="counts letters")
    register.target(
        "{{name}}-words",
        "{{package}}.models:Words",
        modality="words",
        description="places words by their letter pairs",
    )
