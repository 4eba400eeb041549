#!/bin/sh
# SPDX-License-Identifier: MIT
# PostgreSQL: a cluster of its own, pgbench from several clients, sums that must agree.
. "$(dirname "$0")/common.sh"
packages='postgresql-15 postgresql-client-15 postgresql-contrib'
about='initdb, pgbench TPC-B and select from 4 clients, sorts, hashes, json; balances agree'
limit=240
bin=/usr/lib/postgresql/15/bin

query() { under "$bin/psql" -h 127.0.0.1 -p "$port" -U tester -d bank -qAtX -v ON_ERROR_STOP=1 "$@"; }
benchmark() { under "$bin/pgbench" -h 127.0.0.1 -p "$port" -U tester -n "$@" bank; }
load() { benchmark -c 4 -j 2 --random-seed=42 "$@"; }
queries() {
    cat << 'END'
create table t as
    select i, md5(i::text) m, repeat(chr(97 + i % 26), i % 300) r from generate_series(1, 60000) i;
create index on t (m);
vacuum analyze t;
select count(*), sum(length(r)) from t;
select m from t order by r desc, m limit 5;
select substr(m, 1, 1) s, count(*), max(length(all_r)) from
    (select m, string_agg(r, ',') all_r from t group by m) x group by 1 order by 1;
select md5(string_agg(j::text, '')) from
    (select jsonb_build_object('i', i, 'm', m, 'a', array[i, i + 1]) j from t order by i limit 20000) x;
select count(*) from t a join t b on a.i = b.i + 1 and a.m > b.m;
select regexp_replace(string_agg(m, ''), '[0-9]+', '-', 'g') ~ 'a-b' from t where i < 2000;
do $$ begin perform 1 / 0; exception when division_by_zero then null; end $$;
END
}
work() {
    under "$bin/initdb" -D "$work/data" -U tester -A trust --locale=C.UTF-8 --no-sync > initdb.log 2>&1
    port=$(free_port)
    start server.log "$bin/postgres" -D "$work/data" -h 127.0.0.1 -p "$port" -k "$work/run" \
        -c fsync=off -c max_parallel_workers_per_gather=2 -c min_parallel_table_scan_size=0 \
        -c parallel_setup_cost=0 -c work_mem=1MB -c autovacuum_naptime=5
    await 30 "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"
    under "$bin/createdb" -h 127.0.0.1 -p "$port" -U tester bank
    benchmark -i -q -s 2 > fill.log 2>&1
    # shellcheck disable=SC2046
    mapped "$server" $(children "$server" | head -3)
    load -t 300 > tpcb.log 2>&1
    load -S -t 1000 > select.log 2>&1
    result "$(grep 'actually processed' tpcb.log) $(grep 'number of failed' tpcb.log)"
    result "$(grep 'actually processed' select.log) $(grep 'number of failed' select.log)"
    query -c "select count(*), (select sum(abalance) from pgbench_accounts) = sum(delta),
        (select sum(bbalance) from pgbench_branches) = sum(delta),
        (select sum(tbalance) from pgbench_tellers) = sum(delta) from pgbench_history" >> result
    queries | query > queries.log
    cat queries.log >> result
    note "$(sed -n 's/.*actually processed: \([0-9]*\).*/\1/p' tpcb.log) transactions"
}
suite "$@"
