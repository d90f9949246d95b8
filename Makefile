# One target a habit. `make demo` and `make test` need only Python >= 3.11 and a C compiler.
PYTHON ?= python3
CORES ?= $(shell nproc)
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: demo test lint format smoke mini lock clean

demo: .venv/installed
	$(SNAKEMAKE) all
	@echo "The report: $(CURDIR)/results/report/index.html"

test: lint
	$(BIN)/pytest

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# The presets' real corpora: give SPEECH and NOISE, the folders that hold them.
mini: .venv/installed
	$(SNAKEMAKE) all --configfile workflow/presets/mini.yaml --directory results/mini \
		--config 'corpora={local: {speech: "$(SPEECH)", noise: "$(NOISE)"}}'

lock: .venv/installed
	$(BIN)/python envs/lock.py

clean:
	rm -rf results .snakemake

.venv/installed: pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint envs/constraints.txt --editable '.[demo,test]'
	@touch $@
