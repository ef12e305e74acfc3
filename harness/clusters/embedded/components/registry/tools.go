//go:build tools

// Package registry names the program that is built as it is, so that go.mod keeps what it needs.
package registry

import _ "github.com/google/go-containerregistry/cmd/crane"
