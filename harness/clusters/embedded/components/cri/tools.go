//go:build tools

// Package cri names the program that is built as it is, so that go.mod keeps what it needs.
package cri

import _ "sigs.k8s.io/cri-tools/cmd/crictl"
