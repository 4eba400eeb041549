#!/bin/sh
# SPDX-License-Identifier: MIT
# Everything works while the calls of lib/os fail; each call in the source was made to fail. And
# everything works where pages are larger, and where madvise gives nothing back.
set -eu
program=$builddir/tests/faults/faults
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$1"
    exit 1
}
"$srcdir/tests/faults/sites" "$srcdir" | sort > "$work/source"
[ -s "$work/source" ] || fail 'no call into the system was found in lib/os'
[ -z "$(uniq -d "$work/source")" ] || fail 'calls that have the same name'
"$program" --sites | sort > "$work/compiled"
diff "$work/source" "$work/compiled" || fail 'the calls of the source are not those compiled in'
"$program" > "$work/counts" || { cat "$work/counts"; fail 'a case ended badly'; }
"$program" --pretend-purge || fail "where madvise purges nothing: a case ended badly"
for size in 16384 65536; do
    FAULTS_PAGE_SIZE=$size "$program" --page-size "$size" || fail "pages of $size bytes: a case ended badly"
done
# what is called once, before the first case, while all calls fail
FAULTS=1,1024 "$program" mixed 1,0 > "$work/start" || { cat "$work/start"; fail 'the start ended badly'; }
echo 'function call calls failures'
cat "$work/counts"
awk '
NF != 5 { print "cannot read: " $0; bad = 1 }
{ site = $1 " " $2; calls[site] += $3; failures[site] += $4 }
$5 == "cannot-fail" { never[site] = 1 }
END {
    for (site in calls) {
        if (site in never) continue
        if (calls[site] == 0) { print "never called: " site; bad = 1 }
        if (calls[site] > 0 && failures[site] == 0) { print "never failed: " site; bad = 1 }
    }
    exit bad
}
' "$work/counts" "$work/start"
