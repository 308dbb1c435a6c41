#!/bin/sh
# Builds OCI's suite for registries into .cache/distribution-spec/suite, and runs it
# against ours.
set -eu
cd "$(dirname "$0")/.."
from=${DISTRIBUTION_SPEC:-https://github.com/opencontainers/distribution-spec}
commit=967efdc
dir=$PWD/.cache/distribution-spec
if [ ! -x "$dir/suite" ]; then
	rm -rf "$dir"
	git clone -q "$from" "$dir"
	git -C "$dir" -c advice.detachedHead=false checkout -q $commit
	(cd "$dir/conformance" && go mod edit -replace github.com/opencontainers/distribution-spec/specs-go=../specs-go && go build -mod=mod -o ../suite .)
fi
WEIR_DISTRIBUTION_SUITE=$dir/suite go test -count=1 -v -run TestConformance ./kit/registry
