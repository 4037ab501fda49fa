# Two commands do everything on a fresh machine with git, make and python3 (with venv): `make demo` and `make test`.
# Nothing is installed or started in the machine's own system.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
JOBS ?= 3
PEERS := tests/system/daemons/test_peers.py

# Tests start hundreds of processes that import the checkout: compiled once, whatever the caller's environment says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-matrix lint overlays compiled bench fuzz mutants coverage corpora clean

demo: $(INSTALLED)
	@$(PYTHON) -m tests.lab.demo

# Packages, overlays and linters are got ready side by side, and then most tests wait for servers and hosts: three at a
# time keep two cores busy. A file's tests stay together, as they share what they have started; the longest come first.
test:
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target lint overlays compiled
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=25 --ignore=$(PEERS) $(PYTEST_ARGUMENTS)
	@$(PYTHON) -m tests.support.hosts.overlay left-out

# Longer tests in named parts: all of them, or some by `make test-matrix PART="attack crash"`.
MATRIX := attack crash fuzz peers
PART ?= $(MATRIX)

test-matrix: $(addprefix matrix-,$(PART))

matrix-attack: $(INSTALLED)
	SSLAUDIT_TEST_ATTACK_S=120 $(PYTHON) -m pytest tests/system/local_users/test_attack.py

matrix-crash: $(INSTALLED)
	SSLAUDIT_TEST_STRIDE=1 $(PYTHON) -m pytest -n 2 \
	    $(addprefix tests/integration/remediate/,deployment/test_switch_killed.py cpanel/test_whm_deployment.py \
	    cpanel/test_panel_repair.py execution/test_run_killed.py execution/test_rollback.py) \
	    tests/system/repair/test_repair_killed.py tests/system/repair/test_interrupted.py

matrix-peers: $(INSTALLED)
	$(PYTHON) -m pytest $(PEERS)

matrix-fuzz: $(INSTALLED)
	$(PYTHON) -m bench.fuzz 10000 $(SEED)

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Real servers live in overlays of / below .lab/ (root). On CI they must be there; elsewhere the last line of `make test`
# says that their tests were left out. Building them needs nothing that is installed.
overlays:
	@python3 -m tests.support.hosts.overlay build || [ -z "$$CI" ]

compiled: $(INSTALLED)
	@$(PYTHON) -m compileall -q audit pytest_sslaudit remediate tests

bench: $(INSTALLED)
	@for module in probe judgement whole_audit; do echo "bench.$$module"; $(PYTHON) -m bench.$$module || exit 1; done

# Mutants of certificates, CRLs and OCSP answers for everything that reads them; 100,000 take about five minutes of CPU.
N ?= 100000
SEED ?= 20261123

fuzz: $(INSTALLED)
	@$(PYTHON) -m bench.fuzz $(N) $(SEED)

# Small changes of the source that the unit tests should notice: at most 40 minutes, less on an idle machine.
MUTANTS ?= 150

mutants: $(INSTALLED)
	@$(PYTHON) -m bench.mutants $(MUTANTS) $(MUTANTS_SEED)

# Which lines of each package the unit tests execute, or the tests of TESTS="FOLDER ...".
coverage: $(INSTALLED)
	@$(PYTHON) -m bench.line_coverage $(TESTS)

# Certificates and paths that others have judged; they are not part of this project.
CORPORA ?= corpora

corpora: $(INSTALLED)
	@$(PYTHON) -m bench.corpora "$(CORPORA)"

clean:
	rm -rf .lab $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info report.html results.jsonl junit.xml

# A registry that is busy is asked three times.
$(INSTALLED): pyproject.toml
	python3 -m venv $(VENV)
	for pause in 5 20 0; do \
	    $(PYTHON) -m pip install --quiet --editable '.[test]' && break; \
	    [ $$pause != 0 ] || exit 1; sleep $$pause; \
	done
	touch $@
