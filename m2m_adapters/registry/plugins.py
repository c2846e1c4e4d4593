"""Find plugins, load them one by one, and collect what they offer.

A plugin that fails is recorded with its traceback, named once on stderr and skipped; the
others go on. ``M2M_PLUGINS`` (comma-separated entry-point names; empty for none) selects
plugins, ``M2M_STRICT_PLUGINS=1`` turns skips into errors.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions

import pluggy

from m2m_adapters import hookspecs
from m2m_adapters.errors import PluginError, UserError
from m2m_adapters.hookspecs import Offer, Register

SLOW_IMPORT = 5.0
"""Seconds after which a plugin that is still being imported is named."""


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
    """What is installed: plugins in order of name, offers by (kind, name).

    unreadable: distributions, of whatever project, whose entry points cannot be read.
    """

    plugins: list[Plugin]
    manager: pluggy.PluginManager
    offers: dict[tuple[str, str], Offer] = field(default_factory=dict)
    clashes: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

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
        offered = (o for (k, _), o in self.offers.items() if k == kind)
        return sorted(o.name for o in offered if scheme is None or o.scheme == scheme)


def discover(unreadable: list[str] | None = None) -> list[tuple[EntryPoint, Distribution]]:
    """Every entry point of our group that ``M2M_PLUGINS`` lets through, in order of name.

    unreadable: receives the distributions whose metadata cannot be read; they are skipped.
    """
    wanted = os.environ.get("M2M_PLUGINS")
    chosen = None if wanted is None else {n.strip() for n in wanted.split(",") if n.strip()}
    known: dict[tuple[str, str], tuple[EntryPoint, Distribution]] = {}
    for dist in distributions():
        name, points = _entry_points(dist, unreadable)
        for ep in points:
            if chosen is None or ep.name in chosen:
                # A distribution is listed twice when sys.path names its folder twice.
                known.setdefault((ep.name, name), (ep, dist))
    if chosen is not None and (missing := chosen - {name for name, _ in known}):
        raise UserError(
            f"M2M_PLUGINS names a plugin that is not installed: {', '.join(sorted(missing))}",
            "see the names with `M2M_PLUGINS= m2m plugins`, or unset M2M_PLUGINS",
        )
    return [known[key] for key in sorted(known)]


def _entry_points(dist: Distribution, unreadable: list[str] | None) -> tuple[str, list[EntryPoint]]:
    """Name of a distribution and its entry points of our group; none if they cannot be read."""
    try:
        points = [ep for ep in dist.entry_points if ep.group == hookspecs.GROUP]
        return str(dist.metadata["Name"]), points
    except Exception as error:  # malformed metadata of some distribution
        if unreadable is not None:
            place = getattr(dist, "_path", "a distribution")
            unreadable.append(f"{place}: {type(error).__name__}: {error}")
        return "", []


@contextlib.contextmanager
def _watched(plugin: Plugin) -> Iterator[None]:
    """Name a plugin whose import takes long; what it prints goes to stderr."""

    def announce() -> None:
        print(
            f"m2m: still importing plugin '{plugin.name}' ({plugin.distribution}) after "
            f"{SLOW_IMPORT:.0f} s; M2M_PLUGINS chooses which plugins are loaded",
            file=sys.stderr,
        )

    timer = threading.Timer(SLOW_IMPORT, announce)
    timer.daemon = True
    timer.start()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        timer.cancel()


def _load(manager: pluggy.PluginManager, ep: EntryPoint, plugin: Plugin) -> None:
    module = ep.load()
    written_for = getattr(module, "M2M_INTERFACE", hookspecs.INTERFACE)
    if written_for != hookspecs.INTERFACE:
        raise PluginError(
            f"it was written for interface {written_for} of m2m-adapters, this release has "
            f"{hookspecs.INTERFACE}",
            f"install versions of m2m-adapters and {plugin.distribution} that go together",
        )
    manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
    others = [m for _, m in manager.list_name_plugin() if m is not module]
    register = Register(plugin.distribution)
    # One call per plugin: an exception in one hook must not stop the others.
    manager.subset_hook_caller("m2m_register", remove_plugins=others)(register=register)
    plugin.offers = register.offers


def load_plugins() -> Catalogue:
    """Load every plugin afresh; :func:`catalogue` remembers the result."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    result = Catalogue([], manager)
    strict = os.environ.get("M2M_STRICT_PLUGINS", "") not in ("", "0")
    for ep, dist in discover(result.unreadable):
        plugin = Plugin(ep.name, dist.metadata["Name"], dist.version)
        result.plugins.append(plugin)
        try:
            with _watched(plugin):
                _load(manager, ep, plugin)
        except (Exception, SystemExit) as error:
            plugin.error = traceback.format_exc()
            manager.unregister(name=f"{plugin.distribution}:{plugin.name}")
            label = f"plugin '{plugin.name}' ({plugin.distribution} {plugin.version})"
            if strict:
                raise PluginError(f"{label} failed: {plugin.reason}") from error
            print(f"m2m: {label} is skipped: {plugin.reason}", file=sys.stderr)
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
