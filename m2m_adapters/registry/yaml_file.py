"""YAML as plain data, with the line of every key for error messages.

Only mappings, lists and scalars; a key twice, a tag for a Python object, a number that is none
and nesting without end are refused. A date is text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from yaml import Node

DEEPEST = 16
PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}
Path = tuple[str, ...]


class YamlFile:
    """The content of a file. lines: of each key, by its path."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.content: Any = None
        self.lines: dict[Path, int] = {}

    def wrong(self, path: Path, what: str) -> UserError:
        """An error that names file and line."""
        return self.at(self.lines.get(path, 1), what)

    def at(self, line: int, what: str) -> UserError:
        return UserError(
            f"{self.where}, line {line}: {what}", "see docs/registry.md for the format"
        )

    def mapping(self, path: Path, what: str) -> dict[str, object]:
        """The mapping at a path; empty for an empty file."""
        value = self.content
        for key in path:
            value = value[key]
        if value is None and not path:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(path, f"{what} must be a mapping of keys to values")
        return value


def parse(text: str, where: str) -> YamlFile:
    """A YAML document as plain data."""
    import yaml

    file = YamlFile(where)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            file.content = _plain(file, root, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise file.at(mark.line + 1 if mark else 1, str(problem)) from error
    except RecursionError:
        raise file.at(1, "it is nested too deeply") from None
    return file


def _plain(file: YamlFile, node: Node, path: Path) -> Any:
    """The value of a node."""
    import yaml

    line = node.start_mark.line + 1
    if len(path) > DEEPEST:
        raise file.at(line, f"'{path[0]}' is nested too deeply")
    if isinstance(node, yaml.MappingNode):
        return _mapping(file, node, path)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(file, one, (*path, "[]")) for one in node.value]
    if node.tag == "tag:yaml.org,2002:timestamp":
        return node.value
    name = f"'{path[-1]}' in {'.'.join(path[:-1])}" if path else "the file"
    if node.tag not in PLAIN:
        raise file.at(line, f"{name} is not plain data")
    _check_unicode(file, node)
    try:
        return yaml.SafeLoader("").construct_object(node, deep=True)
    except (ValueError, KeyError, yaml.YAMLError) as error:
        raise file.at(line, f"{name} is not a number ({node.value[:40]})") from error


def _mapping(file: YamlFile, node: Node, path: Path) -> dict[str, object]:
    import yaml

    values: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise file.at(line, f"a key in {_title(path)} is not text")
        _check_unicode(file, key)
        if key.value in values:
            raise file.at(line, f"'{key.value}' appears twice in {_title(path)}")
        inside = (*path, key.value)
        file.lines[inside] = line
        values[key.value] = _plain(file, value, inside)
    return values


def _check_unicode(file: YamlFile, node: Node) -> None:
    """Escapes such as ``\\ud800`` can write what no text may hold."""
    try:
        node.value.encode()
    except UnicodeEncodeError:
        raise file.at(node.start_mark.line + 1, "a lone surrogate is not text") from None


def _title(path: Path) -> str:
    if not path:
        return "the file"
    return f"'{path[0]}'" if len(path) == 1 else ".".join(path)
