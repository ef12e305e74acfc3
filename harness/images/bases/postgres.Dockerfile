ARG BASE
FROM ${BASE}
# What the server does without stays out, 190 MB of it: the just-in-time compiler (PostgreSQL goes on without it where
# its library is missing) and the Perl that only Debian's own cluster scripts need.
# No cluster is made and no server started while the package is installed: the service's entrypoint does both.
RUN set -eu; \
    mkdir -p /etc/postgresql-common; \
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; \
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql-15; \
    rm -rf /usr/lib/postgresql/15/lib/bitcode /usr/lib/postgresql/15/lib/llvmjit* /usr/lib/*/libLLVM* /usr/lib/*/libz3*; \
    rm -rf /usr/share/perl /usr/share/perl5 /usr/lib/*/perl /usr/lib/*/libperl*; \
    rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/sbin/policy-rc.d
