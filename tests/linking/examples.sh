#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples compile without a warning, those that are C++ too as both, and print what they are
# about.
# shellcheck disable=SC2154,SC2046,SC2086
. "$srcdir/tests/linking/common.sh"
cd "$work"
LC_ALL=C
export LC_ALL
# the strictest that there is: a block that has grown in place must not seem too small
echo '#include <stdio.h>' > empty.c
strict="-O2 -Wall -Wextra -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"
$CC $strict -c empty.c 2> /dev/null || strict="-O2 -Wall -Wextra -Werror"

# says TEXT ...: what the program has printed has each in a line of its own
says() {
    for text; do
        grep -q -e "$text" out || { cat out; fail "$name does not say: $text"; }
    done
}
# prints_well: what the output of $name tells that it should
prints_well() {
    case $name in
    limits)
        says '^[1-6][0-9] blocks of 1 MiB, then: Cannot allocate memory$' \
            '^[1-9][0-9]* of 67108864 bytes taken, refused [1-9][0-9]* times$' 'served$'
        ;;
    statistics)
        says '^[1-9][0-9]* bytes allocated, ' '^   208 bytes: [1-9][0-9][0-9][0-9]* live, '
        grep -q '^{"version":"' json || fail "statistics: no JSON"
        ! command -v python3 > /dev/null || python3 -m json.tool json > /dev/null
        ;;
    profile)
        says '^20000 items, the last one of 10 characters$'
        grep -q '^heap profile: [1-9]' json || fail "profile: no profile"
        ;;
    batches) says '^the last one: message 32 of burst 4$' '^128 messages freed$' ;;
    in-place) says '^16000000 bytes: grew [1-9][0-9]* times in place, moved [1-9]' ;;
    intent)
        says '^room for 1[0-9]* matrices where 1001 ' '^the last one: 0, 0 bytes past a cache line$'
        ;;
    idle)
        says '^[1-9][0-9]* bytes in use after the burst, [1-9][0-9]* returned, [1-9][0-9]* left$' \
            '^the heap: all records agree$'
        ;;
    handlers)
        says '^the reserve is given back for 52428800 bytes$' ' under a limit of 64 MiB: served$' \
            '^log: hakmem\[[a-z-]*:[0-9]*\]: hak_free(0x[0-9a-f]*): not allocated' '^the child was ended by: Aborted'
        ;;
    walk) says "^   $usable bytes: [1-9]" '^larger: [1-9]' " 50 bytes into a block of $usable, live," ;;
    options)
        says '^retain_min = 4194304$'
        [ "$(grep -c '^[a-z_]* = ' out)" -eq "$(grep -c '^HAK_OPTION' "$srcdir/lib/core/options.def")" ] ||
            { cat out; fail "options: not all"; }
        ;;
    *) fail "$name: nothing is known of what it prints" ;;
    esac
}
# try COMPILER ...: builds the example and runs it
try() {
    "$@" $strict $(flags --cflags) -o program $language "$source" -x none $(flags --libs) ||
        fail "$name: $1 refuses it"
    rm -f json
    status=0
    timeout 60 ./program json > out 2>&1 || status=$?
    # live blocks are not told from freed ones then
    if [ "$name" = walk ] && [ "$checks" -eq 0 ]; then
        [ $status -eq 1 ] || fail "walk: exit status $status without checks"
        return
    fi
    [ $status -eq 0 ] || { cat out; fail "$name by $1: exit status $status"; }
    prints_well
    count=$((count + 1))
}
count=0
for source in "$srcdir"/doc/examples/api/*.c; do
    name=${source##*/}
    name=${name%.c}
    language=
    try $CC
    # a void * becomes another pointer by itself in these
    case $name in batches | in-place | intent | idle) continue ;; esac
    ! command -v g++ > /dev/null || { language='-x c++' && try g++; }
done
echo "$count programs"
[ $count -ge 6 ] || fail "too few"
