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
    for part in lib include bench tests tools man; do cp -R "$srcdir/$part" "$work/tree/"; done
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
"$tools/freelist-verify" "$srcdir" "$builddir"

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
echo 'uint64_t f(TinySlabMeta *m) { return m->freelist_word; }' >> "$work/tree/lib/slab/superslab.c"
catches "$tools/freelist-verify" "$work/tree"
fresh
printf 'void f(TinySlabMeta *m)\n{\n    slab_freelist_pop_lockfree(m, 0);\n    slab_freelist_pop_lockfree(m, 0);\n}\n' \
    >> "$work/tree/lib/slab/superslab.c"
catches "$tools/freelist-verify" "$work/tree"
fresh
echo 'broken' >> "$work/tree/lib/slab/superslab.c"
catches "$tools/freelist-verify" "$work/tree" "$builddir"
