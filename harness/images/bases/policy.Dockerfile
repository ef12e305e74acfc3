ARG BASE
FROM ${BASE}
# What felix calls, which the base that is made of packages has. The program is last, so that a new one leaves the
# packages as they are.
RUN set -eu; \
    if command -v conntrack ip ipset iptables modprobe nft | wc -l | grep -qx 6; then exit; fi; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        conntrack iproute2 ipset iptables kmod nftables; \
    rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY policynode /usr/local/bin/policynode
RUN ln -s policynode /usr/local/bin/felix
