# make demo    sets up, colorizes scikit-image's photographs with the shipped weights, writes a before/after/truth sheet
# make test    sets up and runs the tests
# make test-all  also those that train large networks for long
# make check   ruff and the tests
# make notebooks  runs the notebooks anew from their scripts, with the data at hand; after `make tables`
# make export  makes and checks the light engine's file of the shipped weights; needs the extra [export]
# make docs    builds the documentation site into build/site
# make bench   measures speed and memory on this machine's CPU, a quarter of an hour; results/benchmarks.json
# make results every run of the reproduction, then its tables: MATRIX=paper, vectors, gpu (100 epochs each), whole or cpu
# make tables  Tables 1-4, REPRODUCTION.md and figures in results/, and the tables of README.md, from results/runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Files go to the workers in the order of tests/conftest.py: the longest first.
# A lost worker ends the suite: a new one would begin with the test that the old one hung in.
TEST = $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

MATRIX ?= gpu

.PHONY: demo test test-all check tables results notebooks export bench docs clean
demo: $(VENV)/runtime
	$(BIN)/python -m colorizer demo

test: $(VENV)/dev
	$(TEST)

test-all: $(VENV)/dev
	$(TEST) -m "slow or not slow"

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TEST)

tables: $(VENV)/runtime
	$(BIN)/python evaluate.py --committed

# FLAGS: as `python -m colorizer reproduce --help` says. Tables are made also where a row failed.
results: $(VENV)/runtime
	$(BIN)/python -m colorizer reproduce --matrix $(MATRIX) $(FLAGS); status=$$?; $(BIN)/python evaluate.py --committed && exit $$status

notebooks: $(VENV)/runtime
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[notebooks]" -c constraints.txt
	$(BIN)/python notebooks/build.py

export: $(VENV)/runtime
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[export]" -c constraints.txt
	$(BIN)/python -m colorizer export --format light --overwrite

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: $(VENV)/runtime
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo .pytest_cache .ruff_cache

# Without python3-venv Debian leaves an environment that has no pip: the next make must not take it as done.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed. $(PYTHON) is {v[0]}.{v[1]}; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }

$(VENV)/runtime: requirements.txt constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/runtime
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	touch $@

$(VENV)/docs: pyproject.toml $(VENV)/runtime
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[docs]" -c constraints.txt
	touch $@

# Not needed by any target above: without it, the tests of the web page and of other runtimes skip.
$(VENV)/extras: pyproject.toml $(VENV)/dev
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[app,export,browser,ray,notebooks,serve,hub,kaggle,film,dev]" -c constraints.txt
	touch $@
