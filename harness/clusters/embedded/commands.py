"""The command line, environment and configuration file of each component: data, no I/O.

Paths are those inside the node, where the cluster's folder is ``/run/node``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.clusters.embedded import layout

ROOT = str(layout.INSIDE)
PKI = f"{ROOT}/pki"
ETC = f"{ROOT}/etc"
BIN = f"{ROOT}/bin"
CONTAINERD_STATE = "/run/containerd"
CONTAINERD_SOCKET = f"{CONTAINERD_STATE}/containerd.sock"

CONTROL_PLANE = ("etcd", "containerd", "kube-apiserver")
"""Started first: nothing else is of use before the API answers, and it would only take its processor time."""

NODE = ("kube-controller-manager", "kubelet", "kube-scheduler", "kube-proxy", "felix")
"""Started once the API answers, in this order: what is waited for longest comes first."""


@dataclass(frozen=True)
class Command:
    """How to start a component: ``arguments`` with the program first, ``environment`` added to the node's own."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def commands() -> dict[str, Command]:
    """Each component by name."""
    return {
        "etcd": Command(
            (
                f"{BIN}/etcd",
                f"--data-dir={ROOT}/data/etcd",
                "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379",
                "--listen-peer-urls=http://127.0.0.1:2380",
                # A cluster that dies with its machine has nothing to lose by it; a killed etcd loses nothing either,
                # since what was written is in the page cache.
                "--unsafe-no-fsync",
                "--log-level=warn",
            )
        ),
        "containerd": Command((f"{BIN}/containerd", "--config", f"{ETC}/containerd.toml")),
        "kube-apiserver": Command(
            (
                f"{BIN}/kube-apiserver",
                "--etcd-servers=http://127.0.0.1:2379",
                f"--service-cluster-ip-range={layout.SERVICE_NETWORK}",
                "--secure-port=6443",
                "--bind-address=0.0.0.0",
                f"--advertise-address={layout.NODE_ADDRESS}",
                f"--client-ca-file={PKI}/ca.crt",
                f"--tls-cert-file={PKI}/apiserver.crt",
                f"--tls-private-key-file={PKI}/apiserver.key",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged=true",
                f"--kubelet-certificate-authority={PKI}/ca.crt",
                f"--kubelet-client-certificate={PKI}/kubelet-client.crt",
                f"--kubelet-client-key={PKI}/kubelet-client.key",
                "--kubelet-preferred-address-types=InternalIP",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={PKI}/sa.pub",
                f"--service-account-signing-key-file={PKI}/sa.key",
                f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
                "--requestheader-allowed-names=front-proxy-client",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-username-headers=X-Remote-User",
                f"--proxy-client-cert-file={PKI}/proxy-client.crt",
                f"--proxy-client-key-file={PKI}/proxy-client.key",
                "--profiling=false",
            )
        ),
        "kube-controller-manager": Command(
            (
                f"{BIN}/kube-controller-manager",
                *_clients("controller-manager"),
                f"--service-account-private-key-file={PKI}/sa.key",
                f"--root-ca-file={PKI}/ca.crt",
                # Client certificates by CertificateSigningRequest.
                f"--cluster-signing-cert-file={PKI}/ca.crt",
                f"--cluster-signing-key-file={PKI}/ca.key",
                "--use-service-account-credentials=true",
                "--leader-elect=false",
                "--allocate-node-cidrs=true",
                f"--cluster-cidr={layout.CLUSTER_NETWORK}",
                "--node-cidr-mask-size=24",
                "--bind-address=127.0.0.1",
                # A harness waits for the autoscaler and for claims: second, not quarter of a minute.
                "--horizontal-pod-autoscaler-sync-period=1s",
                "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
                "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
                "--pvclaimbinder-sync-period=1s",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                "--profiling=false",
            )
        ),
        "kube-scheduler": Command(
            (
                f"{BIN}/kube-scheduler",
                *_clients("scheduler"),
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                "--profiling=false",
            )
        ),
        "kubelet": Command(
            (
                f"{BIN}/kubelet",
                f"--kubeconfig={ETC}/kubelet.conf",
                f"--config={ETC}/kubelet.json",
                f"--root-dir={ROOT}/kubelet",
                f"--node-ip={layout.NODE_ADDRESS}",
                f"--hostname-override={layout.NODE_NAME}",
            )
        ),
        "kube-proxy": Command((f"{BIN}/kube-proxy", f"--config={ETC}/kube-proxy.json")),
        "felix": Command((f"{BIN}/felix",), FELIX),
    }


FELIX = {
    "FELIX_DATASTORETYPE": "kubernetes",
    "KUBECONFIG": f"{ETC}/admin.conf",
    "FELIX_FELIXHOSTNAME": layout.NODE_NAME,
    "FELIX_IPV6SUPPORT": "false",
    "FELIX_BPFENABLED": "false",
    "FELIX_XDPENABLED": "false",
    "FELIX_BPFCONNECTTIMELOADBALANCING": "Disabled",
    "FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
    "FELIX_IPTABLESBACKEND": "NFT",
    "FELIX_LOGFILEPATH": "none",
    "FELIX_LOGSEVERITYSYS": "none",
    "FELIX_LOGSEVERITYSCREEN": "info",
    "FELIX_USAGEREPORTINGENABLED": "false",
    "FELIX_FLOATINGIPS": "Disabled",
    "FELIX_HEALTHENABLED": "false",
}


def configuration(pause: str) -> dict[str, str]:
    """The configuration files by name; ``pause`` is the reference of the pods' sandbox image."""
    return {
        "containerd.toml": CONTAINERD.format(pause=pause),
        "kubelet.json": json.dumps(KUBELET, indent=1),
        "kube-proxy.json": json.dumps(KUBE_PROXY, indent=1),
        "cni/10-calico.conflist": json.dumps(CNI, indent=1),
    }


def _clients(name: str) -> tuple[str, ...]:
    file = f"{ETC}/{name}.conf"
    return (
        f"--kubeconfig={file}",
        f"--authentication-kubeconfig={file}",
        f"--authorization-kubeconfig={file}",
    )


CONTAINERD = f"""\
version = 3
root = "{ROOT}/data/containerd"
state = "{CONTAINERD_STATE}"

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{{pause}}"

[plugins."io.containerd.cri.v1.runtime"]
  # Lowering oom_score_adj needs CAP_SYS_RESOURCE, which root may lack: runc then dies without a word.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "{BIN}/runc"
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{BIN}"]
    conf_dir = "{ETC}/cni"
"""

KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "failCgroupV1": False,
    "cgroupDriver": "cgroupfs",
    "cgroupRoot": "/",
    "cgroupsPerQOS": True,
    "enforceNodeAllocatable": [],
    "failSwapOn": False,
    # The node's sysctls are private files with the values it wants: it must not write, and need not.
    "protectKernelDefaults": True,
    "authentication": {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
        "x509": {"clientCAFile": f"{PKI}/ca.crt"},
    },
    "authorization": {"mode": "Webhook"},
    "tlsCertFile": f"{PKI}/kubelet.crt",
    "tlsPrivateKeyFile": f"{PKI}/kubelet.key",
    "clusterDNS": [layout.DNS_ADDRESS],
    "clusterDomain": "cluster.local",
    "resolvConf": "",
    "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
    "volumePluginDir": f"{ROOT}/kubelet/volumeplugins",
    "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
    # What is loaded stays usable when somebody also pulls the same content from a registry (KEP-2535 would have it
    # pulled anew by each name): all that is on this node is its user's.
    "imagePullCredentialsVerificationPolicy": "NeverVerify",
    "serializeImagePulls": False,
    "registryPullQPS": 0,
    "eventRecordQPS": 0,
    "kubeAPIQPS": 200,
    "kubeAPIBurst": 400,
    "syncFrequency": "5s",
    "nodeStatusUpdateFrequency": "2s",
    "maxPods": 110,
}

KUBE_PROXY = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "mode": "iptables",
    "clientConnection": {"kubeconfig": f"{ETC}/kube-proxy.conf"},
    "clusterCIDR": layout.CLUSTER_NETWORK,
    "hostnameOverride": layout.NODE_NAME,
    # Limits of connection tracking belong to the whole machine.
    "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    "metricsBindAddress": "127.0.0.1:10249",
    "bindAddress": "0.0.0.0",  # noqa: S104 -- of the node's own network namespace
    "iptables": {"syncPeriod": "30s", "minSyncPeriod": "50ms"},
}

CNI = {
    "cniVersion": "0.3.1",
    "name": "k8s-pod-network",
    "plugins": [
        {
            "type": "calico",
            "log_level": "info",
            "log_file_path": f"{ROOT}/logs/cni.log",
            "datastore_type": "kubernetes",
            "nodename": layout.NODE_NAME,
            "nodename_file_optional": True,
            "mtu": 1500,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": layout.POD_NETWORK}]],
                "dataDir": "/run/cni-networks",
            },
            "policy": {"type": "k8s"},
            "kubernetes": {"kubeconfig": f"{ETC}/admin.conf"},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
