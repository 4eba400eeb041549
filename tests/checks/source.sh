#!/bin/sh
# SPDX-License-Identifier: MIT
# The checks of the source pass, and each fails on a copy in which its rule is broken.
set -eu
tools=$srcdir/tools/dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fresh() {
    rm -rf "$work/tree"
    mkdir "$work/tree"
    for part in lib include bench tests tools man doc debian; do cp -R "$srcdir/$part" "$work/tree/"; done
    chmod -R u+w "$work/tree"
}
catches() {
    if "$@" > "$work/out" 2>&1; then
        echo "not caught by $*"
        exit 1
    fi
}
"$tools/check-layers" "$srcdir" "$builddir"
"$tools/check-shape" "$srcdir"
"$tools/check-options" "$srcdir"
"$tools/check-pages" "$srcdir"
"$tools/stats-fields" "$srcdir"
"$tools/debian-symbols" --check "$srcdir"
"$tools/freelist-verify" "$srcdir" "$builddir"
"$tools/check-atomics" "$srcdir" "$builddir"
# what is committed is in the source archive; a folder stands for all that is in it
if [ -e "$srcdir/.git" ] && command -v git > /dev/null; then
    printf 'include Makefile\nhak-distfiles:\n\t@echo $(DISTFILES:$(srcdir)/%%=%%)\n' |
        make -s -C "$builddir" -f - hak-distfiles | tr ' ' '\n' > "$work/distributed"
    git -C "$srcdir" ls-files | grep -v -e '^\.ci/' -e '\.gitignore$' |
        awk 'NR == FNR { listed[$0]; next }
            { folder = $0; sub("/[^/]*$", "", folder) }
            !($0 in listed) && !(folder in listed) { print "not in the source archive: " $0; missing = 1 }
            END { exit missing }' "$work/distributed" -
fi

fresh
echo '#include "cache/heap.h"' >> "$work/tree/lib/page/arena.c"
catches "$tools/check-layers" "$work/tree"
grep -q 'lib/page/arena.c:[0-9]*: includes cache/heap.h of a higher layer' "$work/out"
# circle ROOM ROOM FILE TEXT: text at the end of a file makes a circle of rooms
circle() {
    fresh
    printf '%b' "$4" >> "$work/tree/lib/$3"
    catches "$tools/check-layers" "$work/tree"
    grep -q "a circle: $1, $2\$" "$work/out" || { cat "$work/out"; echo "no circle said for $3"; exit 1; }
}
circle slab/shared_pool 'slab/superslab, slab/superslab_partial' slab/superslab.h '#include "slab/shared_pool.h"\n'
circle slab/shared_pool 'slab/superslab, slab/superslab_partial' slab/superslab.c 'void f(void)\n{\n    hak__pool_release(NULL);\n}\n'
circle os/guest os/lock_word os/lock_word.h 'HAK_INLINE bool f(void)\n{\n    return hak__guests_possible;\n}\n'
circle os/guest os/lock_word os/lock_word.h '#define SOME(lock) \\\n    hak__lock_acquire_slow(lock)\n'
# plant FILE TEXT: a fresh copy with text at the end of a file
plant() {
    fresh
    printf '%b' "$2" >> "$work/tree/$1"
}
plant tools/process_watch.c 'int f(void)\n{\n    return process_list(NULL, NULL);\n}\n'
catches "$tools/check-layers" "$work/tree"
grep -q 'a circle: process, process_watch$' "$work/out"
plant tools/reader/slabs.c 'int f(void)\n{\n    return reader_walk(NULL, NULL, 0, NULL, NULL, NULL);\n}\n'
catches "$tools/check-layers" "$work/tree"
grep -q 'a circle: reader/slabs, reader/walk$' "$work/out"
# a use that doc/rooms.md does not list, and one that is gone
plant lib/slab/starter.c '#include "slab/superslab.h"\n'
catches "$tools/check-layers" "$work/tree"
grep -q 'rooms.md does not show: | `starter` .*`superslab`' "$work/out"
"$tools/check-layers" --update "$work/tree" > "$work/out"
sed -i '$d' "$work/tree/lib/slab/starter.c"
catches "$tools/check-layers" "$work/tree"
grep -q 'rooms.md shows: | `starter` .*`superslab`' "$work/out"
# what is called leads up, or in a circle through a third file
object() {
    mkdir -p "$work/build/lib/${1%/*}"
    echo "void $2(void); void $3(void); void $2(void) { $3(); }" |
        ${CC:-cc} -x c -c -o "$work/build/lib/${1%/*}/libsome_la-${1##*/}.o" -
}
object page/one one two
object page/two two three
object base/three three printf
"$tools/check-layers" "$srcdir" "$work/build"
object base/three three one
catches "$tools/check-layers" "$srcdir" "$work/build"
grep -q 'base/three: uses one of lib/page/one, a higher layer' "$work/out"
object base/three three printf
object page/two two one
catches "$tools/check-layers" "$srcdir" "$work/build"
grep -q 'a circle: page/one, page/two' "$work/out"
fresh
{ echo 'void f(void)'; echo '{'; yes '    ;' | head -61; echo '}'; } >> "$work/tree/lib/page/arena.c"
catches "$tools/check-shape" "$work/tree"
fresh
echo 'HAK_COUNTER(NEW, new,' >> "$work/tree/lib/core/stats.def"
catches "$tools/check-options" "$work/tree"
grep -qx new "$work/out"
fresh
sed 's/Default 16M/Default 8M/; s/^Default 25, at most 1000/Default 25, at most 100/
    /^\.It Va capacity/d' "$srcdir/man/hakmem.7" > "$work/tree/man/hakmem.7"
catches "$tools/check-options" "$work/tree"
for line in 'cache_max 8M, at most 1G' 'retain_percent 25, at most 100' capacity; do
    grep -qx "$line" "$work/out" || { echo "not said: $line"; exit 1; }
done
for change in 's/SuperSlabs in use/Something else/ lib/core/stats.def' \
    '/uint64_t heaps;/d include/hakmem/hakmem.h' 's/^.It Va stage3$/.It Va stage4/ man/hakmem.7' \
    's/"Blocks that these/"Those that these/ lib/api/stats_print.c' \
    's/"minimum": 0/"minimum": 1/ doc/statistics.schema.json'; do
    fresh
    file=${change##* }
    sed "${change% *}" "$srcdir/$file" > "$work/tree/$file"
    catches "$tools/stats-fields" "$work/tree"
done
fresh
echo hak_fresh >> "$work/tree/tests/symbols.txt"
catches "$tools/debian-symbols" --check "$work/tree"
# wrong SAYS FILE SED-SCRIPT: edits a file of the copy, of which check-pages shall say this
wrong() {
    sed "$3" "$work/tree/$2" > "$work/edited"
    ! cmp -s "$work/edited" "$work/tree/$2" || { echo "$2: '$3' changes nothing"; exit 1; }
    cp "$work/edited" "$work/tree/$2"
    echo "$1" >> "$work/awaited"
}
fresh
rm "$work/tree/man/hak_calloc.3"
echo 'hak_calloc: has no page' > "$work/awaited"
wrong 'hak_fresh: has no page' include/hakmem/hakmem.h '$ i\
HAK_API void hak_fresh(void);'
wrong 'hak_free.3: hak_free is in man/, not in' include/hakmem/hakmem.h '/^HAK_API void hak_free(/d'
wrong 'hak_malloc.3: SYNOPSIS has not: void\*hak_realloc(void\*block,size_t bytes)' \
    include/hakmem/hakmem.h '/hak_realloc(/s/size_t size/size_t bytes/'
wrong 'hak_alloc.3: SYNOPSIS has not: unsigned hak_alloc_align(size_t power)' \
    include/hakmem/hakmem.h '/hak_alloc_align(/s/size_t alignment/size_t power/'
wrong 'types: bool~hak_oom_handler_t(int~size) is in include/hakmem/hakmem.h' \
    include/hakmem/hakmem.h 's/hak_oom_handler_t(size_t size)/hak_oom_handler_t(int size)/'
wrong 'fields: fresh is in include/hakmem/hakmem.h' \
    include/hakmem/hakmem.h 's/bool owner_alive;/bool fresh;/'
wrong 'hak_block_info.3: context is in SYNOPSIS' man/hak_block_info.3 's/^\.Fa context$/.Fa visit/'
wrong 'SYNOPSIS has not: size_t hak_good_size' man/hak_usable_size.3 's/^\.Ft size_t/.Ft int/'
wrong 'hak_owns is not in NAME' man/hak_usable_size.3 '/^\.Nm hak_owns$/d'
wrong 'hak_reallocarray.3: leads to no page' man/hak_reallocarray.3 's/hak_malloc/hak_fresh/'
wrong '--fresh is in tools/cmd_run.c, not in man/hakmem.1' tools/cmd_run.c \
    's/{"debug", no_argument, NULL, .d.},/& {"fresh", no_argument, NULL, 1},/'
wrong '-l is in man/hakmem.1, not in tools/cmd_run.c' tools/cmd_run.c 's/c:l:k/c:k/'
wrong '--canary is in tools/cmd_preload.c, not in man/hakmem-preload.8' man/hakmem-preload.8 \
    's/^\.It Fl Fl canary/.It Canary/'
wrong 'enable: --canary is in .*, not in SYNOPSIS' man/hakmem-preload.8 '/^\.Op Fl Fl canary/d'
wrong 'enable: --no-check is in .*, not in its --help' tools/cmd_preload.c 's/ \[--no-check\]//'
wrong '--conf is in tools/cmd_run.c, not in tools/completion' tools/completion/hakmem \
    's/--stats= --conf/--stats=/'
wrong '--folded is in tools/cmd_profile.c, not in man/hakmem-profile.1' man/hakmem-profile.1 \
    's/^\.It Fl f , Fl Fl folded/.It Folded/'
wrong '--heap-v2 is in SYNOPSIS of man/hakmem-profile.1, not in' tools/cmd_profile.c \
    's/{"heap-v2", no_argument/{"heap-v3", no_argument/'
wrong 'conf is in tools/hakmem.c, not in man/hakmem.1' man/hakmem.1 's/^\.It Cm conf/.It conf/'
wrong 'hak_purge.3 is in man/, not in' man/Makemodule.am 's,man/hak_purge.3,,'
wrong 'hak_version.3: has the sections' man/hak_version.3 '/^\.Sh THREAD/d'
wrong 'hak_free_sized.3: alignment is in SYNOPSIS' man/hak_free_sized.3 's/Fa alignment/Fa size/'
wrong 'hak_option_get.3: count is in DESCRIPTION' man/hak_option_get.3 's/^\.Fa value/.Fa count/'
wrong 'HAK_STATS_XML is in include/hakmem/hakmem.h' \
    include/hakmem/hakmem.h 's/HAK_STATS_JSON/HAK_STATS_XML/'
wrong 'functions: hak_purge is in include.*not in man/hakmem.3' man/hakmem.3 '/^\.It Xr hak_purge/d'
wrong 'hak_gone.3 is in references' man/hak_version.3 's/^\.Xr hakmem 1 ,/.Xr hak_gone 3 ,/'
wrong 'hak_past.3 is in references' man/hakmem.3 's/Xr hak_good_size 3/Xr hak_past 3/'
wrong 'hakmem.4 is in references' man/hak_purge.3 's/^\.Xr hakmem 7/.Xr hakmem 4/'
wrong '--library\[=\] is in tools/cmd_run.c, not in its --help' tools/cmd_run.c \
    's/{"library", required/{"library", optional/'
wrong '--stats= is in man/hakmem.1' man/hakmem.1 's/^\(\.It.*Fl -stats\).*/\1 Ar format/'
wrong '--conf= is in tools/cmd_run.c, not in SYNOPSIS' man/hakmem.1 \
    's/^\.Op Fl -conf.*/.Op Fl -conf/'
wrong '--root= is in tools/cmd_preload.c, not in man/hakmem-preload.8' man/hakmem-preload.8 \
    's/^\.It Fl Fl root Ar dir/.It Fl Fl root/'
wrong 'check is in tools/cmd_preload.c, not in man/hakmem.1' \
    man/hakmem.1 's/status | check |/status |/'
wrong 'tell is in hakmem --help' tools/hakmem.c 's/status, check/status, tell, check/'
catches "$tools/check-pages" "$work/tree"
while read -r line; do
    grep -q -e "$line" "$work/out" || { cat "$work/out"; echo "not said: $line"; exit 1; }
done < "$work/awaited"
plant lib/slab/superslab.c 'uint64_t f(TinySlabMeta *m) { return m->freelist_word; }\n'
catches "$tools/freelist-verify" "$work/tree"
grep -q 'superslab.c:[0-9]* ->freelist_word' "$work/out"
twice='    slab_freelist_pop_lockfree(m, 0);\n'
plant lib/slab/superslab.c "void f(TinySlabMeta *m)\n{\n$twice$twice}\n"
catches "$tools/freelist-verify" "$work/tree"
grep -q 'slab_freelist_pop_lockfree in f as in line' "$work/out"
plant lib/slab/superslab.c 'void f(SuperSlab *s) { atomic_fetch_add(&s->used, 1); }\n'
catches "$tools/freelist-verify" "$work/tree"
plant lib/slab/superslab.c 'broken\n'
catches "$tools/freelist-verify" "$work/tree" "$builddir"

plant lib/slab/superslab.c 'void f(SuperSlab *s) { s->used = 1; }\n'
catches "$tools/check-atomics" "$work/tree" "$builddir"
grep -q 'superslab.c: 1 accesses without an order' "$work/out"
plant lib/slab/superslab.c 'void f(SuperSlab *s) { hak_store_release(&s->dirty, 1); }\n'
catches "$tools/check-atomics" "$work/tree"
plant lib/slab/superslab.c 'static _Atomic int fresh_one;\n'
catches "$tools/check-atomics" "$work/tree"
plant lib/slab/superslab.c 'static volatile int fresh_one;\n'
catches "$tools/check-atomics" "$work/tree"
plant doc/memory-orders.md '| `superslab:gone` | `load_relaxed` | | |\n'
catches "$tools/check-atomics" "$work/tree"
