# `make help` lists what can be made. Everything is installed into .venv, nothing by hand.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready

.PHONY: help setup demo test attack sweep sweep-kernels mutants kernels-table gpu-kit mechanism check regen gallery bench clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY)  ## Make the virtual environment with everything in it

# torch first and pinned: an open range would bring gigabytes of CUDA packages along.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet "torch==2.13.0"
	$(RUN) -m pip install --quiet --editable ".[dev]"
	$(RUN) -m archspec.codegen.compiled
	@touch $@

demo: $(READY)  ## Build a published encoder, load its real weights, compare sentences
	$(RUN) examples/minilm.py

test: $(READY)  ## Run all tests, on two processes
	$(RUN) -m pytest -n 2 --dist worksteal -q

sweep: $(READY)  ## What is slow: 10,000 random specs, every package compiled and type-checked
	$(RUN) -m pytest -n 2 --dist worksteal -q -m slow tests

attack: $(READY)  ## Wrong specs by the hundred thousand, right ones by the ten thousand, kills
	$(RUN) -m pytest -n 2 --dist worksteal -q -m slow tests/robust tests/random

sweep-kernels: $(READY)  ## Every shape of attention in Triton's interpreter, which takes an hour
	$(RUN) -m pytest -n 2 --dist worksteal -q -m slow tests/kernels

mutants: $(READY)  ## Plant small errors in the templates, one at a time, and count those that are caught
	$(RUN) -m tests.mutants

kernels-table: $(READY)  ## Compile every kernel of every spec, and write the table of it
	cd tests && PYTHONPATH=.. ../$(RUN) -m kernels.table

gpu-kit: $(READY)  ## Write out/gpu-kit, tests and a benchmark for a machine with a GPU
	$(RUN) bench/gpu_kit.py

mechanism: $(READY)  ## Write the folder of a new mixer, which works: make mechanism NAME=delay_line
	$(RUN) tools/mechanism $(NAME)

check: $(READY)  ## Lint, format and type-check the sources
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/basedpyright archspec

regen: $(READY)  ## Write golden packages, messages and the reference anew, to be reviewed
	cd tests && ../$(RUN) -m codegen.test_golden
	ARCHSPEC_REGEN=1 $(RUN) -m pytest -q tests/test_errors.py
	$(RUN) -m tests.importers.rewrite
	$(VENV)/bin/archspec schema --markdown -o docs/language.md --force
	$(VENV)/bin/archspec draw examples/local-global.yaml -o docs/local-global.svg --force

gallery: $(READY)  ## Draw the gallery's figures anew
	for spec in gallery/*.yaml; do $(VENV)/bin/archspec draw $$spec -o $${spec%.yaml}.svg --force; done

bench: $(READY)  ## How long the commands take beside `import torch`
	$(RUN) bench/startup.py

clean:  ## Remove what was built
	rm -rf out
