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
    "$program" --page-size "$size" || fail "pages of $size bytes: a case ended badly"
done
echo 'function call calls failures'
cat "$work/counts"
awk '
NF != 5 { print "cannot read: " $0; bad = 1 }
$5 == "can-fail" && $3 == 0 { print "never called: " $1, $2; bad = 1 }
$5 == "can-fail" && $3 > 0 && $4 == 0 { print "never failed: " $1, $2; bad = 1 }
END { exit bad }
' "$work/counts"
