//go:build tools

// Package tools names the programs that are built as they are, so that go.mod keeps what they need. What the embedded
// node's module requires, too, is required at the same version: it is compiled already.
package tools

import (
	_ "github.com/mattfenwick/cyclonus/cmd/cyclonus"
	_ "k8s.io/kubernetes/test/images/agnhost"
)
