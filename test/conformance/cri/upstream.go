//go:build upstream

// Package cri keeps critest, Kubernetes's suite for container runtimes, in a go.mod of its
// own. cluster/cri's TestCritest runs it.
package cri

import _ "sigs.k8s.io/cri-tools/pkg/validate"
