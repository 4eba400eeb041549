#!/bin/sh
# SPDX-License-Identifier: MIT
# gdb's commands: what they say of a program's blocks, in the process, in its core, with the
# library preloaded and linked, and without symbols.
# shellcheck disable=SC2016,SC2154
set -eu
skip() { echo "skipped: $1"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out
fail() { cat "$out"; echo "$1" >&2; exit 1; }
unset HAKMEM_CONF HAKMEM_DISABLE HAKMEM_CONF_FILE LD_PRELOAD DEBUGINFOD_URLS
commands=$srcdir/tools/gdb/hakmem.py

cat > "$work/program.c" << 'END'
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

enum { MANY = 3000, HELD = 300, SIZE = 5000, THIN = 20000, THIN_SIZE = 50 };
struct six { unsigned part[6]; };
struct six view = {{0x1fff, 2, 3, 5, 4, 7}};
void *first, *second, *live, *freed, *large, *huge, *kept, *gone, *others, *emptied, *sent, *many[MANY], *thin[THIN];
char *on_stack;

__attribute__((noinline)) void reached(void) { __asm__ volatile("" ::: "memory"); }
static void *start(void *none)
{
    others = malloc(SIZE * 2);
    emptied = malloc(SIZE * 4);
    sent = malloc(SIZE + 2000);
    return none;
}
int main(void)
{
    pthread_t thread;
    char here = 0;
    on_stack = &here;
    if (pthread_create(&thread, NULL, start, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 1;
    first = malloc(100);
    second = malloc(200);
    free(second);
    malloc_trim(0);
    live = malloc(100);
    freed = malloc(100);
    large = malloc(200000);
    huge = malloc(100 << 20);
    kept = malloc(100000);
    gone = malloc(5 << 20);
    for (int i = 0; i < MANY; i++)
        many[i] = malloc(SIZE);
    for (int i = 0; i < MANY; i++)
        if (i % (MANY / HELD) != 0)
            free(many[i]);
    free(freed);
    free(kept);
    free(gone);
    free(emptied);
    free(sent);
    reached();
    for (int i = 0; i < THIN; i++)
        thin[i] = malloc(THIN_SIZE);
    for (int i = 0; i < THIN; i++)
        if (i % 1000 != 0)
            free(thin[i]);
    malloc_trim(0);
    reached();
    return 0;
}
END
# CC may hold options
# shellcheck disable=SC2086
${CC:-cc} -g -O1 -fno-builtin -pthread -o "$work/program" "$work/program.c"

# on_gdb ARGUMENT ...: what gdb says, also where a container lets it not choose addresses
on_gdb() {
    timeout 120 gdb -nx -batch -iex 'set disable-randomization off' "$@" > "$out" 2>&1 < /dev/null
}
# stopped LIBRARY COMMANDS ARGUMENT ...: gdb where the program has all its blocks
stopped() {
    library=$1 questions=$2
    shift 2
    on_gdb -ex "source $commands" -ex 'set confirm off' -ex 'set startup-with-shell off' \
        -ex "set environment LD_PRELOAD $library" -ex 'break reached' -ex run -x "$questions" "$@" \
        "$work/program"
}
says() { grep -qE -e "$1" "$out" || fail "does not say: $1"; }
# answers COMMAND PATTERN ...: each is in what was said to a command, which the file echoes
answers() {
    command=$1
    shift
    awk -v asked="> $command" '/^> / { inside = $0 == asked; next } inside' "$out" > "$work/answer"
    for pattern; do
        grep -qE -e "$pattern" "$work/answer" || fail "$command does not say: $pattern"
    done
}
# ask FILE: makes a file of commands of lines, each echoed, and an error in one is not the end
ask() {
    while read -r line; do
        printf 'echo > %s\\n\npython\ntry:\n    gdb.execute(r"""%s""")\n' "$line" "$line"
        printf 'except gdb.error as error:\n    print(error)\nend\n'
    done > "$1"
}

command -v gdb > /dev/null || skip "no gdb"
on_gdb -ex 'python print(6 * 7)' || true
grep -qx 42 "$out" || skip "gdb without Python"
on_gdb -ex 'set startup-with-shell off' -ex run "$work/program" || true
grep -q 'exited normally' "$out" || skip "gdb runs no program here"
readelf -S "$HAK_LIBRARY" | grep -q '\.debug_info' || skip "built without -g"

ask "$work/questions" << 'END'
hak block (char *)first + 5
hak block second
hak block ((unsigned long)first & ~0x1ffffUL) + 0x9000
hak slab first
hak block live
hak block (char *)live + 5
hak block (char *)live + 0x8000
hak block ((unsigned long)live & ~0xffffUL) + 0xfff8
hak block freed
hak block large
hak block (char *)large + 150000
hak block huge
hak block (char *)huge + 90000000
hak block kept
hak block (char *)gone + 3000000
hak block others
hak block emptied
hak block sent
hak block many[0]
hak block many[11]
hak block many[2999]
hak block on_stack
hak block 0
hak block main
hak block view
hak block view.part
hak slab live
hak slab many[11]
hak slab hak__heaps->older->current[6]
hak slab hak__heaps
hak slab large
hak slab on_stack
hak stats
print *hak__heaps->older
print *hak__heaps->older->current[6]
print *(struct slab_view *)&view
print *hak__heaps->older->cached_spans[0].span
END
block='block +0x[0-9a-f]+'
no_block='^0x[0-9a-f]+ is in no block of libhakmem\.$'
no_slab='^0x[0-9a-f]+ is in no slab of libhakmem\.$'
attached='^owner +heap [0-9]+, attached to a thread$'
counted='as many as are counted$'

check_first_blocks() {
    answers 'hak block (char *)first + 5' "^$block, 112 bytes usable, offset 5\$" \
        '^kind +small, class [0-9]+ \(112 bytes\)$' '^state +live$' '^slab .*, the starter$'
    answers 'hak block second' "^$block, 208 bytes usable, offset 0\$" \
        '^state +free; its place is not used again$'
    answers 'hak block ((unsigned long)first & ~0x1ffffUL) + 0x9000' 'in the starter, where no block was'
    answers 'hak slab first' '^state +CURRENT' '^class +the starter, places of 16 bytes$'
}

check_blocks() {
    answers 'hak block live' "^$block, 112 bytes usable, offset 0\$" \
        '^kind +small, class [0-9]+ \(112 bytes\)$' '^state +live$' \
        '^slab +0x[0-9a-f]+, block [0-9]+ of 585$' "$attached"
    answers 'hak block (char *)live + 5' "^$block, 112 bytes usable, offset 5\$" '^state +live$'
    answers 'hak block (char *)live + 0x8000' '^state +free, never handed out$'
    answers 'hak block ((unsigned long)live & ~0xffffUL) + 0xfff8' \
        '^0x[0-9a-f]*fff8 is behind the last block of slab 0x[0-9a-f]*\.$'
    answers 'hak block freed' "^$block, 112 bytes" '^state +free, in the cache of heap [0-9]+$'
    answers 'hak block large' "^$block, 2[0-9]+ bytes usable, offset 0\$" '^kind +large' \
        '^state +live$'
    answers 'hak block (char *)large + 150000' "^$block, 2[0-9]+ bytes usable, offset 150000\$"
    answers 'hak block huge' "^$block, 104857600 bytes usable, offset 0\$" '^kind +huge' \
        '^state +live$'
    answers 'hak block (char *)huge + 90000000' '^kind +huge' \
        "^$block, 104857600 bytes usable, offset 90000000\$"
    answers 'hak block kept' "^$block, [0-9]+ bytes" \
        '^state +free, in the span cache of heap [0-9]+$'
    answers 'hak block (char *)gone + 3000000' \
        '^0x[0-9a-f]+ is in free memory of the page arena: no block is there\.$'
    answers 'hak block others' '^state +live$' '^owner +none$'
    answers 'hak block emptied' \
        '^0x[0-9a-f]+ is in an unused slot of a SuperSlab: no block is there\.$'
    answers 'hak block sent' '^state +free, gathered by heap [0-9]+ for heap [0-9]+$'
    answers 'hak block many[0]' '^state +live$'
    answers 'hak block many[11]' "^state +free, on its slab's list\$"
    answers 'hak block many[2999]' '^state +free, in the cache of heap'
    for pointer in on_stack 0 main view.part; do answers "hak block $pointer" "$no_block"; done
    answers 'hak block view' "^hak block: 'view' is no address: its type is struct six\$"
}

check_slabs() {
    answers 'hak slab live' '^slab +0x' '^SuperSlab +0x[0-9a-f]+, slot [0-9]+$' \
        '^state +CURRENT, tag [0-9]+$' '^range +0x[0-9a-f]+0000 to 0x[0-9a-f]+0000, 64 KiB$' \
        '^class +[0-9]+ \(112 bytes\)$' '^capacity +585 blocks$' \
        '^carved +[0-9]+ blocks, [0-9]+ of them out$' '^free +0 blocks, head none$' \
        "^list +0 blocks, $counted" "$attached"
    answers 'hak slab many[11]' '^state +(OWNED|PARTIAL), ' \
        '^free +[1-9][0-9]* blocks, head block [0-9]+$' "^list +[1-9][0-9]* blocks, $counted"
    answers 'hak slab hak__heaps->older->current[6]' '^class +6 '
    for pointer in hak__heaps on_stack; do answers "hak slab $pointer" "$no_slab"; done
    answers 'hak slab large' '^0x[0-9a-f]+ is in memory for large blocks, where no slabs are\.$'
}

check_statistics() {
    answers 'hak stats' '^hakmem statistics of /' '^  live_bytes +1[0-9]{8}$' \
        '^  metadata_bytes +[1-9]' '^  superslabs +[1-9]' '^  heaps +1$' \
        '^  stage3 +[1-9]' '^  huge_allocations +1$' '^  threads_started +2$' \
        '^  threads_ended +1$'
    # what the program holds of a size that is its alone, and what adds up
    least=1
    case $HAK_LIBRARY in *-debug.so*) least=0 ;; esac # debug builds have no starter
    awk -v least=$least '/^ +class/ { inside = 1; next } inside && NF == 9 {
            if ($4 != $5 + $6 + $7 || $4 > $9 || $7 < 0 || $8 > $7) exit 1
            started += $8
            live[$2] = $7
            batched[$2] = $6
        }
        END { exit live[5376] != 300 || started < least || live[112] < 1 || live[7168] != 0 || batched[7168] != 1 }' \
        "$work/answer" || fail "hak stats: the classes do not have what the program holds"
}

check_printers() {
    answers 'print *hak__heaps->older' \
        '= heap [0-9]+, attached to a thread, [0-9]+ cached blocks$'
    answers 'print *hak__heaps->older->current[6]' \
        '= slab at 0x[0-9a-f]+, 585 blocks of 112 bytes: CURRENT, class 6, [0-9]+ carved, 0 free'
    answers 'print *(struct slab_view *)&view' \
        '= FULL, class 4, 3 carved, 2 free, head none, tag 7$'
    answers 'print *hak__heaps->older->cached_spans[0].span' \
        '= span 0x[0-9a-f]+ to 0x[0-9a-f]+, 2 granules, [0-9]+ bytes usable: LIVE, dirty$'
}

check_all() {
    case $HAK_LIBRARY in *-debug.so*) ;; *) check_first_blocks ;; esac # debug builds have no starter
    check_blocks
    check_slabs
    check_statistics
    check_printers
}

# in the process, and the same in its core
stopped "$HAK_LIBRARY" "$work/questions" -ex "generate-core-file $work/core"
check_all
answered() { sed -n '/^> /,$p' "$out" | grep -v -e '^Saved corefile' -e '^warning: '; }
answered > "$work/in-process"
on_gdb -ex "source $commands" -x "$work/questions" "$work/program" "$work/core"
check_all
answered | diff "$work/in-process" - ||
    fail "the core says something else than the process"

# pages that went back to the system inside a slab that is in use
ask "$work/holes" << 'END'
continue
hak block thin[10500]
hak block thin[10000]
hak slab thin[10500]
END
stopped "$HAK_LIBRARY" "$work/holes"
answers 'hak block thin[10500]' '^state +free, on a page that went back to the system$'
answers 'hak block thin[10000]' '^state +live$'
answers 'hak slab thin[10500]' "^list +[0-9]+ blocks, $counted" \
    '^holes +[1-9][0-9]* more, on pages that went back to the system$' '^owner +none$'

# mistakes get one line each
ask "$work/errors" << 'END'
hak block
hak block no_such_variable
hak block 1.5
hak block *(char *)1
hak stats now
hak slab
hak no-such
help hak
help hak slab
END
stopped "$HAK_LIBRARY" "$work/errors"
answers 'hak block' "^hak block: of which address\? See 'help hak block'\$"
answers 'hak block no_such_variable' \
    '^hak block: No symbol "no_such_variable" in current context\.$'
answers 'hak block 1.5' "^hak block: '1\.5' is no address: its type is double\$"
answers 'hak block *(char *)1' '^hak block: Cannot access memory at address 0x1$'
answers 'hak stats now' '^hak stats: takes no argument$'
answers 'hak slab' '^hak slab: of which address'
answers 'hak no-such' '^Undefined hak command: "no-such"\.'
answers 'help hak' '^hak block -- Tell' '^hak slab -- Tell' '^hak stats -- Show'
answers 'help hak slab' 'TinySlabMeta'
on_gdb -ex "source $commands" -ex 'hak stats' "$work/program" || true
says '^hak stats: there is no process and no core to look into$'
on_gdb -ex "source $commands" -ex 'set startup-with-shell off' -ex 'break reached' -ex run \
    -ex 'hak block live' "$work/program" || true
says '^hak block: this process has no libhakmem, or has it in a program without symbols$'

# what is broken is told: a mark that was written over, links that lead astray or in a circle
cat > "$work/broken" << 'END'
python
def lead(block, other):
    """Lets a free block's link lead to where the other's does."""
    places = [int(gdb.parse_and_eval(each)) for each in (block, other)]
    library = next(iter(libraries()))
    key = int(library.record(places[0], "TinySlabMeta")["link_key"])
    memory = gdb.selected_inferior()
    link = int.from_bytes(bytes(memory.read_memory(places[1], 4)), "little")
    for place in places:
        link ^= mix(place, key) >> 16 & 0xFFFFFFFF
    memory.write_memory(places[0], link.to_bytes(4, "little"))
def fill_chunk():
    """Lets each member of the chunk of SuperSlabs be the first, and the next chunk this one."""
    chunk = gdb.parse_and_eval("&hak__super_chunks")
    member = chunk["member"]
    memory, size = gdb.selected_inferior(), member[0].type.sizeof
    first = bytes(memory.read_memory(int(member.address), size))
    memory.write_memory(int(member.address), first * (member.type.sizeof // size))
    gdb.execute("set variable hak__super_chunks.next = &hak__super_chunks")
end
END
ask "$work/asked" << 'END'
set variable ((unsigned long *)freed)[1] = 0
hak block freed
set variable *(unsigned *)many[11] ^= 0x1000
hak slab many[11]
set variable *(unsigned *)many[11] ^= 0x1000
python lead("many[13]", "many[12]")
hak slab many[13]
python lead("many[14]", "many[22]")
hak slab many[14]
set variable hak__heaps->older = hak__heaps
hak block live
hak stats
python fill_chunk()
hak slab hak__heaps
END
cat "$work/asked" >> "$work/broken"
stopped "$HAK_LIBRARY" "$work/broken"
answers 'hak block freed' \
    '^state +free, in the cache of .*; its mark is gone: something has written to it since$'
broken='^list +broken after [0-9]+ blocks: block [0-9]+ leads to'
answers 'hak slab many[11]' "$broken no block that was handed out\$"
answers 'hak slab many[13]' '^list +broken: it ends after 10 blocks, 11 are counted$'
answers 'hak slab many[14]' "$broken block [0-9]+, which is on it already\$"
circle='number 1 leads to 0x[0-9a-f]+, which is on it already$'
answers 'hak block live' "^list broken: heap $circle" '^owner +heap [0-9]+, of which there is no'
answers 'hak stats' "^list broken: heap $circle" '^ +[0-9]+ +5376 +250 '
[ "$(grep -c '^list broken' "$work/answer")" -eq 1 ] || fail 'a broken list is told of twice'
answers 'hak slab hak__heaps' "^list broken: chunk $circle" "$no_slab"

# linked, dynamic and static; where there is no archive, or no static C library, the first alone
ask "$work/few" << 'END'
hak block many[0]
hak stats
END
check_few() {
    answers 'hak block many[0]' '^state +live$' '^owner +heap [0-9]+, attached to a thread$'
    answers 'hak stats' "^hakmem statistics of .*$1\$" '^ +[0-9]+ +5376 +250 .* 300 +[0-9]+ +3000$'
    [ "$(grep -c '^hakmem statistics' "$work/answer")" -eq 1 ] || fail "there is one library"
}
folder=$(dirname "$HAK_LIBRARY")
name=$(basename "$HAK_LIBRARY" .so.1)
# linked NAME ARGUMENT ...: to the library, which is then in a file of that name
linked() {
    found=$1
    shift
    # shellcheck disable=SC2086
    ${CC:-cc} -g -O1 -fno-builtin -pthread -o "$work/linked" "$work/program.c" "$@" 2> "$out" ||
        return 1
    on_gdb -ex "source $commands" -ex 'set startup-with-shell off' -ex 'break reached' -ex run \
        -x "$work/few" "$work/linked"
    check_few "$found"
}
linked "/$name.so.1" "$HAK_LIBRARY" -Wl,-rpath,"$folder" || fail "cannot be linked"
if [ -e "$builddir/$name.a" ]; then
    linked /linked -static "$builddir/$name.a" || echo "no static program can be linked"
fi

# without symbols: one line that says which are wanted; with those in a file beside it all is well
if command -v strip > /dev/null && command -v objcopy > /dev/null; then
    variant=${name#libhakmem}
    wanted="libhakmem1$variant-dbgsym \\(Debian\\) or hakmem$variant-libs-debuginfo \\(RPM\\)"
    stripped=$work/$name.so.1
    strip -o "$stripped" "$HAK_LIBRARY"
    stopped "$stripped" "$work/few"
    for command in 'hak block many[0]' 'hak stats'; do
        answers "$command" "^[a-z ]+: $stripped has no debugging symbols: install $wanted, or"
        [ "$(wc -l < "$work/answer")" -eq 1 ] || fail "more than one line"
    done
    mkdir "$work/.debug"
    objcopy --only-keep-debug "$HAK_LIBRARY" "$work/.debug/$name.debug"
    (cd "$work/.debug" && objcopy --add-gnu-debuglink="$name.debug" "$stripped")
    stopped "$stripped" "$work/few" -ex 'print *hak__heaps'
    check_few "$stripped"
    says '^\$1 = heap [0-9]+, attached'
fi

# what is installed is read with the library, if the commands are there
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s -C "$builddir" DESTDIR="$work/root" install-data-local install-dist_gdbDATA \
    > "$out" 2>&1 || fail "make install fails"
installed=$(find "$work/root" -name "$name.so.1.*-gdb.py")
real=$(basename "$(readlink -f "$HAK_LIBRARY")")
case $installed in
"$work/root"*/gdb/auto-load/*"/$real-gdb.py") ;;
*) fail "not where gdb looks: $installed" ;;
esac
mkdir "$work/lib"
cp "$HAK_LIBRARY" "$work/lib/$real"
sed "s|\"/|\"$work/root/|; s|source |&$work/root|" "$installed" > "$work/lib/$real-gdb.py"
autoloaded() {
    on_gdb -iex "set auto-load safe-path $work" -ex 'set startup-with-shell off' \
        -ex 'break reached' \
        -ex "set environment LD_PRELOAD $work/lib/$real" -ex run -x "$work/few" \
        -ex 'print *hak__heaps' "$work/program"
}
autoloaded
check_few "$real"
says '^\$1 = heap [0-9]+, attached'
find "$work/root" -name hakmem.py -exec rm {} +
autoloaded
answers 'hak stats' '^Undefined command: "hak"\.'
! grep -q -e Traceback -e Error "$out" || fail "complains where the commands are not installed"
