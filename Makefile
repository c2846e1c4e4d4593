# Each target makes .venv/ on first use and installs what it needs; nothing else to do before.

PYTHON ?= python3
VENV := .venv
# That share the tests; each computes in one thread.
PROCESSES ?= 2
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
LAION := .venv-laion-clap
LAION_BIN := $(LAION)/$(notdir $(BIN))
PLUGINS := sentence-transformers clip open-clip clap diffusion speech tiny api llm
PLUGIN_PATHS := $(foreach p,$(PLUGINS),-e plugins/m2m-$(p))

.PHONY: demo test test-laion-clap fuzz guided-fuzz mutants lint docs release zoo

# The main job on the embedded tiny models; leaves a page in demo-page/.
demo: $(VENV)/.demo
	$(BIN)/m2m demo --out demo-page

test: $(VENV)/.test
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile \
		--cov=m2m_adapters --cov-report=term:skip-covered --cov-fail-under=92

# m2m-laion-clap in an environment of its own: laion-clap asks for numpy<2.
test-laion-clap: $(LAION)/.test
	cd plugins/m2m-laion-clap && HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 \
		"$(abspath $(LAION_BIN))/python" -m pytest -q tests

# Ten thousand random inputs of each kind; what fails stays in .hypothesis/ and is tried first.
fuzz: $(VENV)/.test
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 M2M_FUZZ=$(or $(INPUTS),10000) $(BIN)/python -m pytest -q \
		-n $(PROCESSES) tests/test_fuzz_*.py

# The same strategies, guided by which code an input reaches; SECONDS of each kind. Linux and macOS.
guided-fuzz: $(VENV)/.test
	$(BIN)/python -m pip install --quiet -r tests/requirements-atheris.txt
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python scripts/guided_fuzz.py --seconds $(or $(SECONDS),60)

# Small changes to the core, one at a time: which does no test notice? SAMPLE of each part.
mutants: $(VENV)/.test
	$(BIN)/python -m pip install --quiet -r tests/requirements-mutants.txt
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/mutants.py --sample $(or $(SAMPLE),12)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in build/site; a broken link or an undocumented name is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# Builds every distribution, checks it, and tries the wheels in a fresh environment.
release: $(VENV)/.release
	$(BIN)/python scripts/release.py

# Trains the tiny models again from nothing (each in under 45 minutes on 2 cores).
zoo: $(VENV)/.demo
	$(BIN)/python -m m2m_tiny.zoo
	$(BIN)/python -m m2m_tiny.zoo.diffusion

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: $(BIN)/python pyproject.toml $(wildcard plugins/*/pyproject.toml)
	$(BIN)/python -m pip install --quiet -e ".[serve]" $(PLUGIN_PATHS)
	touch $@

$(LAION)/.test: pyproject.toml plugins/m2m-laion-clap/pyproject.toml
	$(PYTHON) -m venv $(LAION)
	$(LAION_BIN)/python -m pip install --quiet -e . -e "plugins/m2m-laion-clap[test]"
	touch $@

$(VENV)/.test: $(VENV)/.demo tests/requirements.txt
	$(BIN)/python -m pip install --quiet -r tests/requirements.txt
	touch $@

$(VENV)/.lint: $(VENV)/.demo tests/requirements-lint.txt
	$(BIN)/python -m pip install --quiet -r tests/requirements-lint.txt
	touch $@

$(VENV)/.docs: $(VENV)/.demo docs/requirements.txt
	$(BIN)/python -m pip install --quiet -r docs/requirements.txt
	touch $@

$(VENV)/.release: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet build hatchling twine
	touch $@
