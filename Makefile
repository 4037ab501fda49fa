# Two commands do everything on a fresh machine with git, make and python3 (with venv): `make demo` and `make test`.
# Nothing is installed or started in the machine's own system.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
JOBS ?= 3

# Files of tests that take half a minute and more, and of which the other tests cover the main path: they are parts of the matrix.
ATTACK := tests/system/local_users/test_attack.py
CONTAINERS := tests/system/hosts/test_containers.py
CRASHES := $(addprefix tests/system/repair/,test_interrupted.py test_repair_killed.py)
FLEET := $(addprefix tests/integration/audit/fleet/,test_dask_cluster.py test_dask_runs.py)
HOSTS := $(addprefix tests/system/,deployment/test_switched_units.py hosts/test_dovecot_unit.py \
    hosts/test_http_validation.py hosts/test_inventories.py hosts/test_jump_hosts.py hosts/test_login_limits.py \
    hosts/test_login_shells.py hosts/test_logins.py names/test_twin_hosts.py repair/test_several_hosts.py)
PEERS := tests/system/daemons/test_other_scanners.py
PLUGINS := tests/plugin/test_other_plugins.py
REPAIRS := $(addprefix tests/system/,deployment/test_haproxy_switch.py deployment/test_switch.py \
    repair/test_encrypted_keys.py repair/test_failed_reload.py repair/test_failure_reports.py \
    repair/test_other_repairs.py repair/test_pending_order.py)
SERVICES := $(addprefix tests/system/,daemons/test_field_cases.py daemons/test_host_session.py \
    daemons/test_postfix_files.py daemons/test_unusual_services.py repair/test_dead_service.py)
POST_QUANTUM := tests/system/hosts/test_post_quantum.py
UNITS := $(addprefix tests/system/repair/,test_crashed_machine.py test_crashed_panel.py \
    test_timer_units.py test_units_by_command.py test_unknown_listeners.py)
LATER := $(ATTACK) $(CONTAINERS) $(CRASHES) $(FLEET) $(HOSTS) $(PEERS) $(PLUGINS) $(POST_QUANTUM) $(REPAIRS) $(SERVICES) $(UNITS)

# Tests start hundreds of processes that import the checkout: compiled once, whatever the caller's environment says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-unit test-matrix matrix-of-commit lint overlays compiled bench fuzz mutants coverage corpora field clean requirements

demo: $(INSTALLED)
	@$(PYTHON) -m tests.lab.demo

# Packages, overlays and linters are prepared side by side, and then most tests wait for servers and hosts: three at a
# time keep two cores busy. A file's tests stay together, because they share what they have started; the longest come first.
test:
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target lint overlays compiled
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=25 $(addprefix --ignore=,$(LATER)) \
	    $(PYTEST_ARGUMENTS)
	@$(PYTHON) -m tests.support.hosts.overlay left-out

# Tests without a socket and without a process, in less than a minute.
test-unit: compiled
	$(PYTHON) -m pytest -n 2 tests/unit $(PYTEST_ARGUMENTS)

# Longer tests in named parts: all of them, or some by `make test-matrix PART="attack crash"`. Each part takes at most 15
# minutes. CI runs one part after each `make test`, with SIZE=small in at most two minutes; the commit decides which.
MATRIX := attack containers crash debian field fleet fuzz hosts lowest peers plugins pythons repairs services systemd
PART ?= $(MATRIX)
SIZE ?= full
BUILD_OVERLAYS := $(PYTHON) -m tests.support.hosts.overlay build
OF_SIZE = $(if $(filter small,$(SIZE)),$(1),$(2))

test-matrix: $(addprefix matrix-,$(PART))

# The same part for the same commit: its number is the hash of the commit modulo the number of parts.
matrix-of-commit:
	@set -- $(MATRIX); shift $$((0x$$(git rev-parse --short=7 HEAD) % $$#)); echo "$$1"

# A user of the host who attacks during repairs.
matrix-attack: $(INSTALLED)
	@$(BUILD_OVERLAYS)
	SSLAUDIT_TEST_ATTACK_S=$(call OF_SIZE,45,120) $(PYTHON) -m pytest $(ATTACK)

# Containers of a newer Debian, which podman runs.
matrix-containers: $(INSTALLED)
	@SSLAUDIT_TEST_RELEASES=debian13 SSLAUDIT_TEST_OVERLAYS=containers $(BUILD_OVERLAYS)
	SSLAUDIT_TEST_RELEASES=debian13 SSLAUDIT_TEST_OVERLAYS=containers $(PYTHON) -m pytest $(CONTAINERS)

# Runs that are killed at each record and before each command, and not only at some.
ALL_CRASHES := $(addprefix tests/integration/remediate/,cpanel/test_whm_deployment.py cpanel/test_panel_repair.py \
    deployment/test_switch_killed.py execution/test_run_killed.py execution/test_rollback.py)

matrix-crash: $(INSTALLED)
	@$(BUILD_OVERLAYS)
	$(call OF_SIZE,,SSLAUDIT_TEST_STRIDE=1) $(PYTHON) -m pytest -n 2 $(CRASHES) $(call OF_SIZE,,$(ALL_CRASHES))

# A newer Debian than the machine's: its systemd, OpenSSH, nginx, apache and shell, and post-quantum keys of its OpenSSL.
matrix-debian: $(INSTALLED)
	@SSLAUDIT_TEST_RELEASES=debian13 $(BUILD_OVERLAYS)
	SSLAUDIT_TEST_RELEASES=debian13 $(PYTHON) -m pytest -n 2 $(POST_QUANTUM) \
	    $(addprefix tests/system/hosts/,test_systemd_host.py \
	    $(call OF_SIZE,,test_dovecot_unit.py test_haproxy_unit.py test_systemd_units.py test_unit_trust.py))

# Discovery on real configurations, compared with what the daemons serve: those of Debian's packages and of the test data
# of certbot, and the cases in the folder CASES. As root.
CASES ?=

matrix-field: $(INSTALLED)
	@$(BUILD_OVERLAYS) $(call OF_SIZE,,main second third debian13 sid)
	$(PYTHON) -m bench.field $(CASES) $(call OF_SIZE,--only "debian12*",)

# Audits by the workers of a Dask cluster.
matrix-fleet: $(INSTALLED)
	$(PYTHON) -m pytest -n 2 $(FLEET)

# Mutants of certificates, CRLs, OCSP responses and first flights.
matrix-fuzz: $(INSTALLED)
	$(PYTHON) -m bench.fuzz $(call OF_SIZE,2000,10000) $(SEED)
	$(PYTHON) -m bench.fuzz_flights $(call OF_SIZE,20000,100000) $(SEED)

# Several hosts, and the ways to log in to one. The tests of the full size alone take more than half of the time.
FULL_HOSTS := $(addprefix tests/system/,hosts/test_jump_hosts.py hosts/test_login_limits.py names/test_twin_hosts.py \
    repair/test_several_hosts.py)

matrix-hosts: $(INSTALLED)
	@SSLAUDIT_TEST_OVERLAYS=logins $(BUILD_OVERLAYS)
	SSLAUDIT_TEST_OVERLAYS=logins $(PYTHON) -m pytest -n 2 --dist loadfile \
	    $(call OF_SIZE,$(filter-out $(FULL_HOSTS),$(HOSTS)),$(HOSTS))

# The lowest version of each dependency that pyproject.toml allows. One process: the lowest pytest names some tests by random
# bytes, and the processes of xdist would have other names.
matrix-lowest: $(INSTALLED)
	rm -rf .lab/lowest
	python3 -m venv .lab/lowest
	.lab/lowest/bin/python -m pip install --quiet --require-hashes --requirement .ci/lowest.txt
	.lab/lowest/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	.lab/lowest/bin/python -m pytest -p no:cacheprovider tests/unit $(call OF_SIZE,,tests/plugin --ignore=$(PLUGINS))

# Other tools that audit TLS, on the same servers.
matrix-peers: $(INSTALLED)
	@$(BUILD_OVERLAYS)
	$(PYTHON) -m pytest $(PEERS)

# Other plugins of pytest that work on single tests, with the versions of .ci/plugins.txt.
matrix-plugins: $(INSTALLED)
	rm -rf .lab/plugins
	python3 -m venv .lab/plugins
	.lab/plugins/bin/python -m pip install --quiet --require-hashes --requirement .ci/plugins.txt
	.lab/plugins/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	SSLAUDIT_TEST_PLUGINS=.lab/plugins/bin/python $(PYTHON) -m pytest $(PLUGINS)

# The Pythons of newer Debian releases.
matrix-pythons: $(INSTALLED)
	$(PYTHON) -m tests.support.hosts.other_python debian13 -n 2 -p no:cacheprovider tests/unit $(call OF_SIZE,,tests/plugin --ignore=$(PLUGINS))
	$(call OF_SIZE,,$(PYTHON) -m tests.support.hosts.other_python sid -n 2 -p no:cacheprovider tests/unit)

# Repairs that end otherwise than by one order and one switch.
matrix-repairs: $(INSTALLED)
	@$(BUILD_OVERLAYS)
	$(PYTHON) -m pytest -n 2 --dist loadfile $(REPAIRS)

# Services with files or settings of rare kinds, and services that do not run.
matrix-services: $(INSTALLED)
	@$(BUILD_OVERLAYS)
	$(PYTHON) -m pytest -n 2 --dist loadfile $(SERVICES)

# Repairs of hosts with the systemd of Debian 12 and 13, by the command line: crashes, and unknown listeners.
matrix-systemd: export SSLAUDIT_TEST_RELEASES := $(call OF_SIZE,debian12,debian12 debian13)
matrix-systemd: export SSLAUDIT_TEST_OVERLAYS := $(call OF_SIZE,,debian12-services debian13-services)
matrix-systemd: $(INSTALLED)
	@$(BUILD_OVERLAYS)
	$(PYTHON) -m pytest -n 2 --dist loadfile $(call OF_SIZE,$(firstword $(UNITS)) -k middle,$(UNITS) \
	    $(addprefix tests/system/deployment/,test_sandboxed_units.py test_switched_units.py))

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

# Each module prints its figures, and those that break their bounds, in some 15 minutes on two cores.
bench: $(INSTALLED)
	@status=0; for module in probe judgement whole_audit fleet; do \
	    echo "bench.$$module"; $(PYTHON) -m bench.$$module || status=1; \
	done; exit $$status

# Mutants of certificates, CRLs, OCSP responses and first flights for everything that reads them: 100,000 take about
# five minutes of CPU.
N ?= 100000
SEED ?= 20261123

fuzz: $(INSTALLED)
	@$(PYTHON) -m bench.fuzz $(N) $(SEED)
	@$(PYTHON) -m bench.fuzz_flights $(N) $(SEED)

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

field: matrix-field

clean:
	rm -rf .lab $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info report.html results.jsonl junit.xml

# The versions and hashes of all packages stand in .ci/requirements.txt. A request to a registry that is busy is sent
# three times.
REQUIREMENTS := .ci/requirements.txt

$(INSTALLED): pyproject.toml $(REQUIREMENTS)
	python3 -m venv $(VENV)
	for pause in 5 20 0; do \
	    $(PYTHON) -m pip install --quiet --require-hashes --requirement $(REQUIREMENTS) && break; \
	    [ $$pause != 0 ] || exit 1; sleep $$pause; \
	done
	$(PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Renews it: the newest versions for each Python and processor that the project supports. Commit the difference.
# .ci/lowest.txt has the lowest versions of the dependencies in their place, and what the unit tests need besides;
# .ci/plugins.txt the other plugins of pytest; .ci/peers.txt the scanner that `make bench` compares with.
COMPILE := .lab/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate

requirements:
	python3 -m venv .lab/uv
	.lab/uv/bin/python -m pip install --quiet uv
	$(COMPILE) --extra test --output-file $(REQUIREMENTS) pyproject.toml
	printf '%s\n' aiosmtpd gmpy2 packaging pytest-xdist 'setuptools>=77' tlslite-ng > .lab/uv/tools.in
	PYTHONPATH=. $(PYTHON) -m tests.support.lowest_versions > .lab/uv/lowest.txt
	$(COMPILE) --extra keys --extra lint --constraint .lab/uv/lowest.txt --output-file .ci/lowest.txt pyproject.toml .lab/uv/tools.in
	printf '%s\n' allure-pytest pytest-instafail pytest-json-report pytest-randomly pytest-rerunfailures pytest-sugar \
	    pytest-timeout pytest-xdist 'setuptools>=77' > .lab/uv/plugins.in
	$(COMPILE) --constraint $(REQUIREMENTS) --output-file .ci/plugins.txt pyproject.toml .lab/uv/plugins.in
	echo sslyze > .lab/uv/peers.in
	$(COMPILE) --output-file .ci/peers.txt .lab/uv/peers.in
