# Two commands for a fresh machine: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint requirements.lock
# many times as fast, but it does not read pip's configuration: where it finds not everything, pip goes on
FAST := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock
# of 24,000 files in .venv a quarter is ever imported: the first import compiles it, for all later ones
unexport PYTHONDONTWRITEBYTECODE

WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) < 3 ? 4 : 6)))

.PHONY: demo test suite lint frontend bench soak clean

demo: .venv/demo.stamp ## fine-tune a real BERT three times, rank, report
	@cd $(CURDIR) && PATH="$(CURDIR)/$(BIN):$$PATH" python train.py -m experiment=bbc lr=1e-4,2e-4,3e-4 project=demo logger=tensorboard
	@echo "curves: $(BIN)/tensorboard --logdir etm_runs/.tensorboard · dashboard: $(BIN)/etm ui"

test: .venv/dev.stamp ## everything that CI runs
	@$(MAKE) --no-print-directory --jobs=3 suite lint frontend

# one thread for each worker's torch: there are more workers than cores, and threads that wait for theirs spin
suite: export OMP_NUM_THREADS ?= 1
suite: .venv/dev.stamp
	$(BIN)/python -m etm_lightning.native.build
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

frontend: .venv/dev.stamp ## types, unit tests and build of the dashboard's pages
	$(BIN)/python -m etm_lightning.web.build --test

bench: .venv/dev.stamp ## side by side with peers
	$(FAST) --editable '.[bench]' || $(PIP) --editable '.[bench]'
	$(BIN)/python -m compileall -qq -j 0 -x 'site-packages/.*/tests/' .venv/lib || true  # starts are measured
	$(BIN)/python benchmarks/tracking.py --install
	$(BIN)/python benchmarks/tracking.py
	$(BIN)/python benchmarks/sinks.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/faults.py

soak: .venv/dev.stamp ## the long tests
	$(BIN)/python -m pytest -q -m soak

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis etm_runs

# torch alone first: its pin resolves to a CPU wheel where the index has one, a range would pull CUDA
.venv/torch.stamp: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) torch uv
	touch $@

.venv/demo.stamp .venv/dev.stamp: .venv/%.stamp: .venv/torch.stamp
	$(FAST) --editable '.[$*]' || $(PIP) --editable '.[$*]'
	touch $@
