#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem preload, on folders that stand for a whole system: never on the running one's file.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
quick=
if [ -d /dev/shm ] && [ -w /dev/shm ]; then quick=$(mktemp -d -p /dev/shm); fi
trap 'rm -rf "$work" $quick' EXIT
unset HAKMEM_CONF HAKMEM_DISABLE HAKMEM_LIBRARY HAKMEM_CONF_FILE
umask 022
hakmem=$builddir/tools/hakmem
kill_at=$builddir/tests/tools/kill_at
lib=/usr/lib/libhakmem.so.1
tree=$work/tree # with a shell and some programs
# use FOLDER: as a system of a library and the file alone, where nothing can be run
use() {
    bare=$1/bare
    file=$bare/etc/ld.so.preload
    mkdir -p "$bare/etc" "$bare/usr/lib"
    cp "$HAK_LIBRARY" "$bare$lib"
    chmod 755 "$bare$lib"
}
preload() { "$hakmem" preload "$@" --library $lib > "$work/out" 2>&1; }
untried() { preload enable --root "$bare" --no-check; }
says() { grep -q -e "$1" "$work/out" || fail "says '$(cat "$work/out")', not '$1'"; }
refuses() {
    if preload "$@"; then fail "not refused: $*"; fi
}
no_left_overs() {
    [ -z "$(find "$1/etc" -name '.ld.so*')" ] || fail "left: $(ls -a "$1/etc")"
}

mkdir -p "$tree/etc"
# hundreds of writes that wait for no disk
use "${quick:-$work}"

# ---- arguments ---------------------------------------------------------------
refuses enable --bogus
says "hakmem: unknown option '--bogus', or its argument is missing; see hakmem preload --help"
refuses enabel
says "hakmem: unknown action or unexpected argument 'enabel'"
# ---- the text: before, enabled, disabled ----------------------------------
becomes() {
    printf '%b' "$1" > "$file"
    printf '%b' "$2" > "$work/enabled"
    printf '%b' "$3" > "$work/disabled"
    untried || fail "enable on '$1': $(cat "$work/out")"
    cmp -s "$file" "$work/enabled" || fail "'$1' becomes '$(cat "$file")'"
    inode=$(stat -c %i "$file")
    untried
    says 'is already listed in'
    [ "$(stat -c %i "$file")" = "$inode" ] || fail "'$1': written twice"
    preload disable --root "$bare" || fail "disable on '$1': $(cat "$work/out")"
    [ -e "$file" ] || : > "$file"
    cmp -s "$file" "$work/disabled" || fail "'$1' is left as '$(cat "$file")'"
    no_left_overs "$bare"
}
becomes '' "$lib\n" ''
becomes '\n' "\n$lib\n" '\n'
becomes '/a.so\n' "/a.so\n$lib\n" '/a.so\n'
becomes '/a.so' "/a.so\n$lib\n" '/a.so\n'
becomes '/a.so /b.so:c.so\t# why\n' "/a.so /b.so:c.so\t# why\n$lib\n" '/a.so /b.so:c.so\t# why\n'
becomes '/a.so\r\n/b.so\r\n' "/a.so\r\n/b.so\r\n$lib\n" '/a.so\r\n/b.so\r\n'
becomes '# why\n/a.so' "# why\n/a.so\n$lib\n" '# why\n/a.so\n'
becomes '/a.so\n# no line end' "/a.so\n# no line end\n$lib\n" '/a.so\n# no line end\n'
# an older one keeps its place
becomes '/a.so\n/opt/libhakmem.so.0\n/b.so\n' "/a.so\n$lib\n/b.so\n" '/a.so\n/b.so\n'
becomes '/a.so /opt/libhakmem.so.0.1 /b.so\n' "/a.so $lib /b.so\n" '/a.so /b.so\n'
becomes 'libhakmem.so:/b.so\n' "$lib:/b.so\n" '/b.so\n'
becomes '/opt/libhakmem.so.0 # ours\n' "$lib # ours\n" '# ours\n'
becomes '/x/libhakmem.so.1\r\n/a.so\r\n' "$lib\n/a.so\r\n" '/a.so\r\n'
# shellcheck disable=SC2016
becomes '/usr/$LIB/libhakmem-debug.so.1\n' "$lib\n" ''
# shellcheck disable=SC2016
becomes '/usr/$LIB/libhakmem-hardened.so.1\n' "$lib\n" ''
becomes "/x/libhakmem.so.0\n/a.so\n$lib\n" "/a.so\n$lib\n" '/a.so\n'
# of others, though it sounds alike
becomes '/a/libhakmem.so/b.so\n/libhakmem.sox\n' "/a/libhakmem.so/b.so\n/libhakmem.sox\n$lib\n" \
    '/a/libhakmem.so/b.so\n/libhakmem.sox\n'
# in comments it is nothing, but where glibc overlooks the comment
becomes '# /opt/libhakmem.so.0\n/a.so\n' "# /opt/libhakmem.so.0\n/a.so\n$lib\n" '# /opt/libhakmem.so.0\n/a.so\n'
becomes '# one, as long as it takes\n# /x/libhakmem.so.1\n' "# one, as long as it takes\n#\n$lib\n" \
    '# one, as long as it takes\n#\n'
long=$(awk 'BEGIN { for (i = 0; i < 20000; i++) printf "/x%d.so:", i }')
becomes "$long" "$long\n$lib\n" "$long\n"

# words of a comment that glibc takes for libraries
printf '# first and long\n# second\n# third\n/a.so\n' > "$file"
"$hakmem" preload status --root "$bare" > "$work/out" 2>&1 || true
says "mistakes words of a comment for libraries: 'd'"
says 'other: *third'

printf '/a.so\n\0%s\n' $lib > "$file"
cp "$file" "$work/old"
if untried; then fail "a NUL is no matter"; fi
says 'not a text file: the loader stops reading at the null byte at offset 6'
cmp -s "$file" "$work/old" || fail "changed in spite of a NUL"
preload disable --root "$bare"
echo /a.so | cmp -s - "$file" || fail "not disabled behind a NUL"
awk 'BEGIN { for (i = 0; i < 100001; i++) print "/x12345.so" }' > "$file"
if untried; then fail "a file of a megabyte is no matter"; fi
says 'File too large'
rm "$file"
mkdir "$file"
if untried; then fail "a folder is no matter"; fi
says 'not a regular file'
rmdir "$file"

# 32-bit programs on a 64-bit system
rm -f "$file"
mkdir -p "$bare/lib"
: > "$bare/lib/ld-linux.so.2"
untried
case $(getconf LONG_BIT) in
64) says '/lib/ld-linux.so.2: no 32-bit libhakmem is installed' ;;
*) if grep 32-bit "$work/out"; then fail "warns of itself"; fi ;;
esac
rm -r "$bare/lib"
preload disable --root "$bare"

# ---- mode, owner, attributes, links ---------------------------------------
use "$work/disk"
untried
[ "$(stat -c %a "$file")" = 644 ] || fail "a new file has the mode $(stat -c %a "$file")"
preload disable --root "$bare"
[ ! -e "$file" ] || fail "an empty file is left"
echo /a.so > "$file"
chmod 604 "$file"
[ "$(id -u)" -ne 0 ] || chown 12:34 "$file"
status=$(stat -c '%a %u %g' "$file")
attributes() { getfattr --absolute-names -d -m - "$file"; }
has_attributes=
if command -v setfattr > "$work/out" && setfattr -n user.test -v kept "$file" 2> "$work/out"; then
    has_attributes=$(attributes)
fi
for action in 'enable --no-check' disable; do
    # shellcheck disable=SC2086
    preload $action --root "$bare"
    [ "$(stat -c '%a %u %g' "$file")" = "$status" ] || fail "$action: status $(stat -c '%a %u %g' "$file"), not $status"
    [ -z "$has_attributes" ] || [ "$(attributes)" = "$has_attributes" ] || fail "$action: attributes are lost"
done
mkdir "$bare/elsewhere"
mv "$file" "$bare/elsewhere/list"
for target in /elsewhere/list ../elsewhere/list; do
    ln -s $target "$file"
    untried
    [ "$(cat "$bare/elsewhere/list")" = "/a.so
$lib" ] || fail "the target of $target is not replaced: $(cat "$work/out")"
    preload disable --root "$bare"
    [ "$(cat "$bare/elsewhere/list")" = /a.so ] || fail "the target of $target is not as it was"
    [ -L "$file" ] || fail "the link $target is gone"
    rm "$file"
done
ln -s loop "$bare/etc/loop"
ln -s loop "$file"
if untried; then fail "a link to itself is no matter"; fi
says 'Too many levels'
rm "$file" "$bare/etc/loop"

# ---- the library that is written down -------------------------------------
if "$hakmem" preload check --root "$bare" --library usr/lib/libhakmem.so.1 2> "$work/out"; then
    fail "a relative path is no matter"
fi
says 'must be absolute'
chmod g+w "$bare$lib"
if untried; then fail "a library that others can write is no matter"; fi
says 'refused: /usr/lib/libhakmem.so.1 is writable by users other than its owner'
chmod g-w "$bare$lib"
mv "$bare$lib" "$bare$lib.away"
if untried; then fail "a missing library is no matter"; fi
says 'No such file'
mv "$bare$lib.away" "$bare$lib"
refuses enable --root "$bare"
says 'cannot test'
[ ! -e "$file" ] || fail "written untried"
untried
says 'added without testing'
preload disable --root "$bare"
# what is not the library is neither written nor tried
other() {
    rm -f "$file"
    for no_check in '' --no-check; do
        # shellcheck disable=SC2086
        if "$hakmem" preload enable $no_check --root "$bare" --library "$1" > "$work/out" 2>&1; then fail "not refused: $1 $no_check"; fi
        says "$1.*$2"
        [ ! -e "$file" ] || fail "$1 is written down: $(cat "$file")"
    done
}
# stands_in FILE REASON: under the library's own name
stands_in() {
    cp -L "$1" "$bare$lib"
    chmod 755 "$bare$lib"
    other $lib "refused: $2"
}
plain() { echo 'int plain;' | ${CC:-cc} -x c -shared -fPIC -o "$work/plain.so" - "$@"; }
named=-Wl,-soname,libhakmem.so.1
for name in libm.so.6 libc.so.6; do
    object=$(ldd "$(command -v awk)" "$hakmem" | sed -n "s,.*$name => \([^ ]*\).*,\1,p" | head -n 1)
    [ -n "$object" ] || object=$(${CC:-cc} -print-file-name=$name)
    stands_in "$object" "not libhakmem: its soname is '$name'"
    cp -L "$object" "$bare/usr/lib/$name"
    other /usr/lib/$name 'the file name must be libhakmem.so'
done
echo text > "$work/text"
stands_in "$work/text" 'not libhakmem: not an ELF shared library'
stands_in /etc/passwd 'not libhakmem: not an ELF shared library'
stands_in "$hakmem" 'not libhakmem: '
mkdir -p "$bare/etc"
cp /etc/passwd "$bare/etc/passwd"
other /etc/passwd 'the file name must be libhakmem.so'
other $lib/ 'the file name must be libhakmem.so'
plain
stands_in "$work/plain.so" "not libhakmem: its soname is ''"
plain $named
stands_in "$work/plain.so" 'not libhakmem: it lacks the ELF note'
# cut BYTES: off inside its headers, or inside a segment that is loaded: known without trying it
cut() {
    head -c "$1" "$HAK_LIBRARY" > "$work/half"
    stands_in "$work/half" 'incomplete: the file ends inside a loaded segment'
}
cut 100
readelf -lW "$HAK_LIBRARY" | awk '$1 == "LOAD" { print $2, $5 }' > "$work/loaded"
while read -r offset size; do
    end=$((offset + size))
    cut $((end - 1))
done < "$work/loaded"
# what is behind them may be missing
head -c $end "$HAK_LIBRARY" > "$bare$lib"
untried || fail "refused without section headers: $(cat "$work/out")"
head -c 20 "$HAK_LIBRARY" > "$work/half"
stands_in "$work/half" 'not libhakmem: not an ELF'
# byte OFFSET VALUE: of the library, in octal
byte() {
    cp "$HAK_LIBRARY" "$work/other"
    # shellcheck disable=SC2059
    printf "\\$2" | dd of="$work/other" bs=1 seek="$1" conv=notrunc 2> "$work/dd"
}
byte 18 377 # e_machine
stands_in "$work/other" 'built for another architecture'
case $(getconf LONG_BIT) in 64) byte 4 1 ;; *) byte 4 2 ;; esac # EI_CLASS
stands_in "$work/other" ''
byte 5 3 # EI_DATA
stands_in "$work/other" 'built for another architecture'
if plain -m32 $named 2> "$work/out"; then
    ${CC:-cc} -m32 -shared -fPIC $named -DKIND=crash -nostdlib -o "$work/narrow.so" "$srcdir/tests/tools/crash.c"
    stands_in "$work/narrow.so" 'built for another architecture: 32-bit'
fi

# each folder on the way to it, also behind links
use "${quick:-$work}"
for folder in / /usr /usr/lib; do
    mode=$(stat -c %a "$bare$folder")
    for bad in 775 757 1777; do
        chmod $bad "$bare$folder"
        other $lib "$folder is writable by users other than its owner (mode 0*$bad)"
    done
    chmod "$mode" "$bare$folder"
done
chmod 750 "$bare/usr"
other $lib 'refused: /usr is not accessible to all users'
chmod 755 "$bare/usr"
chmod 640 "$bare$lib"
other $lib "refused: $lib is not accessible to all users"
chmod 755 "$bare$lib"
mkdir -p "$bare/opt/deep" "$bare/linked"
cp "$HAK_LIBRARY" "$bare/opt/deep/real"
chmod 644 "$bare/opt/deep/real"
for target in ../opt/deep/real /opt/deep/real ../../../../opt/./deep/../deep/real; do
    ln -sf $target "$bare/linked/libhakmem.so.1"
    chmod 777 "$bare/opt"
    other /linked/libhakmem.so.1 'opt is writable by users other'
    chmod 755 "$bare/opt"
    "$hakmem" preload enable --no-check --root "$bare" --library /linked/libhakmem.so.1 > "$work/out" 2>&1 || fail "$target is refused: $(cat "$work/out")"
    # disable needs no file
    rm "$bare/linked/libhakmem.so.1"
    preload disable --root "$bare"
    [ ! -e "$file" ] || fail "not disabled without its file: $(cat "$file")"
done
ln -s loop "$bare/linked/loop"
ln -sf loop "$bare/linked/libhakmem.so.1"
other /linked/libhakmem.so.1 'Too many levels'
ln -sfn real "$bare/opt/deep/libhakmem.so.1"
ln -sfn /opt/deep "$bare/linked/deep"
chmod 777 "$bare/opt/deep"
other /linked/deep/libhakmem.so.1 '/opt/deep is writable'
rm -r "$bare/linked" "$bare/opt"
if [ "$(id -u)" -eq 0 ]; then
    chown 12 "$bare/usr"
    other $lib 'refused: /usr belongs to user 12, not to root'
    chown 0 "$bare/usr"
fi
# entries that were written before only the library was
printf '/usr/lib/x/libm.so.6\n/a.so\n/usr/$LIB/libm.so.6\n/usr/$LIB/libm.so.6.1\n/x/$LIB/libm.so.6\n' > "$file"
"$hakmem" preload disable --root "$bare" --library /usr/lib/x/libm.so.6 > "$work/out"
printf '/a.so\n/usr/$LIB/libm.so.6.1\n/x/$LIB/libm.so.6\n' | cmp -s - "$file" || fail "left: $(cat "$file")"
# disabled WORDS: takes out what enable wrote, also when these words say so
disabled() {
    untried || fail "not enabled: $(cat "$work/out")"
    "$hakmem" preload disable --root "$bare" "$@" > "$work/out" 2>&1 || fail "disable $*: $(cat "$work/out")"
    [ ! -s "$file" ] || fail "disable $* leaves: $(cat "$file")"
}
rm "$file"
disabled
disabled --all
disabled $lib
disabled --library $lib
# the words that took out any file are words of their own, too, and an entry is named as it stands
for words in /usr/lib/x/libm.so.6 '/usr/$LIB/libm.so.6'; do
    printf '/usr/$LIB/libm.so.6\n' > "$file"
    "$hakmem" preload disable --root "$bare" --all > "$work/out"
    says 'is not listed in'
    disabled "$words"
done
untried || fail "not enabled: $(cat "$work/out")"
echo text > "$bare$lib"
preload disable --root "$bare"
[ ! -e "$file" ] || fail "not disabled when its file is broken"
use "${quick:-$work}"
for wrong in '' nothing 'enable disable' 'status --canary' 'check --time-limit 0' \
    'disable --no-check' 'disable --all' 'disable /x.so' 'enable --all'; do
    # shellcheck disable=SC2086
    preload $wrong --root "$bare" && code=0 || code=$?
    [ "$code" = 2 ] || fail "'$wrong' ends with $code"
done

# ---- one at a time; what others left --------------------------------------
use "${quick:-$work}"
: > "$bare/etc/.ld.so.preload.hakmem-new"
preload disable --root "$bare"
no_left_overs "$bare"
flock "$bare/etc/.ld.so.preload.hakmem" sleep 1 &
sleep 0.3
untried
if kill -0 $! 2> "$work/out"; then fail "did not wait for the lock"; fi
wait
no_left_overs "$bare"
printf '# others\n/a.so\n' > "$work/old"
printf '# others\n/a.so\n%s\n' $lib > "$work/new"
cp "$work/old" "$file"
pids=
for i in 1 2 3 4 5 6 7 8; do
    for action in 'enable --no-check' disable; do
        # shellcheck disable=SC2086
        "$hakmem" preload $action --root "$bare" --library $lib > "$work/out.$i" 2>&1 &
        pids="$pids $!"
    done
done
for pid in $pids; do wait "$pid" || fail "one of several runs failed: $(cat "$work"/out.?)"; done
cmp -s "$file" "$work/old" || cmp -s "$file" "$work/new" || fail "several runs: $(cat "$file")"
no_left_overs "$bare"

# ---- killed ----------------------------------------------------------------
# hundreds of times, so without starting a program
old=$(cat "$work/old")
new=$(cat "$work/new")
put() { printf '%s\n' "$1" > "$file"; }
valid() {
    got=
    if [ -f "$file" ]; then
        while IFS= read -r line; do got="$got${got:+
}$line"; done < "$file"
    fi
    [ -z "$line" ] || fail "$1 leaves a line without an end: '$line'"
    [ "$got" = "$old" ] || [ "$got" = "$new" ] || fail "$1 leaves '$got'"
}
# measured time|call FROM ACTION: the figure is behind what the command said
measured() {
    put "$2"
    # shellcheck disable=SC2086
    "$kill_at" measure "$1" "$hakmem" preload $3 > "$work/measured" 2> "$work/out" || [ $? = 3 ] || fail "fails when measured: $3"
    tail -n 1 "$work/measured"
}
# killed_within NUMBER FROM ACTION: so often, at random moments; hits counts those in time. The
# span that they are taken from follows what the machine does: less after each that came too late.
killed_within() {
    span=$(for i in 1 2 3 4 5; do measured time "$2" "$3"; done | sort -n | head -n 1)
    hits=0
    awk -v seed="$1" -v number="$1" \
        'BEGIN { srand(seed); for (i = 0; i < number; i++) print int(rand() * 1000) }' > "$work/moments"
    while read -r thousandth; do
        put "$2"
        # shellcheck disable=SC2086
        "$kill_at" time $((span * thousandth / 1000)) "$hakmem" preload $3 > "$work/out" 2>&1 && code=0 || code=$?
        case $code in
        0) hits=$((hits + 1)) span=$((span + span / 50)) ;;
        3) span=$((span - span / 10)) ;;
        *) fail "$3: $(cat "$work/out")" ;;
        esac
        valid "$3, killed at $thousandth thousandths,"
    done < "$work/moments"
    echo "${3%% --root*}: killed before its end in $hits of $1 runs"
    # half of them on a quiet machine, where the command takes as long every time
    [ $((hits * 10)) -ge "$1" ] || fail "too few runs were killed before they ended"
}
# killed ACTION FROM: at each system call, then at 200 moments of the time that it takes
killed() {
    action="$1 --root $bare --library $lib"
    calls=$(measured call "$2" "$action")
    i=0
    while [ $i -lt "$calls" ]; do
        i=$((i + 1))
        put "$2"
        # shellcheck disable=SC2086
        "$kill_at" call $i "$hakmem" preload $action > "$work/out" 2>&1 || [ $? = 3 ] || fail "call $i: $(cat "$work/out")"
        valid "$1, killed at call $i,"
    done
    echo "$1: killed at each of $calls system calls"
    killed_within 200 "$2" "$action"
    put "$2"
    # shellcheck disable=SC2086
    "$hakmem" preload $action > "$work/out" 2>&1
    no_left_overs "$bare"
}
killed 'enable --no-check' "$old"
killed disable "$new"

# ---- full and read-only file systems --------------------------------------
# shellcheck disable=SC2016
inner='mount -t tmpfs -o size=64k none "$1/etc" || exit 77
    cp "$2" "$1/etc/ld.so.preload"
    cat /dev/zero > "$1/etc/fill" 2> "$1/err"
    "$3" preload enable --no-check --root "$1" --library "$4" && exit 1
    cmp "$2" "$1/etc/ld.so.preload" || exit 2
    rm "$1/etc/fill"
    mount -o remount,ro "$1/etc" || exit 77
    "$3" preload enable --no-check --root "$1" --library "$4" && exit 3
    "$3" preload disable --root "$1" --library "$4" || exit 4'
user=-r
[ "$(id -u)" -ne 0 ] || user=
# shellcheck disable=SC2086
unshare $user -m sh -c "$inner" sh "$bare" "$work/old" "$hakmem" $lib > "$work/out" 2>&1 && code=0 || code=$?
if [ "$code" = 0 ]; then
    says 'No space left'
    says 'Read-only file system'
    says 'is not listed in'
else
    grep -qE 'mount|unshare' "$work/out" || fail "full or read-only: $code: $(cat "$work/out")"
    echo "left out: full and read-only file systems, since nothing can be mounted"
fi

# ---- programs under it -----------------------------------------------------
into_tree() {
    for object in "$1" $(ldd "$1" | grep -o '/[^ ]*'); do
        [ -e "$tree$object" ] || { mkdir -p "$tree${object%/*}"; cp -L "$object" "$tree$object"; }
    done
}
for program in sh ls cat; do into_tree "$(command -v $program)"; done
cp /etc/passwd "$tree/etc/passwd"
file=$tree/etc/ld.so.preload
if ! chroot "$tree" sh -c : 2> "$work/out" && ! unshare -r chroot "$tree" sh -c : 2> "$work/out"; then
    echo "left out: programs under the library, since the root cannot be changed: $(cat "$work/out")"
    exit 0
fi
inside() {
    if [ "$(id -u)" = 0 ]; then chroot "$tree" "$@"; else unshare -r chroot "$tree" "$@"; fi
}
mkdir -p "$tree/usr/lib"
is_enabled() {
    preload status --root "$tree" && code=0 || code=$?
    [ "$code" = "$1" ] || fail "status $code, not $1: $(cat "$work/out")"
}
install_kind() {
    ${CC:-cc} -shared -fPIC -Wl,-soname,libhakmem.so.1 -DKIND="$1" -o "$tree$lib" "$srcdir/tests/tools/crash.c"
}
cp "$HAK_LIBRARY" "$tree$lib"
chmod 755 "$tree$lib"
for object in $(ldd "$HAK_LIBRARY" | grep -o '/[^ ]*'); do
    [ -e "$tree$object" ] || { mkdir -p "$tree${object%/*}"; cp -L "$object" "$tree$object"; }
done
preload check -v --root "$tree" || fail "refused: $(cat "$work/out")"
says 'cat /etc/passwd: identical'
is_enabled 1
preload enable --canary --root "$tree" || fail "not enabled: $(cat "$work/out")"
says '^added /usr/lib/libhakmem.so.1 to '
is_enabled 0
preload enable --root "$tree"
says 'is already listed in'
preload disable --root "$tree"
is_enabled 1

# a path where $LIB leads goes by that name: known by asking the loader
libdir=$(inside sh -c 'LD_TRACE_LOADED_OBJECTS=1 ls' 2> "$work/out" | sed -n 's,.*=> \(.*\)/libc\.so.*,\1,p')
case $libdir in /lib/* | /lib64)
    mkdir -p "$tree/usr$libdir"
    cp "$tree$lib" "$tree/usr$libdir/libhakmem.so.1"
    "$hakmem" preload enable --canary --root "$tree" --library "/usr$libdir/libhakmem.so.1" > "$work/out"
    # shellcheck disable=SC2016
    [ "$(cat "$file")" = '/usr/$LIB/libhakmem.so.1' ] || fail "written as $(cat "$file")"
    is_enabled 0
    says "library: /usr$libdir/libhakmem"
    preload disable --root "$tree"
    # another file that some loader finds by it must be the library as well
    mkdir -p "$tree/usr/lib32"
    echo text > "$tree/usr/lib32/libhakmem.so.1"
    "$hakmem" preload enable --root "$tree" --library "/usr$libdir/libhakmem.so.1" > "$work/out" 2>&1
    says '/usr/lib32/libhakmem.so.1: not libhakmem'
    [ "$(cat "$file")" = "/usr$libdir/libhakmem.so.1" ] || fail "written as $(cat "$file")"
    preload disable --root "$tree"
    rm "$tree/usr$libdir/libhakmem.so.1" "$tree/usr/lib32/libhakmem.so.1" ;;
esac

echo '# others' > "$file"
for kind in crash:'killed by signal 11 with the library, exit status 0 without it' status:'exit status 77 with the library, exit status 0 without it' \
    noise:'standard error differs at byte 0' hang:'exceeded the time limit'; do
    install_kind "${kind%%:*}"
    refuses check --time-limit 1 --root "$tree"
    says "^hakmem: [a-z]* .*: ${kind#*:}"
    [ "${kind%%:*}" = hang ] || refuses enable --time-limit 1 --root "$tree"
    [ "$(cat "$file")" = '# others' ] || fail "$kind: written in spite of it"
done
# what only shows under the file itself is taken back, or told by status
install_kind late
preload check --root "$tree" || fail "shows too early: $(cat "$work/out")"
refuses enable --canary --root "$tree"
says 'killed by signal 11'
says 'restored, because programs fail'
[ "$(cat "$file")" = '# others' ] || fail "not put back: $(cat "$file")"
rm "$file"
refuses enable --canary --root "$tree"
[ ! -e "$file" ] || fail "not removed again"
no_left_overs "$tree"

# nothing runs any more
preload enable --no-check --root "$tree"
is_enabled 2
says 'error: sh: killed by signal 11'
if inside sh -c : 2> "$work/out"; then fail "runs in spite of it"; fi
if [ -x "$builddir/tools/hakmem-static" ]; then
    cp "$builddir/tools/hakmem-static" "$tree/hakmem-static"
    inside /hakmem-static preload disable > "$work/out" || fail "cannot be disabled from inside"
    inside sh -c : || fail "does not run again"
    preload enable --no-check --root "$tree"
else
    echo "left out: hakmem-static, since static programs cannot be linked"
fi
preload disable --root "$tree"
inside sh -c : || fail "does not run again"
# a library that is not one
echo text > "$tree$lib"
refuses enable --root "$tree"
says 'refused: not libhakmem: not an ELF shared library'

# killed with its programs: enable with check and canary
cp "$HAK_LIBRARY" "$tree$lib"
killed_within 12 "$old" "enable --canary --root $tree --library $lib"
