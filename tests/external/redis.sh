#!/bin/sh
# SPDX-License-Identifier: MIT
# redis: all kinds of values, a snapshot, an append-only file, a restart from them.
. "$(dirname "$0")/common.sh"
packages='redis-server redis-tools'
about='values of all kinds, snapshot, rewrite, restart; digest of the data'

ask() { redis-cli -h 127.0.0.1 -p "$port" "$@"; }
serve() {
    port=$(free_port)
    start "$1" redis-server --bind 127.0.0.1 --port "$port" --dir "$work/data" --save '' \
        --appendonly yes --appendfsync no --io-threads 2 \
        --list-max-listpack-size 16 --enable-debug-command local
    await 20 ask ping
    mapped "$server"
}
digest() { result "$1 $(ask dbsize) $(ask debug digest)"; }

work() {
    mkdir data
    own data
    serve server.log
    awk 'BEGIN {
        for (i = 0; i < 8000; i++) {
            print "SET s" i " " sprintf("%0" (1 + i % 700) "d", i)
            print "HSET h" i % 300 " f" i " v" i
            print "RPUSH l" i % 200 " " i * 7
            print "ZADD z" i % 100 " " i % 977 " m" i
            print "APPEND a" i % 50 " text" i
            if (i % 3 == 0) print "DEL s" i / 3
            if (i % 5 == 0) print "XADD x" i % 20 " " i + 1 "-1 k " i
        }
    }' | ask > commands.log
    result "replies $(sort commands.log | uniq -c | sort -k1,1nr -k2 | head -400 | cksum)"
    result "$(ask --raw eval 'local s = 0; for i = 1, 20000 do s = s + string.len(string.rep("x", i % 90)) end; return s' 0)"
    redis-benchmark -h 127.0.0.1 -p "$port" -n 5000 -r 1000 -c 20 -d 300 -t set,get,lpush,lpop \
        --csv > benchmark.log
    ask del mylist > /dev/null
    ask --scan --pattern 'key:*' | xargs -n 500 redis-cli -h 127.0.0.1 -p "$port" del > /dev/null
    digest loaded
    ask bgrewriteaof > /dev/null
    await 30 sh -c "redis-cli -p $port info persistence | grep -q aof_rewrite_in_progress:0"
    result "rewrite $(ask info persistence | tr -d '\r' | grep aof_last_bgrewrite_status)"
    ask bgsave > /dev/null
    await 30 sh -c "redis-cli -p $port info persistence | grep -q rdb_bgsave_in_progress:0"
    result "snapshot $(ask info persistence | tr -d '\r' | grep rdb_last_bgsave_status)"
    stop
    serve again.log
    digest restarted
    ask flushall > /dev/null
    digest emptied
    note "$(wc -l < commands.log) commands"
}
suite "$@"
