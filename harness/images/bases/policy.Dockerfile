ARG BASE
FROM ${BASE}
# What felix calls. The program is last, so that a new one leaves the packages as they are.
RUN set -eu; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends conntrack iproute2 ipset iptables kmod; \
    rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY policynode /usr/local/bin/policynode
RUN ln -s policynode /usr/local/bin/felix
