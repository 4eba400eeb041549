#!/bin/sh
# SPDX-License-Identifier: MIT
# What the RPM packages run before they are removed does to /etc/ld.so.preload: run by rpm's own
# Lua on a file elsewhere, and compared with hakmem preload disable.
set -eu
command -v rpm > /dev/null 2>&1 || { echo "needs rpm"; exit 77; }
[ "$(rpm --eval '%{lua: print(posix.stat("/", "type"))}' 2>&1)" = directory ] ||
    { echo "needs an rpm with Lua"; exit 77; }
: "${srcdir:?}" "${builddir:?}"
hakmem=$builddir/tools/hakmem
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root" "$work/root/etc"
file=$work/root/etc/ld.so.preload
fail() { echo "$*"; od -c "$file" | head -n 20; exit 1; }
for variant in '' -debug -hardened; do
    sed -e "s/@LIBRARY@/libhakmem$variant.so/" -e "s|\"/etc/ld.so.preload\"|\"$file\"|" \
        "$srcdir/rpm/preload.lua" > "$work/script$variant.lua"
    grep -q "$file.*libhakmem$variant.so" "$work/script$variant.lua" || fail "preload.lua changed"
done
# script VARIANT LEFT: with so many packages of it left
script() {
    { echo "local arg = {[2] = $2}"; cat "$work/script$1.lua"; } > "$work/run.lua"
    rpm --eval "%{lua: dofile(\"$work/run.lua\")}" > "$work/out" 2>&1 ||
        fail "rpm: $(cat "$work/out")"
}
says() { grep -q "$1" "$work/out" || fail "does not say '$1': $(cat "$work/out")"; }
is_silent() { [ -z "$(tr -d '\n' < "$work/out")" ] || fail "says $(cat "$work/out")"; }
# becomes BEFORE AFTER: in printf's notation; after that nothing is left to do
becomes() {
    printf '%b' "$1" > "$file"
    script '' 0
    says '^removed .* from .*, because the library is uninstalled$'
    printf '%b' "$2" | cmp -s - "$file" || fail "'$1' is not '$2' but:"
    script '' 0
    is_silent
}
# stays TEXT [VARIANT [LEFT]]
stays() {
    printf '%b' "$1" > "$file"
    script "${2-}" "${3-0}"
    is_silent
    printf '%b' "$1" | cmp -s - "$file" || fail "'$1' was changed to:"
}

rm -f "$file"
script '' 0
is_silent
[ ! -e "$file" ] || fail "made a file"

line='/usr/lib64/libhakmem.so.1' blank='                         '
becomes "/a.so\n$line\n" "/a.so\n$blank\n"
becomes "$line\n/a.so" "$blank\n/a.so"
becomes "/a.so:$line /b.so" "/a.so:$blank /b.so"
becomes "$line\r\n/a.so\n" "$blank \n/a.so\n"
becomes "/a.so\nlibhakmem.so\r\n" "/a.so\n             \n"
becomes "# $line\n$line\n" "# $line\n$blank\n"
becomes "/a.so\0$line\n" "/a.so\0$blank\n"
becomes '/a.so libhakmem.so.1' '/a.so               '
# shellcheck disable=SC2016 # $LIB is the loader's
becomes '/usr/$LIB/libhakmem.so.1 /a.so' '                         /a.so'
becomes "$line /lib/libhakmem.so\t/x/libhakmem.so.2.0 /a.so" \
    "$blank                  \t                    /a.so"
becomes "$line\n/lib/libhakmem-debug.so.1\n" "$blank\n/lib/libhakmem-debug.so.1\n"
# of the second comment glibc takes a name for one
becomes "/a.so /bbbbbbbbbbbbbbbbb.so # x\n# $line\n" "/a.so /bbbbbbbbbbbbbbbbb.so # x\n# $blank\n"

stays ''
stays "\n \n"
stays "# $line\n"
stays "/usr/lib64/libhakmem.so.1\n" '' 1
stays "/usr/lib64/libhakmem.so.1\n" -debug
stays '/usr/lib64/libhakmem-debug.so.1\n'
stays '/lib64/libhakmem.some /libhakmem.so.1/a.so /xlibhakmem.so.1 /libhakmem.sox libhakmem\n'

# the file goes when nothing is left in it, a link's target does not
printf ' %s\n\n' "$line" > "$file"
script '' 0
[ ! -e "$file" ] || fail "an empty file is left"
echo /usr/lib64/libhakmem-debug.so.1 > "$work/root/elsewhere"
ln -s ../elsewhere "$file"
script -debug 0
says '^removed .*libhakmem-debug.so.1 from .*, because'
[ -L "$file" ] || fail "the link is gone"
[ -z "$(tr -d ' \n' < "$work/root/elsewhere")" ] || fail "not out of the target"
rm "$file"

# it remains the same file
printf '/a.so\n%s\n' "$line" > "$file"
chmod 604 "$file"
same=$(stat -c '%i %a %u %g' "$file")
script '' 0
now=$(stat -c '%i %a %u %g' "$file")
[ "$now" = "$same" ] || fail "another file: $now, not $same"

# what cannot be changed is said, and is no reason to end
rm "$file"
mkdir "$file"
script '' 0
is_silent
rmdir "$file"
ln -s /proc/self/cmdline "$file"
script '' 0
rm "$file"

# the same names go as by the command, in texts of any kind
awk 'BEGIN {
    srand(11)
    count = split("/a.so|libhakmem.so.1|/x/libhakmem.so|$LIB/libhakmem.so.1|" \
        "# |\\n|\\n| |:|\\t|#b|/c", part, "|")
    for (i = 0; i < 150; i++) {
        text = ""
        for (j = 0; j < 2 + rand() * 14; j++) text = text part[1 + int(rand() * count)]
        print text
    }
}' > "$work/texts"
compared=0
while IFS= read -r text; do
    case ${text#*"#"} in *"#"*) continue ;; esac # where what moves is read in another way
    printf '%b' "$text" > "$file"
    "$hakmem" preload disable --root "$work/root" > "$work/out"
    touch "$file"
    tr -d ' \n\t:' < "$file" > "$work/expected"
    printf '%b' "$text" > "$file"
    script '' 0
    touch "$file"
    tr -d ' \n\t:' < "$file" | cmp -s - "$work/expected" || fail "'$text' is treated otherwise:"
    compared=$((compared + 1))
done < "$work/texts"
echo "compared with the command: $compared texts"
[ "$compared" -gt 40 ]
