#!/usr/bin/env bash
# Every test: rules and units, controllers against a real API server, the rooms
# of the cluster, and the program itself from outside.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:-} -trimpath"

say() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

# Controllers wait for clocks: four packages at once keep two processors busy, and
# the longest come first.
say "rules, units and the cluster's rooms"
go vet ./...
go test -p 4 -timeout 20m ./platform/training/jobs ./cluster/step . ./kit/... ./api/... ./platform/... ./cmd/... ./cluster/...

say "the pages"
(cd ui && npm run --silent check && npm run --silent unit)
if [ -x "${CHROMIUM:=/usr/bin/chromium}" ]; then (cd ui && npm run --silent e2e); else echo "no Chromium at $CHROMIUM: the pages are not driven; apt-get install chromium"; fi

say "the program, from outside, and what the documents say"
go test -count=1 -timeout 30m ./test/e2e/... ./test/docs

say "a part of Kubernetes' own suite"
make --silent -C test/conformance quick
