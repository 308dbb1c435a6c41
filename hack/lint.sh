#!/usr/bin/env bash
# Checks the sources by .golangci.yml. The linter is built from source, at the
# version in hack/lint.mod, which is apart from the module's: it needs as many
# modules again as weir does. The first time takes minutes.
#
#     hack/lint.sh [--fix] [PACKAGES]
set -euo pipefail
cd "$(dirname "$0")/.."

tool=.cache/lint/golangci-lint
if [ ! -x "$tool" ] || [ hack/lint.mod -nt "$tool" ]; then
	mkdir -p .cache/lint
	CGO_ENABLED=0 GOFLAGS=-trimpath go build -modfile=hack/lint.mod -o "$tool" github.com/golangci/golangci-lint/v2/cmd/golangci-lint
fi

# Kubernetes' own packages are read too, where ours import them: that takes
# memory, less of it when garbage is collected more often.
CGO_ENABLED=0 GOGC="${GOGC:-50}" GOFLAGS="${GOFLAGS:--trimpath}" exec "$tool" run --timeout 30m "$@"
