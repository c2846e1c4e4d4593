"""Finds plugins, loads them one by one, and keeps what they offer.

A plugin that fails is recorded with its traceback, named once on stderr and skipped; the
others go on. ``M2M_PLUGINS`` (comma-separated entry-point names; empty for none) selects
plugins, ``M2M_STRICT_PLUGINS=1`` turns skips into errors.
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions

import pluggy

from m2m_adapters import hookspecs
from m2m_adapters.errors import PluginError, UserError
from m2m_adapters.hookspecs import Offer, Register


@dataclass
class Plugin:
    """One entry point: where it came from, what it offers, what went wrong (a traceback)."""

    name: str
    distribution: str
    version: str
    offers: list[Offer] = field(default_factory=list)
    error: str | None = None

    @property
    def reason(self) -> str | None:
        """The last line of the traceback: what went wrong, in one line."""
        return self.error.strip().splitlines()[-1] if self.error else None


@dataclass
class Catalogue:
    """Everything that was found: plugins in order of name, offers by (kind, name)."""

    plugins: list[Plugin]
    manager: pluggy.PluginManager
    offers: dict[tuple[str, str], Offer] = field(default_factory=dict)
    clashes: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def find(self, kind: str, name: str) -> Offer | None:
        """The offer of that name. A name two distributions claim is an error naming both."""
        if (kind, name) in self.clashes:
            first, second = self.clashes[kind, name][:2]
            raise UserError(
                f"two distributions claim the {kind} '{name}': {first} and {second}",
                "uninstall one of them, or choose plugins with M2M_PLUGINS",
            )
        return self.offers.get((kind, name))

    def names(self, kind: str, *, scheme: bool | None = None) -> list[str]:
        found = (o for (k, _), o in self.offers.items() if k == kind)
        return sorted(o.name for o in found if scheme is None or o.scheme == scheme)


def discover() -> list[tuple[EntryPoint, Distribution]]:
    """Every entry point of our group that ``M2M_PLUGINS`` lets through, in order of name."""
    wanted = os.environ.get("M2M_PLUGINS")
    chosen = None if wanted is None else {n.strip() for n in wanted.split(",") if n.strip()}
    found: dict[tuple[str, str], tuple[EntryPoint, Distribution]] = {}
    for dist in distributions():
        for ep in dist.entry_points:
            if ep.group == hookspecs.GROUP and (chosen is None or ep.name in chosen):
                # A distribution may be listed twice when sys.path names its folder twice.
                found.setdefault((ep.name, dist.metadata["Name"]), (ep, dist))
    if chosen is not None and (missing := chosen - {name for name, _ in found}):
        raise UserError(
            f"M2M_PLUGINS names a plugin that is not installed: {', '.join(sorted(missing))}",
            "see the names with `M2M_PLUGINS= m2m plugins`, or unset M2M_PLUGINS",
        )
    return [found[key] for key in sorted(found)]


def _load(manager: pluggy.PluginManager, ep: EntryPoint, plugin: Plugin) -> None:
    module = ep.load()
    written_for = getattr(module, "M2M_INTERFACE", hookspecs.INTERFACE)
    if written_for != hookspecs.INTERFACE:
        raise PluginError(
            f"it is written for interface {written_for} of m2m-adapters, this release has "
            f"{hookspecs.INTERFACE}",
            f"install versions of m2m-adapters and {plugin.distribution} that go together",
        )
    manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
    others = [m for _, m in manager.list_name_plugin() if m is not module]
    register = Register(plugin.distribution)
    # One caller per plugin: a raising hook must not stop the others.
    manager.subset_hook_caller("m2m_register", remove_plugins=others)(register=register)
    plugin.offers = register.offers


def load_plugins() -> Catalogue:
    """Load every plugin afresh; :func:`catalogue` remembers the result."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    result = Catalogue([], manager)
    strict = os.environ.get("M2M_STRICT_PLUGINS", "") not in ("", "0")
    for ep, dist in discover():
        plugin = Plugin(ep.name, dist.metadata["Name"], dist.version)
        result.plugins.append(plugin)
        try:
            _load(manager, ep, plugin)
        except (Exception, SystemExit) as error:
            plugin.error = traceback.format_exc()
            manager.unregister(name=f"{plugin.distribution}:{plugin.name}")
            told = f"plugin '{plugin.name}' ({plugin.distribution} {plugin.version}) "
            if strict:
                raise PluginError(f"{told}failed: {plugin.reason}") from error
            print(f"m2m: {told}is skipped: {plugin.reason}", file=sys.stderr)
    for plugin in result.plugins:
        for offer in plugin.offers:
            key = (offer.kind, offer.name)
            known = result.offers.get(key)
            if known is not None and known.distribution != offer.distribution:
                result.clashes.setdefault(key, [known.distribution]).append(offer.distribution)
            result.offers.setdefault(key, offer)
    if strict and result.clashes:
        kind, name = next(iter(result.clashes))
        result.find(kind, name)
    return result


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """What is installed, loaded once per process."""
    return load_plugins()
