ARG BASE
FROM ${BASE}
# What felix calls, which the base that is made of packages has. The program is last, so that a new one leaves the
# packages as they are.
RUN set -eu; \
    missing=; \
    for program in conntrack ip ipset iptables modprobe nft; do command -v "$program" || missing=yes; done; \
    [ -n "$missing" ] || exit 0; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        conntrack iproute2 ipset iptables kmod nftables; \
    rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY policynode /usr/local/bin/policynode
RUN ln -s policynode /usr/local/bin/felix
