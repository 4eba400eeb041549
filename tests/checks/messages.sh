#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem-messages(7) has every message of the library and the command, and none that no source has; doc/messages.md is
# the same text.
set -eu
command -v python3 > /dev/null || { echo 'needs python3'; exit 77; }
tool=$srcdir/tools/dev/check-messages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$1" >&2; exit 1; }
"$tool" "$srcdir" || fail 'the messages and their catalogue differ'
"$tool" --list "$srcdir" > "$work/list"
echo "$(wc -l < "$work/list") texts"

# each way to say something is seen
while IFS='|' read -r file text; do
    grep -qxF -e "$file: $text" "$work/list" || fail "not found in $file: $text"
done << 'END'
lib/core/report.c|invariant broken
lib/cache/heap_check.c|a block in the mail is not of its class
lib/core/options.c|unknown option '
lib/front/free_sized.c|wrong size
lib/slab/slab_check.c|a FULL slab has blocks left
tools/cmd_heap.c|--hexdump needs --blocks
tools/preload_enable.c|added %s to %s
tools/cmd_run.c|is built for another architecture, so libhakmem is not loaded into it
tools/preload_library.c|not libhakmem: its soname is '%s'
tools/process.c|does not exist, or has ended
tools/process.c|may not be read: %s
tools/profile_heap_v2.c|the file is too large
tools/reader/reader.c|has damaged records: a list leads back to itself
tools/suppressions.c|too many rules
END

# fresh: a copy of what is read
fresh() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/doc"
    cp -R "$srcdir/lib" "$srcdir/tools" "$srcdir/man" "$work/tree/"
    cp "$srcdir/doc/messages.md" "$work/tree/doc/"
    chmod -R u+w "$work/tree"
}
# catches SAYS FILE SED-SCRIPT: an edit of the copy is noticed
catches() {
    fresh
    sed "$3" "$srcdir/$2" > "$work/tree/$2"
    ! cmp -s "$srcdir/$2" "$work/tree/$2" || fail "$2: '$3' changes nothing"
    if "$tool" "$work/tree" > "$work/out" 2>&1; then fail "goes unnoticed: $2: $3"; fi
    grep -qF -e "$1" "$work/out" || { cat "$work/out"; fail "$2: does not say: $1"; }
}
# a new message, of each kind
catches 'tools/cmd_stat.c: not in man/hakmem-messages.7: a new and strange message' tools/cmd_stat.c \
    's/return wrong("--all and/return wrong("a new and strange message"); (void)("&/'
catches 'tools/process.c: not in man/hakmem-messages.7: it hides behind a curtain' tools/process.c \
    's/return "it belongs to another user; try as root"/return "it hides behind a curtain"/'
catches 'lib/front/checked.c: not in man/hakmem-messages.7: found in a bad state' lib/front/checked.c \
    's/"double free or use after free of a block"/"found in a bad state"/'
catches 'lib/slab/slab_check.c: not in man/hakmem-messages.7: a slab is lonely' lib/slab/slab_check.c \
    's/"a FULL slab has blocks left"/"a slab is lonely"/'
# a function of a new name that prints what it is given
catches 'not in man/hakmem-messages.7: out of luck' tools/cmd_map.c 's/wrong(/oops(/; s/"too many arguments"/"out of luck"/'
# one that is changed, or gone
catches "no source has 'no output given use output'" tools/cmd_snapshot.c 's/no output file given; use --output=FILE/where to/'
catches "no source has" lib/core/conf.h 's/longer than 32 KiB; ignored/of more than 32 KiB; left out/'
# the catalogue
catches 'tools/cmd_top.c: not in man/hakmem-messages.7: unknown column' man/hakmem-messages.7 '/^\.It Li "unknown column/d'
catches "no source has 'please'" man/hakmem-messages.7 's/^\.It Li "unknown column/.It Li "please: unknown column/'
catches 'man/hakmem-messages.7: twice: crash' man/hakmem-messages.7 '/^\.It Li "crash/p'
catches 'doc/messages.md is older than' doc/messages.md 's/The process ends/It ends/'
