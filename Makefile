# Everything runs in a virtual environment of its own, .venv, which the first target that needs it builds.
#
# torch from the package index is the CUDA build, of several GB. For a small install pass the address of PyTorch's
# CPU-only wheel index, which its "Get Started" page shows for Linux, pip, Python, CPU:
#     make demo PIP_EXTRA_INDEX_URL=<address>

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUTPUT ?= demo
SITE ?= site

.PHONY: help demo test test-slow lint docs numbers mutation conformance bench-peers bench-harness clean

help:  ## list the targets; this is what a plain make does
	@sed -n 's/^\([a-z-]*\):[^#]*##  *\(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": try make PYTHON=python3.11")'
	@echo "building $(VENV): torch and its companions, a few minutes the first time"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,docs]'
	touch $@

demo: $(READY)  ## convert to both formats with int8, compare, draw overlays of a real photo
	$(BIN)/python -m validation.commands.demo --output $(OUTPUT)

# --maxfail: a run in which everything fails, on a full disk for example, ends early and shows why.
test: lint  ## lint, and all tests but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' -n auto --dist loadscope --maxfail 20

# The seed draws the same random input in every run; pass SEED=2, 3, ... for other input.
SEED ?= 1
test-slow: $(READY)  ## the tests that convert the full-size model in every way
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n auto --dist loadscope --maxfail 20 --hypothesis-seed=$(SEED)

lint: $(READY)  ## style, format, types of the public modules, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: $(READY)  ## the documentation as a site; fails on a broken link or a page missing from the menu
	$(BIN)/python -m sphinx --builder html --conf-dir docs/site --fail-on-warning --quiet --fresh-env . $(SITE)
	@echo "open $(SITE)/index.html"

numbers: $(READY)  ## measure what docs/evidence/numbers.md states
	$(BIN)/python -m validation.evidence.numbers

mutation: $(READY)  ## break conversions, see that compare catches each; writes docs/evidence/mutation.md
	$(BIN)/python -m validation.evidence.mutation --write

conformance: $(READY)  ## coremltools' own tests on mil_runtime; writes docs/evidence/conformance.md; about an hour
	$(BIN)/python -m validation.evidence.conformance --write

bench-peers: $(READY)  ## other programs on the same weights, side by side; writes docs/evidence/peers.md; about an hour
	$(BIN)/python -m validation.evidence.peers --write

# A whole run takes more than an hour. Pass OLD=COMMIT for another old commit.
OLD ?= 27b9ace
bench-harness: $(READY)  ## the commands next to those of an old commit; writes docs/evidence/harness.md; over an hour
	$(BIN)/python -m validation.evidence.harness --old $(OLD) --write

clean:  ## remove the virtual environment and what these targets wrote
	rm -rf $(VENV) $(OUTPUT) $(SITE) conformance
