#!/bin/sh
# SPDX-License-Identifier: MIT
# What the commands of the README and of the guides name is there: commands, their subcommands and
# options, files.
# tests/readme runs them all in a fresh tree. And every script for people has a help.
# shellcheck disable=SC2016,SC2154
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }
"$srcdir/tests/readme" --list "$srcdir/README.md" > "$work/commands"
[ "$(wc -l < "$work/commands")" -gt 20 ] || fail "the README has hardly any commands"

# has_options HELP COMMAND: each option of the command stands in the help
has_options() {
    printf '%s\n' "$2" | tr ' ' '\n' | sed -n 's/^\(--*[a-z][a-z]*\).*/\1/p' > "$work/options"
    while read -r option; do
        grep -q -e "$option\\>" "$1" || fail "$2: $option is not in the help: $(cat "$1")"
    done < "$work/options"
}

# check COMMAND WORD ...: a command of the README and the words of it
check() {
    command=$1
    shift
    case $1 in
    ./bootstrap)
        "$srcdir/bootstrap" "$2" --help > "$work/help" || fail "$command: no bootstrap $2"
        ;;
    bench/* | tools/dev/*)
        [ -x "$srcdir/$1" ] || fail "$command: no $1"
        "$srcdir/$1" --help > "$work/help" || fail "$command: no help"
        has_options "$work/help" "$command"
        ;;
    hakmem | hakmem-static)
        "$builddir/tools/hakmem" "$2" --help > "$work/help" || fail "$command: no hakmem $2"
        has_options "$work/help" "$command"
        ;;
    esac
}
while IFS= read -r command; do
    set -f
    # shellcheck disable=SC2086
    check "$command" $command
    set +f
done < "$work/commands"
echo "$(wc -l < "$work/commands") commands"

# guide_commands FILE: what a guide has people type; of what runs another program only the options of run
guide_commands() {
    sed -n '/^    hakmem\(\[.*\]\)\{0,1\}: /d; s/^    \([$#] \)\{0,1\}\(.* \)\{0,1\}\(hakmem\(-static\)\{0,1\} [a-z].*\)/\3/p' "$1" |
        sed 's/  *#.*//; s/ [|&>].*//; s/^\(hakmem run\( --conf [^ ]*\| -[^ ]*\)*\).*/\1/; s/ --conf [^ ]*/ --conf/'
}
for guide in "$srcdir"/doc/guides/*.md; do
    guide_commands "$guide"
done > "$work/guides"
[ "$(wc -l < "$work/guides")" -gt 50 ] || fail "the guides have hardly any commands"
while IFS= read -r command; do
    set -f
    # shellcheck disable=SC2086
    check "$command" $command
    set +f
done < "$work/guides"
echo "$(wc -l < "$work/guides") commands of guides"

cd "$srcdir"
for script in bootstrap bench/compare bench/instructions bench/memory bench/real bench/scaling \
    model/run tests/readme tests/faults/sites tests/external/system tests/external/[a-b]*.sh \
    tests/external/run tests/packages/debian tests/packages/rpm tests/checks/configure.sh \
    tools/dev/*; do
    env -u HAK_LIBRARY "./$script" --help < /dev/null > "$work/help" 2>&1 ||
        fail "$script --help: exit status $?: $(cat "$work/help")"
    [ -s "$work/help" ] || fail "$script --help says nothing"
done

# one that is wrong is noticed
for wrong in 'hakmem start' 'hakmem run --stat-tistics x' './bootstrap chekc' 'bench/contrast' \
    'bench/compare --every'; do
    # shellcheck disable=SC2086
    if (check "$wrong" $wrong) > "$work/out" 2>&1; then fail "not noticed: $wrong"; fi
done

# files and folders in the text
sed -n 's/^    .*//; s/`\([^` ]*\)`/\n\1\n/gp' "$srcdir/README.md" |
    grep -E '^(bench|doc|tools)/[^ ]*$|^[A-Z]+\.md$|^COPYING$' > "$work/files"
while read -r file; do
    [ -e "$srcdir/$file" ] || fail "the README names $file, which is not there"
done < "$work/files"
