# Targets, with what they do: make help.

SHELL    := /bin/bash
VERSION  ?= $(shell git describe --always --dirty 2>/dev/null || echo devel)
KUBERNETES_VERSION := v1.37.1

# Kubernetes takes its own version from the linker: without it, kubectl and
# discovery have nothing to say.
STAMP := k8s.io/component-base/version
LDFLAGS := -s -w -X main.version=$(VERSION) \
	-X $(STAMP).gitVersion=$(KUBERNETES_VERSION) -X $(STAMP).gitMajor=1 -X $(STAMP).gitMinor=37 \
	-X $(STAMP).gitTreeState=clean -X $(STAMP).gitCommit=0000000000000000000000000000000000000000 -X $(STAMP).buildDate=1970-01-01T00:00:00Z

export CGO_ENABLED := 0
export WEIR_BINARY := $(CURDIR)/bin/weir

.PHONY: help
help: ## Say what each target does
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

.PHONY: build
build: ui/dist/index.html ## Build bin/weir, with its pages
	@go build -trimpath -ldflags "$(LDFLAGS)" -o bin/weir ./cmd/weir

# The pages are built when their sources have changed. Without npm the program
# is built all the same, and says where its pages would be how to have them.
UI_SOURCES := $(shell find ui/src ui/public examples -type f) ui/index.html ui/vite.config.ts ui/tsconfig.json ui/package.json

ui/dist/index.html: $(UI_SOURCES) ui/node_modules/.package-lock.json
	@if command -v npm >/dev/null; then cd ui && npm run --silent build -- --logLevel warn && touch dist/index.html; \
	else echo "npm is not here: bin/weir is built without its pages" >&2; fi

ui/node_modules/.package-lock.json: ui/package-lock.json
	@if command -v npm >/dev/null; then cd ui && npm ci --silent --prefer-offline && touch node_modules/.package-lock.json; fi

.PHONY: ui
ui: ## Show the pages of the weir that `weir env` names, as their sources change
	@cd ui && npm run dev

.PHONY: wheel
wheel: build ## Write a wheel that has the program and the client for Python: dist/weir_ml-….whl
	@go run ./hack/wheel

.PHONY: quickstart
quickstart: build ## Train a Keras model over several replicas, from a fresh clone to its accuracy
	@bin/weir quickstart --dir .cache/quickstart

.PHONY: up
up: build ## Start weir in the foreground
	@bin/weir up

.PHONY: test
test: build ## Run every test
	@hack/test.sh

.PHONY: unit
unit: ## Run the tests that need no cluster
	@go test ./kit/... ./api/... ./platform/... .

.PHONY: e2e
e2e: build ## Run the tests against the real program
	@go test -count=1 -timeout 30m ./test/e2e/...

.PHONY: e2e-full
e2e-full: build ## The same, and train with PyTorch, DeepSpeed and torchtune, which takes 7 GB of the disk
	@WEIR_E2E_FULL=1 go test -count=1 -timeout 90m ./test/e2e/...

.PHONY: conformance
conformance: build ## Run Kubernetes's own suite: FOCUS=regular-expression DIR=folder-of-a-running-weir
	@$(MAKE) -C test/conformance run FOCUS='$(FOCUS)' DIR='$(DIR)'

.PHONY: conformance-quick
conformance-quick: build ## Run the part of Kubernetes's own suite that make test runs
	@$(MAKE) -C test/conformance quick DIR='$(DIR)'

.PHONY: conformance-images
conformance-images: build ## Give the weir that runs in DIR the images that Kubernetes's suite names
	@$(MAKE) -C test/conformance images DIR='$(DIR)'

.PHONY: conformance-cri
conformance-cri: ## Run critest, Kubernetes's own suite for container runtimes: FOCUS=regular-expression
	@$(MAKE) -C test/conformance cri FOCUS='$(FOCUS)'

.PHONY: conformance-registry
conformance-registry: ## Run OCI's own suite for registries against the registry
	@hack/registry-suite.sh

.PHONY: bench
bench: build ## Measure start, memory, pods and jobs
	@go run ./bench

.PHONY: bench-gateway
bench-gateway: build ## Measure the front door, beside nginx and HAProxy where there are
	@go run ./bench -only gateway,upload

.PHONY: bench-pages
bench-pages: build ## Measure the pages in Chromium: the first one, and a list of 10,000 jobs
	@go run ./bench -only pages

.PHONY: bench-build
bench-build: build ## Measure weir image build, beside buildah where there is one
	@go run ./bench -only build

.PHONY: bench-images
bench-images: build ## Measure push, pull and unpacking of images, beside cp and tar, and environments
	@go run ./bench -only images

.PHONY: bench-training
bench-training: build ## Measure bursts of training jobs, up to 2,000 jobs and 1,000 workers
	@go run ./bench -only training

.PHONY: bench-run
bench-run: build ## Measure weir run, beside python itself
	@go run ./bench -only run

.PHONY: generate
generate: ## Make generated code again
	@go generate ./...

.PHONY: verify
verify: generate ## Fail if generated code is not what the sources say
	@git diff --exit-code -- api install ui/src/api || { echo "generated code is stale: commit what make generate made"; exit 1; }

.PHONY: lint
lint: ## Check the sources by the rules in .golangci.yml
	@hack/lint.sh
