#!/usr/bin/env bash
# Every test: rules and units, controllers against a real API server, the rooms
# of the cluster, and the program itself from outside.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:-} -trimpath"

say() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

say "rules and units"
go vet ./...
go test -timeout 20m . ./kit/... ./api/... ./platform/... ./cmd/...

say "the pages"
(cd ui && npm run --silent check && npm run --silent unit)
if [ -x "${CHROMIUM:=/usr/bin/chromium}" ]; then (cd ui && npm run --silent e2e); else echo "no Chromium at $CHROMIUM: the pages are not driven; apt-get install chromium"; fi

say "the cluster's rooms"
go test -timeout 20m ./cluster/...

say "the program, from outside"
go test -count=1 -timeout 30m ./test/e2e/...

say "what the documents say"
go test -count=1 -timeout 20m ./test/docs

say "a part of Kubernetes' own suite"
make --silent -C test/conformance quick
