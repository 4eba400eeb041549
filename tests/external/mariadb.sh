#!/bin/sh
# SPDX-License-Identifier: MIT
# MariaDB: a server of its own, transactions of several clients, queries, a restart.
. "$(dirname "$0")/common.sh"
packages='mariadb-server mariadb-client'
about='install, transfers by 4 clients, joins, json, procedures, check table, restart; sums agree'
limit=240

query() { mariadb --no-defaults -S "$work/run/socket" -u nobody -N -B "$@"; }
serve() {
    start "$1" mariadbd --no-defaults --datadir="$work/data" --socket="$work/run/socket" --skip-networking \
        --pid-file="$work/run/pid" --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=0 \
        --skip-grant-tables --tmpdir="$work/tmp" --innodb-use-native-aio=0
    await 40 query -e 'select 1'
    mapped "$server"
}
tables() {
    cat << 'END'
create database bank; use bank;
create table account (id int primary key, money bigint) engine=innodb;
create table words (i int primary key, w varchar(400), d longtext, index (w)) engine=innodb;
create table other (i int, w varchar(400), index (w)) engine=aria;
insert into account select seq, 1000 from seq_1_to_200;
insert into words select seq, repeat(char(97 + seq mod 26), seq mod 200), json_object('n', seq, 'm', md5(seq))
    from seq_1_to_15000;
insert into other select i * 2, w from words where i mod 3 = 0;
END
}
questions() {
    cat << 'END'
select count(*), sum(length(w)), sum(length(d)) from words;
select left(w, 1) f, count(*), md5(group_concat(i order by i)) from words group by f order by f;
select count(*) from words a join other b on a.i = b.i and a.w > b.w;
select sum(json_value(d, '$.n')) from words where json_value(d, '$.m') like 'a%';
select md5(group_concat(regexp_replace(w, '(.)b+', '\\1-') order by i)) from words where i < 900;
select w from (select w, row_number() over (partition by left(w, 1) order by i desc) r from words) x
    where r = 2 and length(w) < 60 order by w;
select hex(left(compress(repeat(w, 9)), 4)) from words where i = 77;
select sum(money) from account;
check table account, words, other;
END
}
work() {
    under mariadb-install-db --no-defaults --datadir="$work/data" --auth-root-authentication-method=normal \
        --skip-test-db > install.log 2>&1
    serve server.log
    tables | query
    clients=
    for client in 1 2 3 4; do
        awk -v seed="$client" 'BEGIN {
            srand(seed); print "use bank;"
            for (i = 0; i < 400; i++) {
                a = int(rand() * 200) + 1; b = int(rand() * 200) + 1; if (a > b) { c = a; a = b; b = c }; m = int(rand() * 50)
                print "begin; update account set money = money - " m " where id = " a ";"
                print "update account set money = money + " m " where id = " b "; commit;"
            }
        }' | query > "client.$client.log" 2>&1 &
        clients="$clients $!"
    done
    for client in $clients; do wait "$client" || result 'a client failed'; done
    questions | query bank >> result 2>&1
    stop
    serve again.log
    questions | query bank >> result 2>&1
    note '1,600 transfers'
}
suite "$@"
