//go:build tools

// Package minikube names the program that is built as it is, so that go.mod keeps what it needs.
package minikube

import _ "k8s.io/minikube/cmd/minikube"
