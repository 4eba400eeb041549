#!/bin/sh
# SPDX-License-Identifier: MIT
# Real programs give the same output with the library as without it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
awk 'BEGIN { srand(3); for (i = 0; i < 60000; i++) print int(rand() * 1e9), "line", i }' > lines
cat > unit.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) { char *p = malloc(20); strcpy(p, "compiled"); puts(p); free(p); return 0; }
END
ran=0
compare() {
    name=$1
    shift
    command -v "$name" > /dev/null 2>&1 || { echo "$name: not here"; return 0; }
    "$@" > expected 2>&1 || { echo "$name: fails without the library"; return 0; }
    status=0
    env LD_PRELOAD="$HAK_LIBRARY" HAKMEM_CONF= "$@" > got 2>&1 || status=$?
    if [ "$status" -ne 0 ] || ! cmp -s expected got; then
        echo "$name: differs with the library (exit $status)"
        diff expected got | head -5
        exit 1
    fi
    ran=$((ran + 1))
}
compare sort sort -n lines
compare sort sort --parallel=4 -S 1M -k3 lines
compare awk awk '{ s[$1 % 1000] = s[$1 % 1000] $3 } END { for (i = 0; i < 1000; i++) print length(s[i]) }' lines
compare sed sed -e 's/line/LINE/;n;d' lines
compare perl perl -ne '$h{$_ % 5000} .= $_; END { print length($h{$_}), "\n" for sort { $a <=> $b } keys %h }' lines
compare tar tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 lines unit.c
compare gzip gzip -nc lines
compare xz xz -T2 -c lines
compare gcc sh -c 'gcc -O2 -S -o - unit.c'
compare clang sh -c 'clang -O2 -S -o - unit.c'
compare git git -c init.defaultBranch=main init -q --bare repository
compare sqlite3 sqlite3 :memory: "create table t(a,b); with recursive c(x) as (select 1 union all select x+1 from c where x<30000) insert into t select x, hex(x*x) from c; create index i on t(b); select count(*), max(b) from t; select b from t order by b limit 20;"
compare python3 env PYTHONMALLOC=malloc python3 -c 'import json, threading
d = {str(i): list(range(i % 50)) for i in range(20000)}
r = []
t = [threading.Thread(target=lambda n=n: r.append(len(json.dumps(d)) + n)) for n in range(4)]
[x.start() for x in t]; [x.join() for x in t]
print(sorted(r))'
echo "$ran programs compared"
[ "$ran" -ge 5 ]
