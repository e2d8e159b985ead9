# Every target sets up what it needs. PYTHON=… chooses the interpreter; SWITCH_DEBUG=1, SWITCH_SANITIZE=1 the build.
VENV    := .venv
BIN     := $(VENV)/bin
FLAVOUR := release$(if $(filter 1,$(SWITCH_DEBUG)),-debug)$(if $(filter 1,$(SWITCH_SANITIZE)),-sanitize)
PACKAGES := $(VENV)/.stamp-packages
BUILT   := $(VENV)/.stamp-built-$(FLAVOUR)
CYTHON  := $(wildcard $(foreach ext,pyx pxd pxi h c,switch/*.$(ext) hsm/*.$(ext) loadtests/*.$(ext)))
# A sanitized extension needs its runtime loaded before Python; CPython's own leaks at exit are not ours to report.
RUN     := $(if $(filter 1,$(SWITCH_SANITIZE)),ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$$(gcc -print-file-name=libasan.so)) $(BIN)/python
# Test files at a time. Many tests wait for disks, children and time-outs, so that two cores serve four. Six take 10 % less
# time, but in a slow hour of the machine codes of phones then grow stale before they are sent.
WORKERS ?= 4
export SWITCH_DEBUG SWITCH_SANITIZE
# Where it is set, as in many containers, each of the processes that tests start would compile again what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test bench pages crash year year-reports fuzz fuzz-api pictures lint lock clean FORCE
help:  ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(BUILT)  ## install what is missing into .venv and build the extensions
	@:

demo: setup  ## show the switch at work
	@$(BIN)/cardswitch demo

test: setup  ## the default test run, with the linters beside it
	@$(MAKE) --no-print-directory lint & lint=$$!; \
	$(RUN) -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder; tests=$$?; \
	wait $$lint || { echo "make: the linters have found something: make lint"; exit 1; }; exit $$tests

bench: setup  ## measure; prints machine, method and figures
	@$(RUN) -m loadtests.bench

pages: setup  ## measure lists and searches with a million cards and members, beside tills at 20,000 debits a second
	@$(RUN) -m loadtests.pages

crash: setup  ## 500 rounds of kill, recover and compare
	@$(RUN) -m pytest tests/crash --crash-rounds 500 -o faulthandler_timeout=3600

year: setup  ## the whole year of shopping under every rule file, compared with an independent oracle
	@$(RUN) -m pytest tests/end_to_end/test_replay_shopping_year.py -k whole_year --whole-year

year-reports: setup  ## the whole year of shopping through the switch and the reports, compared with reference figures
	@$(RUN) -m pytest tests/end_to_end/test_year_reports.py -k whole_year --whole-year

fuzz: setup  ## the fuzz and property tests with many more examples, other ones each time
	@$(RUN) -m pytest tests/fuzz tests/properties --hypothesis-profile fuzz -o faulthandler_timeout=3600

fuzz-api: setup  ## many more requests to the JSON interface, on both databases, other ones each time
	@CARDSWITCH_FUZZ_API=200 $(RUN) -m pytest tests/unit/admin/test_fuzz_api.py -o faulthandler_timeout=7200

pictures: setup  ## take the pictures of docs/operating.md anew, in a browser that drives the whole working day
	@CARDSWITCH_DOCS_PICTURES=docs/pictures CARDSWITCH_DAY_LANGUAGE=en $(RUN) -m pytest tests/browser/test_working_day.py

lint: setup  ## style, format and types, Cython included
	@$(BIN)/ruff check --quiet --output-format concise
	@$(BIN)/ruff format --check --quiet --output-format concise
	@$(BIN)/mypy --no-error-summary
	@$(if $(filter %.pyx %.pxd,$(CYTHON)),PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint $(filter %.pyx %.pxd,$(CYTHON)))

lock: $(PACKAGES)  ## renew locks/ from pyproject.toml; UPGRADE=1 also takes newer releases
	@tools/lock.sh $(if $(UPGRADE),--upgrade)

clean:  ## remove .venv and everything built
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	@find . -name __pycache__ -prune -exec rm -rf {} +
	@rm -f switch/*.so hsm/*.so loadtests/*.so

# PYTHON, when given, must be the interpreter that .venv was made with.
$(PACKAGES): locks/build.lock locks/run.lock locks/dev.lock tools/setup.sh $(if $(PYTHON),$(if $(filter $(PYTHON),$(shell cat $(VENV)/.interpreter 2>/dev/null)),,FORCE))
	@tools/setup.sh packages

$(BUILT): $(PACKAGES) pyproject.toml setup.py $(CYTHON)
	@tools/setup.sh extensions $(FLAVOUR)
