#!/bin/sh
# Starts one PostgreSQL on one volume.
#
#   POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD  the database, and the role that owns it (no superuser)
#   PGDATA    a folder inside the volume, not the volume itself: the lock and an unfinished initdb lie beside it
#   PGBIN, PGPORT, POSTGRES_SOCKETS                where the programs, the port and the socket's folder are
#
# Exit status 2: a variable is missing. SIGTERM and SIGINT: fast shutdown (sessions are ended, nothing is lost).
set -eu

say() { echo "postgres entrypoint: $*" >&2; }

for name in POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD PGDATA; do
    eval "value=\${$name:-}"
    if [ -z "$value" ]; then
        say "configuration error: $name is not set"
        exit 2
    fi
    # A single-user session takes one statement a line.
    case $value in *"
"*) say "configuration error: $name holds a line break"; exit 2 ;; esac
done
if [ "$POSTGRES_USER" = postgres ]; then
    say "configuration error: POSTGRES_USER is 'postgres', the superuser, who may not log in over the network"
    exit 2
fi

here=$(dirname "$0")
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
sockets=${POSTGRES_SOCKETS:-/run/postgresql}
volume=$(dirname "$PGDATA")
fresh=$volume/initdb.unfinished

# The server inherits descriptor 9, so the lock is held until its last process is gone, however this script ends. A pod that was
# deleted by force may still have one: PostgreSQL's own lock file names a process id, which means nothing in another pod.
exec 9>"$volume/lock"
if ! flock --nonblock 9; then
    say "another server still holds $volume; waiting until it has ended"
    flock 9
    say "the other server has ended"
fi

if [ ! -e "$PGDATA/PG_VERSION" ]; then
    # Made beside its place and renamed when it is whole: killed at any moment, the next start begins anew.
    say "making a new database cluster in $PGDATA"
    rm -rf "$fresh"
    "$bin/initdb" --pgdata="$fresh" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
        --auth=scram-sha-256 --pwfile=/dev/fd/3 --no-instructions --no-sync >&2 3<<EOF
$(head -c 24 /dev/urandom | base64)
EOF
    name() { printf '"%s"' "$(printf %s "$1" | sed 's/"/""/g')"; }
    text() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }
    "$bin/postgres" --single -j -D "$fresh" -c standard_conforming_strings=on -c log_min_error_statement=panic \
        postgres >/dev/null <<EOF
CREATE ROLE $(name "$POSTGRES_USER") LOGIN PASSWORD $(text "$POSTGRES_PASSWORD");

CREATE DATABASE $(name "$POSTGRES_DB") OWNER $(name "$POSTGRES_USER");

EOF
    "$bin/initdb" --sync-only --pgdata="$fresh" >&2
    mv -T "$fresh" "$PGDATA"
    sync "$volume"
fi

# Whoever holds the lock knows that no server runs here, so what a killed one left is stale. PostgreSQL itself would only ask whether
# the process id in it lives, and in a new pod that is somebody else.
rm -f "$PGDATA/postmaster.pid" "$sockets/.s.PGSQL.${PGPORT:-5432}.lock"

# The settings come with the image, not with the volume: a new image brings new ones.
"$bin/postgres" -D "$PGDATA" -c config_file="$here/postgresql.conf" -c hba_file="$here/pg_hba.conf" \
    -c unix_socket_directories="$sockets" &
server=$!
# PostgreSQL's SIGTERM waits for the last client to go; SIGINT is the fast shutdown.
trap 'kill -INT "$server" 2>/dev/null || true' TERM INT
status=0
wait "$server" || status=$?
# A trapped signal ends the wait too; then the server is still shutting down.
while kill -0 "$server" 2>/dev/null; do
    status=0
    wait "$server" || status=$?
done
exit "$status"
