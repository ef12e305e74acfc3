//go:build tools

// Package kind names the program that is built as it is, so that go.mod keeps what it needs.
package kind

import _ "sigs.k8s.io/kind"
