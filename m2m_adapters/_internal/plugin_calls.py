"""Run a plugin's code so that its failures name the plugin instead of looking like ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

from m2m_adapters.errors import M2MError, PluginError
from m2m_adapters.hookspecs import GROUP


@contextmanager
def plugin_code(owner: object, doing: str, distribution: str = "") -> Iterator[None]:
    """Turn exceptions (and ``sys.exit``) of a plugin into a :class:`PluginError`.

    owner: the object, class or function whose code runs. Objects that no plugin made keep
        their own exceptions.
    doing: what it was asked for, such as ``"encode"``.
    """
    try:
        yield
    except (M2MError, MemoryError, BrokenPipeError):
        raise
    except (Exception, SystemExit) as error:
        name = distribution or distribution_of(owner)
        if not name:
            raise
        raise failure(owner, doing, name, error) from error


def failure(
    owner: object, doing: str, distribution: str, error: BaseException, about: str = ""
) -> PluginError:
    """What a plugin did wrong, in one line. about: the item or text it happened with."""
    called = owner if hasattr(owner, "__qualname__") else type(owner)
    place = f"{getattr(called, '__qualname__', called)}{f'.{doing}' if doing else ''}"
    message = " ".join(str(error).split())[:300]
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if isinstance(error, SystemExit):
        what = f"it called sys.exit({error.code!r})"
    return PluginError(
        f"the plugin {distribution} failed in {place}{f' for {about}' if about else ''} ({what})",
        f"report it to the authors of {distribution}; --debug or M2M_DEBUG=1 shows the traceback",
    )


def distribution_of(owner: object) -> str:
    """The distribution whose plugin ``owner`` belongs to; empty for objects of the user's own."""
    origin = getattr(owner, "origin", None)
    if distribution := getattr(origin, "distribution", ""):
        return str(distribution)
    module = getattr(owner if hasattr(owner, "__qualname__") else type(owner), "__module__", "")
    package = str(module).partition(".")[0]
    if package == "m2m_adapters":
        return ""
    try:
        entries = entry_points(group=GROUP)
    except Exception:  # another distribution has broken metadata
        return ""
    for entry in entries:
        if entry.value.partition(":")[0].partition(".")[0] == package and entry.dist is not None:
            return str(entry.dist.name)
    return ""
