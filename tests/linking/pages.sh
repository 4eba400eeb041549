#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs in the manual pages compile without a warning, and run on the library.
# shellcheck disable=SC2154,SC2046,SC2086
. "$srcdir/tests/linking/common.sh"
cd "$work"
# program PAGE: the text of its example
program() {
    awk '/^\.Sh / { examples = $2 == "EXAMPLES" }
        /^\.Ed/ { inside = 0 }
        inside
        examples && /^\.Bd -literal/ { inside = 1 }' "$1" | sed 's/\\e/\\/g; s/\\&//g; s/\\-/-/g'
}
count=0
for page in "$srcdir"/man/hakmem.3 "$srcdir"/man/hak_*.3; do
    ! grep -q '^\.so ' "$page" || continue
    name=${page##*/}
    name=${name%.3}
    program "$page" > "$name.c"
    grep -q '^int main' "$name.c" || fail "$name.3: no program"
    $CC -std=c11 -O2 -Wall -Wextra -pedantic -Werror -D_DEFAULT_SOURCE -o "$name" "$name.c" \
        $(flags --cflags --libs) || fail "$name.3: does not compile"
    count=$((count + 1))
    # one that waits does so until it is ended; without checks no heap can be walked
    status=0
    expected=0
    ! grep -q 'pause();' "$name.c" || expected=124
    [ "$checks" -eq 1 ] || ! grep -q 'hak_heap_walk(' "$name.c" || expected=1
    printf 'one\ntwo\n' | timeout "$((expected ? 1 : 20))" "./$name" > "$name.out" 2>&1 || status=$?
    [ "$status" -eq "$expected" ] || { cat "$name.out"; fail "$name: exit status $status"; }
done
# says NAME TEXT: what a program has printed
says() {
    grep -q -e "$2" "$1.out" || { cat "$1.out"; fail "$1 does not say $2"; }
}
[ "$(cat hak_malloc.out)" = "$(printf 'two\none')" ] || { cat hak_malloc.out; fail "hak_malloc: wrong"; }
says hak_usable_size 'bytes from libhakmem$'
says hak_alloc '^the sum is 1$'
says hak_alloc_batch '^the third node is number 2$'
says hak_resize_in_place '^space for [1-9][0-9]* bytes$'
[ "$checks" -eq 0 ] || says hak_block_info "^the block of the text has $usable bytes\$"
says hak_check '^heap is consistent$'
says hak_purge '^returned [1-9][0-9]* bytes to the system$'
says hak_limit_set '^allocation failed, the limit is 67108864 bytes$'
says hak_oom_handler_set '^freed the reserve for a request of 52428800 bytes$'
says hak_oom_handler_set '^allocation succeeded$'
says hak_stats_get '^footprint: [1-9][0-9]* bytes, allocated: [1-9][0-9]* bytes$'
says hak_stats_get '^live blocks of [1-9][0-9]* bytes: [1-9]'
says hak_stats_print '^{"version":"'
says hak_option_get '^retain_min is 4194304 bytes$'
says hak_version "^libhakmem $(flags --modversion)$"
says hakmem '^allocated: [1-9][0-9]* bytes$'
[ $((count - 1)) -eq "$(sed -n '/^\.Ss Functions/,/^\.El/s/^\.It Xr.*/1/p' "$srcdir/man/hakmem.3" | wc -l)" ] ||
    fail "$count pages have a program"
echo "$count programs"

# The pages that are installed name the files of this installation.
make -s -C "$builddir" DESTDIR="$work" install-man install-data-hook > "$work/install.log" 2>&1 ||
    { cat "$work/install.log"; fail "make install-man fails"; }
pages=$work$(value mandir)
file=$(value sysconfdir)/hakmem.conf
for page in man5/hakmem.conf.5 man7/hakmem.7 man3/hakmem.3; do
    grep -qxF ".It Pa $file" "$pages/$page" || fail "$page does not name $file"
done
grep -qxF ".It Pa $(value pkgdatadir)/gdb/hakmem.py" "$pages/man3/hakmem.3" || fail "hakmem.3 names other commands for gdb"
