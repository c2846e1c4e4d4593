"""What this plugin offers. Names map to "module:factory" strings, so listing imports nothing."""

import m2m_adapters as m2m


@m2m.hookimpl
def m2m_register(register):
    register.source("{{name}}", "{{package}}.models:Letters", description="counts letters")
    register.target(
        "{{name}}-words",
        "{{package}}.models:Words",
        modality="words",
        description="places words by their letter pairs",
    )
