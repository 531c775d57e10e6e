#!/bin/sh
# Starts `valkey` or `sentinel` of this pod: with the primary that the Sentinels know, else the first.
set -eu
primary=$(valkey-cli -h valkey-sentinels -p 26379 --raw sentinel get-master-addr-by-name tocsin 2> /dev/null \
    | head -n 1) || true
case ${primary:-} in '' | *' '*) primary=valkey-0.valkey-servers ;; esac
self=$(hostname).valkey-servers

case $1 in
    valkey)
        set -- --dir /tmp --save '' --appendonly no --replica-announce-ip "$self" \
            --requirepass "$VALKEY_PASSWORD" --masterauth "$VALKEY_PASSWORD" \
            --min-replicas-to-write 1 --min-replicas-max-lag 3 \
            --maxmemory 640mb --maxmemory-policy noeviction
        [ "$primary" = "$self" ] || set -- "$@" --replicaof "$primary" 6379
        exec valkey-server "$@"
        ;;
    sentinel)
        cat > /tmp/sentinel.conf << END
dir /tmp
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $self
sentinel monitor tocsin $primary 6379 2
sentinel auth-pass tocsin $VALKEY_PASSWORD
sentinel down-after-milliseconds tocsin 3000
sentinel failover-timeout tocsin 10000
END
        exec valkey-sentinel /tmp/sentinel.conf
        ;;
esac
