"""The kernel's settings that a kubelet makes and no namespace holds: a node has files of its own in their places."""

from typing import Final

KUBELET: Final = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What the kubelet wants (pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables), by paths below /proc/sys."""
