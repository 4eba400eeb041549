#!/bin/sh
# SPDX-License-Identifier: MIT
# Guarded blocks: what a wrong access, a wrong free and the crash report say, word for word, and what gdb's
# hak block says in a core; that nothing is said, and no signal handled, unless it is asked for.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset HAKMEM_DISABLE HAKMEM_CONF_FILE DEBUGINFOD_URLS

cat > program.c << 'END'
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __cplusplus
#include <new>
#define GET(size) ((char *)operator new[](size))
#define GIVE(block) operator delete[](block)
#else
#define GET(size) ((char *)malloc(size))
#define GIVE(block) free(block)
#endif

static int can_read(const char *at)
{
    int ends[2], read;
    if (pipe(ends) != 0)
        abort();
    read = write(ends[1], at, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return read;
}
__attribute__((noinline)) static char *allocate(size_t alignment, size_t size)
{
    void *block = NULL;
    if (alignment != 0 && posix_memalign(&block, alignment, size) != 0)
        abort();
    block = alignment != 0 ? block : GET(size);
    __asm__ volatile("" ::: "memory");
    return (char *)block;
}
__attribute__((noinline)) static void *release(void *block)
{
    GIVE((char *)block);
    __asm__ volatile("" ::: "memory");
    return NULL;
}
static char *page_of(char *at) { return (char *)((uintptr_t)at & ~(uintptr_t)4095); }
static char *behind(char *block, size_t size) { return page_of(block + size + 4095); }
/* A guarded block, at the end of its slot or at the start. */
static char *guarded(size_t alignment, size_t size, int at_end)
{
    for (int i = 0; i < 1000; i++) {
        free(malloc(100));
        char *block = allocate(alignment, size);
        int is_at_end = size % 65536 == 0 ? at_end : (uintptr_t)block % 65536 != 0; /* of some both look the same */
        if (!can_read(page_of(block) - 1) && !can_read(behind(block, size)) && is_at_end == at_end)
            return block;
        release(block);
    }
    fputs("no guarded block\n", stderr);
    exit(1);
}
/* program CASE SIZE ALIGNMENT at_end */
int main(int count, char **argument)
{
    const char *what = argument[1];
    size_t size = strtoul(argument[2], NULL, 0), alignment = strtoul(argument[3], NULL, 0);
    char *block = guarded(alignment, size, atoi(argument[4])), *place = block;
    pthread_t thread;
    (void)count;
    memset(block, 1, size);
    if (strcmp(what, "over") == 0)
        place = behind(block, size);
    else if (strcmp(what, "under") == 0)
        place = page_of(block) - 1;
    else if (strcmp(what, "slack") == 0)
        place = block + size;
    else if (strcmp(what, "slack-under") == 0)
        place = block - 1;
    printf("%p %ld %d\n", (void *)block, (long)(place - block), (int)syscall(SYS_gettid));
    fflush(stdout);
    if (strcmp(what, "freed") == 0 || strcmp(what, "twice") == 0 || strcmp(what, "resize") == 0)
        release(block);
    else if (strcmp(what, "thread") == 0 && pthread_create(&thread, NULL, release, block) == 0)
        pthread_join(thread, NULL);
    if (strcmp(what, "child") == 0) {
        pid_t child = fork();
        int status = 0;
        if (child != 0) {
            waitpid(child, &status, 0);
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 1;
        }
        release(block);
    }
    if (strcmp(what, "quarantine") == 0) {
        release(block);
        for (int i = 0; i < 6; i++)
            release(guarded(0, 64, 1));
    }
    if (strcmp(what, "handlers") == 0) {
        struct sigaction action;
        return sigaction(SIGSEGV, NULL, &action) != 0 || action.sa_handler != SIG_DFL;
    }
    if (strcmp(what, "twice") == 0)
        release(block);
    else if (strcmp(what, "resize") == 0)
        return realloc(block, 500) == NULL;
    else if (strcmp(what, "inside") == 0)
        release(block + 16);
    else if (strcmp(what, "behind") == 0)
        release(behind(block, size));
    else if (strcmp(what, "read") == 0)
        return *(volatile char *)behind(block, size);
    else if (strcmp(what, "usable") == 0)
        return malloc_usable_size(block) == size ? 0 : 1;
    else
        *(volatile char *)place = 2;
    release(block);
    return 0;
}
END
# CC and CXX may hold options
# shellcheck disable=SC2086
${CC:-cc} -g -O1 -fno-builtin -pthread -w -o program program.c
# shellcheck disable=SC2086
if ${CXX:-c++} -x c++ -g -O1 -fno-builtin -pthread -w -o program++ program.c 2> /dev/null; then
    programs='program program++'
else
    programs=program
fi

# in the hardened variant blocks of no bytes are none that could be guarded, unless that is switched off; and the array
# operators are told apart
guard=guard=1 delete='operator delete'
case $HAK_LIBRARY in *-hardened.so*) guard=guard=1,harden_zero_size=0 delete='operator delete\[\]' ;; esac

# try OPTIONS CASE SIZE ALIGNMENT AT_END STATUS: what was said in err; where the block is, and what was touched
try() {
    status=0
    HAKMEM_CONF=$guard,$1 LD_PRELOAD=$HAK_LIBRARY "./$program" "$2" "$3" "$4" "$5" > out 2> err || status=$?
    read -r block offset thread < out || { cat err >&2; fail "$program $2 $3 $4 $5: no block"; }
    [ "$status" -eq "$6" ] || { cat err >&2; fail "$program $2 $3 $4 $5: exit status $status, not $6"; }
}
says() { grep -qE "^hakmem\[[^]]*\]: $1\$" err || { cat err >&2; fail "$program: does not say '$1'"; }; }
# who LABEL FUNCTION: the stack of the thread that allocated or freed has it
who() {
    awk -v label="was $1 by thread" '/^hakmem/ { inside = index($0, label) } inside' err | grep -qE "^    #[0-9] 0x[0-9a-f]+ in .*$2" ||
        { cat err >&2; fail "$program: nobody in $2 $1 the block"; }
}

report='crash_report=1,guard_slots=8'
for program in $programs; do
    for size in 0 1 15 16 100 4096 65536 1048576; do
        for at_end in 0 1; do
            [ "$size" -ne 0 ] || [ "$at_end" -eq 1 ] || continue
            try "$report" over "$size" 0 "$at_end" 139
            says "the address is $((offset - size)) bytes behind the end of a live guarded block of $size bytes at $block"
            [ "$at_end" -eq 0 ] || [ $((offset - size)) -lt 16 ] || fail "$size: its end is far from the page's"
            who allocated allocate
            try "$report" under "$size" 0 "$at_end" 139
            says "the address is $((-offset)) bytes in front of the start of a live guarded block of $size bytes at $block"
            [ "$at_end" -eq 1 ] || [ "$offset" -eq -1 ] || fail "$size: its start is not that of its page"
        done
        [ "$size" -eq 0 ] || {
            try "$report" freed "$size" 0 1 139
            says "the address is in a freed guarded block of $size bytes at $block, offset 0"
            who allocated allocate
            who freed release
        }
        try crash_report=0 twice "$size" 0 1 134
        of=$([ "$size" -eq 0 ] || echo " of $size bytes")
        says "(free|$delete)\($block\): double free or use after free of a guarded block$of"
        [ "$(grep -c '^hakmem' err)" -eq 1 ] || fail "$size: more than one line"
        try crash_report=0 usable "$size" 0 1 0
    done
done

program=program
for alignment in 64 256 4096 65536; do
    try "$report" over 1000 "$alignment" 0 139
    [ $((block % alignment)) -eq 0 ] || fail "alignment $alignment: $block"
    says "the address is 3096 bytes behind the end of a live guarded block of 1000 bytes at $block"
done
try "$report" read 100 0 1 139
says "the address is 12 bytes behind the end of a live guarded block of 100 bytes at $block"
try crash_report=0 slack 15 0 1 134
says "free\($block\): found written behind its end: a guarded block of 15 bytes"
try crash_report=0 slack 100 0 0 134
says "free\($block\): found written behind its end: a guarded block of 100 bytes"
try crash_report=0 slack-under 16 0 1 134
says "free\($block\): found written in front of its start: a guarded block of 16 bytes"
try crash_report=0 inside 100 0 1 134
says 'free\(0x[0-9a-f]+\): not the start of a block: inside a guarded block of 100 bytes'
try crash_report=0 behind 100 0 1 134
says 'free\(0x[0-9a-f]+\): not the start of a block: behind the end of a guarded block of 100 bytes'
try crash_report=0 resize 100 0 1 134
says "realloc\($block\): double free or use after free of a guarded block of 100 bytes"
try "$report" twice 100 0 1 134
says "the block was allocated by thread $thread:"
who allocated allocate
who freed release
try "$report" thread 100 0 1 139
says "the block was allocated by thread $thread:"
! grep -q "freed by thread $thread:" err || fail 'the thread that freed the block is not told'
who freed release
try "$report" child 100 0 1 139
says "the address is in a freed guarded block of 100 bytes at $block, offset 0"
try "crash_report=1,guard_slots=64" quarantine 100 0 1 139
says "the address is in a freed guarded block of 100 bytes at $block, offset 0"

# unless it is asked for nothing is said, and no signal is handled
try crash_report=0 over 100 0 1 139
! grep -q '^hakmem' err || { cat err >&2; fail 'something is said'; }
try crash_report=0 handlers 100 0 1 0

# in a core
command -v gdb > /dev/null && readelf -S "$HAK_LIBRARY" | grep -q '\.debug_info' || exit 0
timeout 120 gdb -nx -batch -iex 'set disable-randomization off' -ex 'set startup-with-shell off' \
    -ex "set environment LD_PRELOAD $HAK_LIBRARY" -ex 'set environment HAKMEM_CONF guard=1,crash_report=0' \
    -ex 'run freed 100 0 1' -ex 'generate-core-file core' ./program > said 2>&1 < /dev/null || true
[ -s core ] || exit 0
timeout 120 gdb -nx -batch -ex "source $srcdir/tools/gdb/hakmem.py" -ex 'hak block block' -ex 'hak block block + 150' \
    ./program core > said 2>&1
for line in '^block +0x[0-9a-f]+, 100 bytes usable, offset 0$' '^kind +guarded' '^state +free; not accessible' \
    '^allocated by thread [0-9]+$' '^freed +by thread [0-9]+$' '^ +#[0-9] 0x[0-9a-f]+ in allocate' \
    '^ +#[0-9] 0x[0-9a-f]+ in release' '^block +0x[0-9a-f]+, 100 bytes usable, 50 bytes behind its end$'; do
    grep -qE "$line" said || { cat said >&2; fail "gdb does not say '$line'"; }
done
