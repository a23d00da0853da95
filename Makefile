# Altiplano: LLaMA's pretraining corpus, rebuilt. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without PYTHONPATH: pip would take what lies there for installed.
PIP := env -u PYTHONPATH $(BIN)/python -P -m pip install -qq --disable-pip-version-check

OUTPUT ?= data/corpus
RAW ?= data/raw
RUN ?= data/run
# Recipes read these from their environment, in quotes: a folder's name may hold spaces, and anything else.
export OUTPUT RAW RUN
RECIPE ?= sample
RUNNER ?= local
ARGS ?=
# Python 3.11 reads where the project lies by the locale, and in C does not start if the path has other letters than ASCII.
ifneq ($(filter C POSIX,$(LC_ALL)),)
export LC_ALL := C.UTF-8
endif
# Python is started with -P: a file train.py or model.py in the working directory is none of ours.

# Set-up that was stopped, or Debian without python3-venv, leaves an environment without pip.
HAS_PIP = env -u PYTHONPATH $(BIN)/python -P -m pip --version >/dev/null 2>&1

# A Python that is named is the environment's own, or nothing is done.
.PHONY: same-python
same-python:
ifneq ($(filter command environment,$(origin PYTHON)),)
	@if test -x $(BIN)/python; then asked=$$($(PYTHON) $(VERSION)) && there=$$($(BIN)/python $(VERSION)) || exit 0; \
		test "$$asked" = "$$there" || { echo "$(VENV) is of Python $$there, and PYTHON=$(PYTHON) is $$asked: remove $(VENV), or name another environment with VENV=.venv-$$asked" >&2; exit 2; }; fi
endif
VERSION = -P -c 'import sys; print("%d.%d" % sys.version_info[:2])'

# A stamp per lock file: an extra is installed again only when its lock changed. A lock holds all that is needed, so pip
# resolves nothing: of a requirement with an extra (google-auth[pyopenssl]) it would take the newest release, not the lock's.
$(VENV)/build.stamp: requirements/build.txt pyproject.toml | same-python
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + "; name another with make PYTHON=python3.11")'
	@echo "setting up $(VENV)"
	@$(HAS_PIP) || { test -x $(BIN)/python && $(BIN)/python -P -m ensurepip >/dev/null 2>&1 && $(HAS_PIP); } \
		|| { test -e $(VENV) && ! test -e $(VENV)/pyvenv.cfg && test -n "$$(ls -A $(VENV))" && echo "$(VENV) holds files and is no environment of Python: name another with VENV=" >&2 && exit 2; \
		$(PYTHON) -P -m venv --clear $(VENV) && $(HAS_PIP); } \
		|| { echo "$(VENV) cannot be made: $(PYTHON) needs its modules venv and ensurepip (on Debian and Ubuntu: apt-get install python3-venv); then run make again" >&2; exit 2; }
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/%.stamp: requirements/%.txt $(VENV)/build.stamp
	@echo "installing what '$*' needs"
	@$(PIP) --no-deps --require-hashes -r requirements/$*.txt \
		|| env -u PYTHONPATH $(BIN)/python -P requirements/install.py requirements/$*.txt
	@touch $@

# A CPU build of torch in pip's find-links goes first (pip itself would prefer the index's, whose link carries a hash);
# the CUDA packages follow only where the build that was installed asks for them.
$(VENV)/torch.stamp: requirements/torch.txt requirements/torch-cuda.txt $(VENV)/train.stamp
	@echo "installing torch"
	@$(PIP) --no-index --require-hashes --no-deps -r requirements/torch.txt 2>/dev/null \
		|| $(PIP) --require-hashes --no-deps -r requirements/torch.txt
	@if $(BIN)/python -c 'import importlib.metadata as m, sys; sys.exit(not any("cuda" in r for r in m.requires("torch")))'; then \
		$(PIP) --require-hashes --no-deps -r requirements/torch-cuda.txt; fi
	@touch $@

# Compiled where there is a C compiler; without it the same result takes longer, and the next `make` looks for one again.
$(VENV)/native.stamp: filters/native/web.c filters/native/fast_text.c filters/native/unigram.c filters/native/binding.py $(VENV)/corpus.stamp
	@$(BIN)/python -P -c 'from filters.native import binding; binding.main(); raise SystemExit(not binding.path().exists())' \
		&& touch $@ || true

# Servers of S3 and GCS that the long tests talk to, and Beam's own engine.
PRISM := github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0
SERVERS := $(PRISM) \
	github.com/versity/versitygw/cmd/versitygw@v1.8.0 github.com/fsouza/fake-gcs-server@v1.56.1
$(VENV)/go.stamp: Makefile $(VENV)/build.stamp
	@if command -v go >/dev/null; then for server in $(SERVERS); do \
			echo "building $$server" && GOBIN="$(abspath $(VENV))/go" go install $$server || exit 1; done; touch $@; \
		else echo "Go is missing: tests with servers of S3 and GCS and with Prism will be SKIPPED (https://go.dev/dl)" >&2; fi

.PHONY: setup-corpus setup-explore setup-sample setup-report setup-train setup-ray setup-test setup-full setup-browser setup-engine \
	setup-engines
setup-corpus: $(VENV)/corpus.stamp $(VENV)/native.stamp
setup-explore: setup-corpus $(VENV)/explore.stamp
setup-sample: setup-corpus $(VENV)/sample.stamp
setup-report: setup-corpus $(VENV)/report.stamp
setup-train: $(VENV)/torch.stamp
setup-ray: setup-corpus $(VENV)/ray.stamp
setup-test: setup-sample setup-explore setup-report setup-train $(VENV)/ray.stamp $(VENV)/test.stamp
setup-full: setup-test setup-browser $(VENV)/aws.stamp $(VENV)/gcp.stamp $(VENV)/full.stamp $(VENV)/go.stamp
setup-browser: setup-test $(VENV)/browser.stamp
setup-engines: setup-test $(VENV)/gcp.stamp $(VENV)/go.stamp
setup-engine: setup-corpus $(VENV)/aws.stamp $(VENV)/gcp.stamp

# FLINK_MASTER, SPARK_MASTER, PROJECT, REGION and TEMP say where. An engine's workers run IMAGE, which has the wheel and
# the locked packages (`make image IMAGE=...` builds and pushes it). Without it, those of Flink and Spark are processes of
# an environment like this one, at the same place on each machine; Dataflow's must have one.
ENGINES := dataflow flink spark
IMAGE ?=
ENVIRONMENT = $(if $(IMAGE),--environment_type=DOCKER --environment_config=$(IMAGE))
dataflow_ARGS = $(if $(IMAGE),--sdk_container_image=$(IMAGE)) $(if $(PROJECT),--project=$(PROJECT)) \
	$(if $(REGION),--region=$(REGION)) $(if $(TEMP),--temp_location=$(TEMP))
JOB_SERVER ?=
SERVER = $(if $(JOB_SERVER),--job-server=$(JOB_SERVER))
flink_ARGS = $(ENVIRONMENT) $(SERVER) $(if $(FLINK_MASTER),--flink_master=$(FLINK_MASTER))
ray_ARGS = $(if $(RAY),--ray=$(RAY))
spark_ARGS = $(ENVIRONMENT) $(SERVER) $(if $(SPARK_MASTER),--spark_master_url=$(SPARK_MASTER))

.PHONY: corpus
ifneq ($(filter $(RUNNER),$(ENGINES)),)
corpus: $(if $(filter dataflow,$(RUNNER)),check-image) setup-engine wheel ## build the corpus on an engine: RUNNER=dataflow|flink|spark OUTPUT=gs://... IMAGE=...
	@$(BIN)/python -P -m pipelines.corpus --recipe $(RECIPE) --runner $(RUNNER) --raw "$$RAW" --output "$$OUTPUT" \
		$($(RUNNER)_ARGS) $(ARGS)
else
corpus: $(if $(filter prism,$(RUNNER)),engines) $(if $(filter sample,$(RECIPE)),setup-sample,setup-corpus) $(if $(filter ray,$(RUNNER)),setup-ray) ## build the corpus (the real sample by default) in data/corpus
	@if [ "$(RECIPE)" = sample ]; then $(BIN)/python -P -m pipelines.sample --output "$$RAW"; fi
	@$(BIN)/python -P -m pipelines.corpus --recipe $(RECIPE) --runner $(RUNNER) --raw "$$RAW" --output "$$OUTPUT" $($(RUNNER)_ARGS) $(ARGS)
endif

# Beam's own engine, on this machine: a program in Go.
$(VENV)/go/prism: | check-go $(VENV)/build.stamp
	@echo "building $(PRISM)" && GOBIN="$(abspath $(VENV))/go" go install $(PRISM) && touch $@

.PHONY: engines check-go
engines: $(VENV)/go/prism ## install Prism, Beam's own engine, for RUNNER=prism (needs Go)
check-go:
	@test -x $(VENV)/go/prism || command -v go >/dev/null || \
		{ echo "Go is missing, which Prism is built with: https://go.dev/dl" >&2; exit 2; }

# A cluster on this machine, of Flink's or Spark's own archives (230 and 320 MB, kept in ~/.cache/altiplano/engines).
WORKERS ?= 2
.PHONY: cluster cluster-stop cluster-status
cluster: setup-sample ## start a cluster of Flink or Spark on this machine: RUNNER=flink|spark WORKERS=2 (needs Java 11 to 17)
	@$(BIN)/python -P -m pipelines.runners.clusters start $(RUNNER) --workers $(WORKERS) $(if $(PORT),--port $(PORT))
cluster-stop: setup-corpus ## end the clusters that were started here
	@$(BIN)/python -P -m pipelines.runners.clusters stop
cluster-status: setup-corpus ## say what runs of them, and what has ended
	@$(BIN)/python -P -m pipelines.runners.clusters status

.PHONY: wheel
wheel: $(VENV)/build.stamp ## build the wheel that workers install, in dist
	@rm -f dist/altiplano_corpus-*.whl
	@$(BIN)/python -P -m hatchling build -t wheel -d dist

# Asked for first: what an engine needs takes minutes to set up.
.PHONY: check-image check-docker
check-image:
	@test -n "$(IMAGE)" || { echo "IMAGE is missing: make image IMAGE=REGISTRY/NAME:TAG, then IMAGE=... here" >&2; exit 2; }
check-docker: check-image
	@command -v docker >/dev/null || { echo "docker is missing: build the image (Dockerfile) where it is" >&2; exit 2; }

.PHONY: image
image: check-docker wheel ## build and push the workers' image: make image IMAGE=REGISTRY/NAME:TAG (needs docker)
	@docker build --tag $(IMAGE) .
	@docker push $(IMAGE)

# A build's driver lives as long as its jobs, and does little. Not run: nothing here was ever submitted to Google.
.PHONY: driver
driver: check-image ## run Dataflow's driver on a small machine of its own: make driver IMAGE=... PROJECT=... REGION=... ZONE=... ARGS=...
	@gcloud compute instances create altiplano-driver --project=$(PROJECT) --zone=$(ZONE) --machine-type=e2-standard-2 \
		--image-family=cos-stable --image-project=cos-cloud --scopes=cloud-platform \
		--metadata=startup-script='docker run --entrypoint altiplano $(IMAGE) corpus --recipe $(RECIPE) --runner dataflow --output "'"$$OUTPUT"'" $(dataflow_ARGS) $(ARGS)'

# The same command, stopped when the models are made; the corpus takes them on.
.PHONY: models
models: override ARGS += --models
models: corpus ## only CommonCrawl's models: language models, cut-offs, reference classifier

.PHONY: pretrain
pretrain: setup-train ## train a small LLaMA on the corpus just built
	@$(BIN)/python -P -m train.pretrain --corpus "$$OUTPUT" --output "$$RUN" $(ARGS)

.PHONY: explore
explore: setup-explore ## search data/corpus on a page of this machine (docs/explore.md)
	@$(BIN)/python -P -m pipelines.explore "$$OUTPUT" $(ARGS)

.PHONY: report
report: setup-corpus ## write and show the corpus card of data/corpus, and of the run in data/run
	@if [ -e "$$RUN/log.jsonl" ]; then $(BIN)/python -P -m pipelines.report "$$OUTPUT" --run "$$RUN" $(ARGS); \
		else $(BIN)/python -P -m pipelines.report "$$OUTPUT" $(ARGS); fi

.PHONY: verify
verify: setup-corpus ## check every checksum and count of data/corpus
	@$(BIN)/python -P -m pipelines.verify "$$OUTPUT"

.PHONY: test
test: setup-test ## run the tests
	@$(BIN)/python -P -m pytest -m "not full" $(ARGS)

.PHONY: engines-run
engines-run: setup-test ## name the engines that the tests run here, and why not the others
	@$(BIN)/python -P -m tests.pipelines.runners.available

.PHONY: test-full
test-full: setup-full ## run the tests and the long tests, with local S3 and GCS servers, peers, and Debian's own python3
	@$(BIN)/python -P -m pytest -rs $(ARGS)

.PHONY: bench
bench: setup-test ## run the benchmarks that need no peers: tokens, boilerplate
	@$(BIN)/python benchmarks/tokens.py
	@$(BIN)/python benchmarks/boilerplate.py "$$RAW/github"

TARGETS ?=
SECONDS_EACH ?= 60

.PHONY: fuzz
fuzz: setup-test $(VENV)/fuzz.stamp ## fuzz readers, cleaners and our C: TARGETS="wet warc" SECONDS_EACH=60 (all, if none is named)
	@$(BIN)/python benchmarks/fuzz.py $(TARGETS) --seconds $(SECONDS_EACH) $(ARGS)

.PHONY: docs
docs: $(VENV)/docs.stamp ## build the pages of docs/ as a site in data/docs
	@$(BIN)/sphinx-build --quiet --fail-on-warning -b html docs data/docs
	@echo "written: data/docs/index.html"

.PHONY: check
check: setup-test ## format, lint, strict types, import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: setup-test ## rewrite the code in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: lock
lock: ## compile the hash-locked requirement files (needs uv)
	@$(PYTHON) requirements/lock.py

.PHONY: clean
clean: ## remove the corpus and the run that were made here, keep the downloads, .venv and all files of yours
	@$(if $(wildcard $(BIN)/python),$(BIN)/python -P,$(PYTHON)) -m pipelines.clean "$$OUTPUT" "$$RUN"

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'
