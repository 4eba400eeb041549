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
"$tools/check-layers" "$srcdir"
"$tools/check-shape" "$srcdir"
"$tools/check-options" "$srcdir"
"$tools/debian-symbols" --check "$srcdir"
"$tools/freelist-verify" "$srcdir" "$builddir"
"$tools/check-atomics" "$srcdir" "$builddir"

fresh
echo '#include "cache/heap.h"' >> "$work/tree/lib/page/arena.c"
catches "$tools/check-layers" "$work/tree"
fresh
{ echo 'void f(void)'; echo '{'; yes '    ;' | head -61; echo '}'; } >> "$work/tree/lib/page/arena.c"
catches "$tools/check-shape" "$work/tree"
fresh
echo 'HAK_COUNTER(NEW, "new", "new")' >> "$work/tree/lib/core/stats.def"
catches "$tools/check-options" "$work/tree"
fresh
echo hak_fresh >> "$work/tree/tests/symbols.txt"
catches "$tools/debian-symbols" --check "$work/tree"
# plant FILE TEXT: a fresh copy with text at the end of a file
plant() {
    fresh
    printf '%b' "$2" >> "$work/tree/$1"
}
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
