# Every target sets up what it needs; only Python 3.11-3.13 has to be there.

PYTHON ?= python3
BIN := .venv/bin
export ASSET_PREDICT_DATA ?= data
export DAGSTER_HOME ?= $(abspath $(ASSET_PREDICT_DATA))/dagster_home
export PYTHONUNBUFFERED = 1
# Two threads that contend are several times slower than one: parallelism is over models.
export OMP_NUM_THREADS ?= 1
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo dev test check proofs benchmarks clean

help:                 ## this list
	@grep -E '^[a-z]+: .*##|^[a-z]+:  +##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) -e '.[api]'
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP_INSTALL) -e '.[dev,api,yahoo]'
	@touch $@

$(DAGSTER_HOME)/dagster.yaml: dagster.yaml
	@mkdir -p $(@D)
	@cp dagster.yaml $@

demo: .venv/installed $(DAGSTER_HOME)/dagster.yaml  ## files to predictions on the simulated market
	$(BIN)/dagster job execute -m asset_predict_dagster.definitions -j complete_pipeline
	@$(BIN)/asset-predict summary

dev: .venv/installed $(DAGSTER_HOME)/dagster.yaml   ## Dagster's UI on http://localhost:3000
	$(BIN)/dagster dev -w workspace.yaml

check: .venv/installed-dev                          ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

test: check                                         ## everything that CI holds
	$(BIN)/python -m pytest -n 2 --dist loadfile

proofs: .venv/installed-dev                         ## what takes hours: a year, kills, many seeds
	$(BIN)/python -m pytest -m proofs

benchmarks: .venv/installed-dev                     ## the speed figures, both sides in one run
	$(BIN)/python -m benchmarks

clean:                                              ## remove the environment, keep the data
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis *.egg-info
