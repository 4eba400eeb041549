#!/bin/sh
# SPDX-License-Identifier: MIT
# A preload in front of any function that a malloc may call at its start allocates in it.
. "${srcdir:?}/tests/traps/common.sh"
NM=${NM:-nm}

# Whatever the library imports, whoever added it, and what others are known to call. Names that begin
# with an underscore are the implementation's own: nobody puts a function in front of these.
# NM may hold options
# shellcheck disable=SC2086
imports=$($NM -D --undefined-only "$HAK_LIBRARY" | awk '{ sub(/@.*/, "", $NF); print $NF }' |
    grep -v '^_' | grep -vx -e environ -e dlvsym) # by which hook.c finds what it stands in front of
usual='dlsym getenv secure_getenv open openat read close mmap munmap mprotect madvise getauxval syscall
    sysconf getpagesize getpid sched_getcpu sched_yield pthread_atfork pthread_key_create
    pthread_setspecific pthread_mutex_lock pthread_mutex_unlock pthread_self clock_gettime write'
# shellcheck disable=SC2086
names=$(printf '%s\n' $imports $usual | sort -u)

# hooked NAME...: builds $WORK/hook.so, which stands in front of these
hooked() {
    printf 'HOOK(%s)\n' "$@" > "$WORK/hooks"
    compile_library hook.so hook.c -DHOOK_LIST="\"$WORK/hooks\""
}

compile start start.c
compile_library naive.so naive.c -DNAIVE_SETTINGS
passes 'naive alone' "$WORK/naive.so" "$WORK/start"
hooked getenv
TRAP_SECONDS=3 breaks 'naive under getenv' "$WORK/hook.so $WORK/naive.so" "$WORK/start"

# shellcheck disable=SC2086
hooked $names
passes 'libc under all' "$WORK/hook.so" "$WORK/start"
passes 'libhakmem under all' "$WORK/hook.so $HAK_LIBRARY" "$WORK/start"
passes 'libhakmem with all behind it' "$HAK_LIBRARY $WORK/hook.so" "$WORK/start"
for name in $names; do
    hooked "$name"
    passes "libhakmem under $name" "$WORK/hook.so $HAK_LIBRARY" "$WORK/start"
done

# What a function in front of mmap frees, while zero memory goes, does not keep that going.
compile limits limits.c
hooked mmap
TRAP_SECONDS=20 passes 'libhakmem under mmap and limits' "$WORK/hook.so $HAK_LIBRARY" \
    env HAKMEM_CONF=limit_hard=24M,limit_soft=15M "$WORK/limits"

for name in mmap syscall pthread_key_create pthread_atfork clock_gettime; do
    hooked "$name"
    echo "under $name:"
    TRAP_SECONDS=2 peers "$WORK/hook.so" "$WORK/start"
done
