"""Discovery with fake distributions on disk: good, broken at import, broken in a hook, clashing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_dist import fake_dist, run_m2m, run_python

GOOD = """
import m2m_adapters as m2m

class Shouting(m2m.TextEncoder):
    dim = 4
    def encode(self, texts, **options):
        import numpy as np
        return np.ones((len(texts), 4), np.float32) / 2

@m2m.hookimpl
def m2m_register(register):
    register.source("{name}", "{module}:Shouting", description="counts letters")

@m2m.hookimpl
def m2m_commands(app):
    @app.command("shout-{name}")
    def shout(word: str):
        print(word.upper())
"""
BROKEN_IMPORT = "raise RuntimeError('boom at import')"
BROKEN_HOOK = """
import m2m_adapters as m2m

@m2m.hookimpl
def m2m_register(register):
    register.source("half", "x:y")
    raise RuntimeError("boom in a hook")
"""
EXITS = "import sys; sys.exit('I leave')"
BAD_OFFER = """
import m2m_adapters as m2m

@m2m.hookimpl
def m2m_register(register):
    register.source("classy", object)
"""


def good(folder: Path, name: str, offers: str | None = None) -> Path:
    module = name.replace("-", "_")
    return fake_dist(folder, name, GOOD.format(name=offers or name, module=module))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    good(tmp_path, "good-one")
    fake_dist(tmp_path, "bad-import", BROKEN_IMPORT)
    fake_dist(tmp_path, "bad-hook", BROKEN_HOOK)
    fake_dist(tmp_path, "bad-exit", EXITS)
    fake_dist(tmp_path, "bad-offer", BAD_OFFER)
    return tmp_path


def test_broken_plugins_are_named_once_and_skipped(site: Path) -> None:
    done = run_m2m("plugins", "--json", paths=(site,))
    assert done.returncode == 0
    shown = {row["plugin"]: row for row in json.loads(done.stdout)}
    assert shown["good-one"]["health"] == "ok"
    assert shown["good-one"]["offers"] == ["source good-one"]
    assert shown["good-one"]["version"] == "1.0"
    for name, reason in {
        "bad-import": "boom at import", "bad-hook": "boom in a hook", "bad-exit": "I leave",
        "bad-offer": "module:factory",
    }.items():  # fmt: skip
        assert reason in shown[name]["health"]
        assert "Traceback" in shown[name]["traceback"]
        assert shown[name]["offers"] == []
        assert done.stderr.count(f"'{name}'") == 1
    listed = json.loads(run_m2m("list", "--sources", "--json", paths=(site,)).stdout)["sources"]
    assert "good-one" in [row["name"] for row in listed]
    assert "half" not in [row["name"] for row in listed]


def test_a_good_plugin_works_beside_broken_ones(site: Path) -> None:
    done = run_m2m("encode", "good-one", "hello", paths=(site,))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"text": "hello", "vector": [0.5] * 4}


def test_plugins_add_commands(site: Path) -> None:
    done = run_m2m("shout-good-one", "hey", paths=(site,))
    assert (done.returncode, done.stdout) == (0, "HEY\n")


def test_clash_names_both_and_spares_unrelated_names(tmp_path: Path) -> None:
    good(tmp_path, "first-dist", offers="same")
    good(tmp_path, "second-dist", offers="same")
    good(tmp_path, "third-dist")
    done = run_m2m("encode", "same", "hello", paths=(tmp_path,))
    assert done.returncode == 2
    assert "first-dist" in done.stderr and "second-dist" in done.stderr
    assert "Traceback" not in done.stderr
    assert run_m2m("encode", "third-dist", "hello", paths=(tmp_path,)).returncode == 0
    health = {r["plugin"]: r["health"] for r in
              json.loads(run_m2m("plugins", "--json", paths=(tmp_path,)).stdout)}  # fmt: skip
    assert "clash" in health["first-dist"] and "clash" in health["second-dist"]
    assert health["third-dist"] == "ok"


def test_m2m_plugins_selects(site: Path) -> None:
    none = run_m2m("plugins", "--json", paths=(site,), M2M_PLUGINS="")
    assert json.loads(none.stdout) == [] and none.stderr == ""
    one = run_m2m("plugins", "--json", paths=(site,), M2M_PLUGINS="good-one")
    assert [row["plugin"] for row in json.loads(one.stdout)] == ["good-one"]
    assert one.stderr == ""
    absent = run_m2m("plugins", paths=(site,), M2M_PLUGINS="good-one,nobody")
    assert absent.returncode == 2 and "nobody" in absent.stderr


def test_strict_turns_skips_into_errors(site: Path) -> None:
    done = run_m2m("list", paths=(site,), M2M_STRICT_PLUGINS="1")
    assert done.returncode == 1
    assert "bad-exit" in done.stderr and "Traceback" not in done.stderr
    fine = run_m2m("list", paths=(site,), M2M_STRICT_PLUGINS="1", M2M_PLUGINS="good-one")
    assert fine.returncode == 0


def test_a_factory_that_needs_an_absent_package(tmp_path: Path) -> None:
    code = GOOD.format(name="needy", module="needy_models")
    fake_dist(tmp_path, "needy", code)
    (tmp_path / "needy_models.py").write_text("import a_package_nobody_has")
    done = run_m2m("encode", "needy", "hello", paths=(tmp_path,))
    assert done.returncode == 2
    assert "a_package_nobody_has" in done.stderr and "pip install" in done.stderr


def test_what_a_plugin_prints_does_not_mix_with_json(tmp_path: Path) -> None:
    code = GOOD.format(name="loud", module="loud").replace("    def encode", "    def encode")
    code = "print('hello from import')\n" + code.replace(
        "import numpy as np\n", "import numpy as np; print('hello from encode')\n"
    )
    fake_dist(tmp_path, "loud", code)
    done = run_m2m("plugins", "--json", paths=(tmp_path,))
    assert json.loads(done.stdout) and "hello from import" in done.stderr
    done = run_m2m("encode", "loud", "hi", paths=(tmp_path,))
    assert json.loads(done.stdout)["text"] == "hi" and "hello from encode" in done.stderr


def test_a_library_that_exits_does_not_pass_for_success(tmp_path: Path) -> None:
    command = "\n    def shout(word: str):\n        import sys; sys.exit(0)\n"
    code = GOOD.format(name="leaver", module="leaver")
    code = code.replace("\n    def shout(word: str):\n        print(word.upper())\n", command)
    fake_dist(tmp_path, "leaver", code)
    done = run_m2m("shout-leaver", "hey", paths=(tmp_path,))
    assert done.returncode == 1 and "ended the program" in done.stderr


@pytest.mark.parametrize("text", ["[m2m_adapters\nx = y\n", "no section\n", "[a]\n=\n=x\n"])
def test_malformed_metadata_of_any_distribution_is_skipped(tmp_path: Path, text: str) -> None:
    good(tmp_path, "good-one")
    fake_dist(tmp_path, "stranger", "")
    (tmp_path / "stranger-1.0.dist-info" / "entry_points.txt").write_text(text)
    done = run_m2m("encode", "good-one", "hello", paths=(tmp_path,))
    assert done.returncode == 0, done.stderr


def test_doctor_names_malformed_metadata(tmp_path: Path) -> None:
    fake_dist(tmp_path, "stranger", "")
    info = tmp_path / "stranger-1.0.dist-info"
    (info / "entry_points.txt").write_bytes(b"\xff\xfe")
    done = run_m2m("doctor", paths=(tmp_path,))
    assert done.returncode == 1 and "stranger-1.0.dist-info" in done.stdout


def test_a_hanging_import_is_named(tmp_path: Path) -> None:
    fake_dist(tmp_path, "sleepy", "import time; time.sleep(2)")
    code = (
        "from m2m_adapters.registry import plugins; plugins.SLOW_IMPORT = 0.5;"
        "plugins.load_plugins()"
    )
    assert "still importing plugin 'sleepy'" in run_python(code, tmp_path).stderr


def test_listing_imports_nothing_heavy(tmp_path: Path) -> None:
    good(tmp_path, "good-one")
    code = (
        "import sys; from m2m_adapters.registry.names import known_names; known_names('source');"
        "known_names('target');"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers', 'diffusers',"
        "'open_clip') if m in sys.modules])"
    )
    assert run_python(code, tmp_path).stdout.strip() == "[]"
