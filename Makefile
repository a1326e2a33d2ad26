# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A worker for each of two cores; tests of a file stay together, since they share what is made once for the file.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile

.PHONY: demo test install-dev test-backends bench lint format docs serve build clean

demo: $(VENV)/.installed  ## the main job on a synthetic study: measures printed, mask and picture in demo/
	$(BIN)/braintumorseg demo --output demo --overwrite

test: $(VENV)/.installed-dev  ## all tests on the default backend
	$(PYTEST)

install-dev: $(VENV)/.installed-dev

# JAX compiles each small thing that is tested: with fewer optimisations that takes four fifths of the time.
test-backends: $(VENV)/.installed-backends  ## the mathematics on JAX and PyTorch
	JAX_DISABLE_MOST_OPTIMIZATIONS=true KERAS_BACKEND=jax $(PYTEST) tests/losses/test_losses.py tests/test_metrics.py tests/augmentation/test_augmentation.py tests/test_callbacks.py
	KERAS_BACKEND=torch $(PYTEST) tests/losses/test_losses.py tests/test_metrics.py tests/augmentation/test_augmentation.py tests/test_callbacks.py

bench: $(VENV)/.installed-bench  ## speed against peers: predicting, training, losses, HD95
	$(BIN)/python benchmarks/bench_all.py

lint: $(VENV)/.installed-dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

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
	rm -rf build dist demo site .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-dev

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@ $(VENV)/.installed

# PyTorch is pinned to a release that has a build for CPUs; the newest one brings gigabytes of CUDA.
$(VENV)/.installed-backends: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet jax 'torch==2.13.0'
	touch $@
