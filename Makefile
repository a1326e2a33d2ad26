# Everything runs in .venv. The first target that needs it creates it.
VENV := .venv
ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := $(VENV)/Scripts
else
PYTHON ?= python3
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip install --quiet $(PIP_FLAGS)
# The development tools come with the tests, but need not run beside the lowest versions.
EXTRAS ?= dev
# PyTorch is pinned to a release that has a build for CPUs; the newest one brings gigabytes of CUDA.
BACKENDS := jax 'torch==2.13.0'
# One worker per core, for two cores. Tests of one file share its fixtures, so a file stays with one worker.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --durations=15
MATHEMATICS := tests/losses tests/test_metrics.py tests/augmentation tests/test_callbacks.py
# Of fuzzing, for all its targets together.
SECONDS ?= 120

.PHONY: demo test test-suite test-fast coverage doctest test-backends test-jax test-torch test-lowest test-newest test-sdist fuzz \
	install-dev install-all bench lint format docs serve build clean

demo: $(VENV)/.installed  ## the main job on a synthetic study: measures printed, mask and picture in demo/
	$(BIN)/braintumorseg demo --output demo --overwrite

test: test-suite doctest  ## all tests on the default backend

test-suite: $(VENV)/.installed-dev
	$(PYTEST) $(COVERAGE)

test-fast: $(VENV)/.installed-dev  ## all tests but those marked slow
	$(PYTEST) -m "not slow"

coverage:  ## the test suite, with its branch coverage measured and held above the floor
	$(MAKE) test-suite COVERAGE=--cov

doctest: $(VENV)/.installed-dev  ## the examples in docstrings
	$(PYTEST) --doctest-modules src

test-backends: test-jax test-torch  ## the mathematics on JAX and PyTorch

# JAX compiles each small operation under test. Fewer optimisations save a fifth of the time.
test-jax: $(VENV)/.installed-backends
	JAX_DISABLE_MOST_OPTIMIZATIONS=true KERAS_BACKEND=jax $(PYTEST) $(MATHEMATICS)

test-torch: $(VENV)/.installed-backends
	KERAS_BACKEND=torch $(PYTEST) $(MATHEMATICS)

test-lowest:  ## all tests with the lowest versions that pyproject.toml allows, in .venv-lowest
	$(MAKE) test VENV=.venv-lowest EXTRAS=test PIP_FLAGS="--constraint .ci/constraints-lowest.txt"

test-newest:  ## all tests with the newest versions that pyproject.toml allows, in .venv-newest
	$(MAKE) test VENV=.venv-newest EXTRAS=test PIP_FLAGS="--upgrade --upgrade-strategy eager"

test-sdist: $(VENV)/.installed-dev  ## all tests in an unpacked sdist, away from the checkout
	rm -rf build/sdist
	$(BIN)/python -m build --sdist --no-isolation --outdir build/sdist
	cd build/sdist && tar -xzf *.tar.gz
	cd build/sdist/*/ && PYTHONPATH=$$PWD/src $(abspath $(BIN))/python -m pytest -q -n $(WORKERS) --dist loadfile

fuzz: $(VENV)/.installed-fuzz  ## the readers, fuzzed by coverage for SECONDS, on Linux
	PYTHONPATH=tests $(BIN)/python -m fuzz.run --seconds $(SECONDS)

install-dev: $(VENV)/.installed-dev

# One installation for all that CI runs: resolved once instead of four times, and by uv where it can be had.
install-all: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python .ci/install.py --editable '.[dev,docs]' $(BACKENDS)
	cd $(VENV) && touch .installed .installed-dev .installed-docs .installed-backends

bench: $(VENV)/.installed-bench  ## speed against peers: predicting, training, losses, HD95
	$(BIN)/python benchmarks/bench_all.py

lint: $(VENV)/.installed-dev  ## style, types, and the order of the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs $(VENV)/.installed-backends  ## the site, as strict as CI
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

serve: $(VENV)/.installed-docs $(VENV)/.installed-backends
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

build: $(VENV)/.installed-dev  ## sdist and wheel in dist/, the wheel installed alone and tried
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	BRAINTUMORSEG_DIST=dist $(BIN)/python -m pytest -q tests/test_wheel.py

clean:
	rm -rf build dist demo site .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/pyvenv.cfg
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/pyvenv.cfg
	$(PIP) --editable '.[$(EXTRAS)]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/pyvenv.cfg
	$(PIP) --editable '.[dev,docs]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-dev

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/pyvenv.cfg
	$(PIP) --editable '.[bench]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-fuzz: $(VENV)/.installed-dev
	$(PIP) --editable '.[fuzz]'
	touch $@

$(VENV)/.installed-backends: $(VENV)/.installed-dev
	$(PIP) $(BACKENDS)
	touch $@
