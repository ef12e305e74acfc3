// Command policynode is Calico's CNI plugin and its policy agent felix in one binary, chosen by the name it is called by.
package main

import (
	"os"
	"path/filepath"

	"github.com/projectcalico/calico/cni-plugin/pkg/plugin"
	felix "github.com/projectcalico/calico/felix/daemon"
)

// version is the release whose commit go.mod requires: Calico's module has no versions of its own.
const version = "v3.28.5"

func main() {
	if filepath.Base(os.Args[0]) == "calico" {
		plugin.Main(version)
		return
	}
	felix.Run("/etc/calico/felix.cfg", version, "", "")
}
