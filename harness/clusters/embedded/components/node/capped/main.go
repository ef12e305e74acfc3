// Command capped is runc for a machine whose root lacks some capabilities, as root of a container does.
//
// Docker asks all capabilities for a privileged container, and runc fails where one of them is not to be had. So this
// takes from the container's configuration those that are not in its own bounding set, and becomes the runc beside it.
// It only ever asks for less.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// names are those of capabilities(7), in the order of their numbers (linux/capability.h).
var names = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
	SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
	SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "capped: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	bounding, err := boundingSet()
	if err != nil {
		return err
	}
	for file, within := range configurations(os.Args[1:]) {
		if err := cap(file, within, bounding); err != nil {
			return err
		}
	}
	program := filepath.Join(filepath.Dir(os.Args[0]), "runc")
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ()))
}

// boundingSet holds the names of the capabilities that this process, and whatever it becomes, can have at most.
func boundingSet() (map[string]bool, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(status), "\n") {
		if mask, found := strings.CutPrefix(line, "CapBnd:"); found {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			set := map[string]bool{}
			for number, name := range names {
				set["CAP_"+name] = bits&(1<<number) != 0
			}
			return set, err
		}
	}
	return nil, fmt.Errorf("/proc/self/status has no CapBnd")
}

// configurations are the files that tell what a command of runc is to start: a bundle's (create, run), where the process
// is a part, and a process of its own (exec).
func configurations(arguments []string) map[string]string {
	found := map[string]string{}
	for i, argument := range arguments {
		name, value, joined := strings.Cut(argument, "=")
		if !joined && i+1 < len(arguments) {
			value = arguments[i+1]
		}
		switch name {
		case "--bundle", "-b":
			found[filepath.Join(value, "config.json")] = "process"
		case "--process", "-p":
			found[value] = ""
		}
	}
	return found
}

// cap takes from the process that a file describes, as a whole or in a part of it, the capabilities that it cannot have.
func cap(file, within string, possible map[string]bool) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	whole := map[string]any{}
	if err := json.Unmarshal(content, &whole); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	process := whole
	if within != "" {
		process, _ = whole[within].(map[string]any)
	}
	sets, _ := process["capabilities"].(map[string]any)
	for set, asked := range sets {
		kept := []any{}
		capabilities, _ := asked.([]any)
		for _, capability := range capabilities {
			if name, _ := capability.(string); possible[name] {
				kept = append(kept, capability)
			}
		}
		sets[set] = kept
	}
	if content, err = json.Marshal(whole); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}
