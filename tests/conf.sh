#!/bin/sh
# SPDX-License-Identifier: MIT
# The configuration file: options and excluded programs; what is wrong is reported by line.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
file=$work/hakmem.conf
export HAKMEM_CONF_FILE="$file"
victim() { LD_PRELOAD=$HAK_LIBRARY perl -e 'my %h = map { $_ => "x" x $_ } 1 .. 2000; print STDERR "";' 2>&1 |
    sed 's/^hakmem\[perl:[1-9][0-9]*\]: /hakmem[perl]: /'; }

# none is no matter, nor is one that cannot be read, nor a directory or a pipe
[ -z "$(victim)" ] || fail "says something without a file"
mkdir "$file"
[ -z "$(victim)" ] || fail "says something about a directory"
rmdir "$file"
mkfifo "$file"
[ -z "$(victim)" ] || fail "says something about a pipe"
rm "$file"

printf '%s\n' '# a comment' '' '   # another' 'retain_min = 1M' 'no_such = 1' 'just words' \
    'cache_max=zz' '	decay_ms	=	5	' '=' 'stats=text' > "$file"
expected="hakmem[perl]: $file:5: unknown option 'no_such'; ignored
hakmem[perl]: $file:6: no '=' in 'just words'; ignored
hakmem[perl]: $file:7: invalid value 'zz' for option cache_max (allowed: 0 to 1G); using 16M
hakmem[perl]: $file:9: unknown option ''; ignored"
got=$(victim)
case $got in "$expected
hakmem "*) ;; *) fail "wrong reports: $got" ;; esac
[ "$(HAKMEM_CONF=stats=none victim)" = "$expected" ] || fail "the environment has not the last word"

# a last line without an end, lines that end as elsewhere
printf 'decay_ms=1\r\nno_such=2' > "$file"
[ "$(victim)" = "hakmem[perl]: $file:2: unknown option 'no_such'; ignored" ] || fail "wrong about line ends: $(victim)"

for words in perl 'a perl' 'cat,perl,sh' "$(command -v perl)"; do
    printf 'stats=text\nexclude = cat\nexclude = %s\n' "$words" > "$file"
    [ -z "$(victim)" ] || fail "not excluded by '$words'"
done
for words in '' per perl5 /no/where/perl cat; do
    printf 'stats=text\nexclude = %s\n' "$words" > "$file"
    [ -n "$(victim)" ] || fail "excluded by '$words'"
done

# a script is named by its own path
printf '#!%s\nprint STDERR "";\n' "$(command -v perl)" > "$work/script"
chmod +x "$work/script"
printf 'stats=text\nexclude = script\n' > "$file"
[ -z "$(LD_PRELOAD=$HAK_LIBRARY "$work/script" 2>&1)" ] || fail "a script is not excluded by its name"
printf 'stats=text\nexclude = perl\n' > "$file"
[ -n "$(LD_PRELOAD=$HAK_LIBRARY "$work/script" 2>&1)" ] || fail "a script is excluded by its interpreter's name"

awk 'BEGIN { for (i = 0; i < 3000; i++) print "# 0123456789" }' > "$file"
[ "$(victim)" = "hakmem[perl]: $file: longer than 32 KiB; ignored" ] || fail "wrong about a long file: $(victim)"

# a tree of processes reports a file once: its first process does, until the file changes
printf 'no_such=3\n' > "$file"
reports() {
    got=$(LD_PRELOAD=$HAK_LIBRARY sh -c "$2" 2>&1 | grep -c "$file.*:1: unknown option") || true
    [ "$got" = "$1" ] || fail "'$2': $got reports, not $1"
}
reports 1 'sh -c "perl -e 1; :"; (perl -e 1; sh -c "perl -e 1; :"; :); sh -c "exec perl -e 1"; :'
reports 2 "sh -c 'perl -e 1; :'; echo no_such=4 > '$file'; sh -c 'perl -e 1; :'; :"
reports 2 "mv '$file' '$file.old'; cp '$file.old' '$file'; sh -c 'perl -e 1; :'; :"
reports 2 "sh -c 'perl -e 1; :'; HAKMEM_CONF_FILE='$file.old'; sh -c 'perl -e 1; :'; :"
if command -v setsid > "$work/out"; then
    # a service or a login says it again
    reports 2 "setsid -w sh -c 'perl -e 1; :'; :"
fi
