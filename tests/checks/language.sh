#!/bin/sh
# SPDX-License-Identifier: MIT
# Text for people has no phrases of language.phrases and no misspelt words: pages, manual pages, NEWS, and
# what commands print with --help. language.words has words that codespell takes for misspelt.
# shellcheck disable=SC2016,SC2154
set -eu
checks=$srcdir/tests/checks
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }

# the help of the command, of its subcommands, and of scripts
mkdir "$work/help"
help_of() {
    name=$1
    shift
    env -u HAK_LIBRARY "$@" --help < /dev/null > "$work/help/$name" 2>&1 || true
    [ -s "$work/help/$name" ] || fail "$* --help says nothing"
}
help_of hakmem "$builddir/tools/hakmem"
for source in "$srcdir"/tools/cmd_*.c; do
    name=${source##*/cmd_}
    echo "${name%.c}" | tr _ -
done > "$work/subcommands"
while read -r subcommand; do
    help_of "hakmem-$subcommand" "$builddir/tools/hakmem" "$subcommand"
done < "$work/subcommands"
for script in bootstrap bench/compare bench/instructions bench/memory bench/real bench/scaling model/run \
    tests/readme tests/external/run tests/packages/debian tests/packages/rpm; do
    help_of "$(echo "$script" | tr / -)" "$srcdir/$script"
done
for script in "$srcdir"/tools/dev/*; do
    case ${script##*/} in check-language | *.*) continue ;; esac
    help_of "dev-${script##*/}" "$script"
done

"$srcdir/tools/dev/check-language" "$srcdir" "$work"/help/* || exit 1

# phrases are found in every kind of text, also over the end of a line, and not in code
mkdir -p "$work/tree/tests/checks" "$work/tree/man"
cp "$checks/language.phrases" "$work/tree/tests/checks/"
# finds PHRASE FILE TEXT
finds() {
    printf '%b\n' "$3" > "$work/tree/$2"
    if "$srcdir/tools/dev/check-language" "$work/tree" > "$work/out"; then fail "not found in $2: $3"; fi
    grep -q "^$2:[0-9]*: '$1': " "$work/out" || fail "not said of $2: $1; but: $(cat "$work/out")"
    rm "$work/tree/$2"
}
finds 'looks whether' README.md 'It looks\nwhether the records agree.'
finds 'for want of' man/some.1 '.Nm\ngives up for want\nof room.'
finds 'for good' NEWS '- the option is gone for good'
finds 'has no such library' README.md '| the file has no such library |'
finds 'mended' README.md '- a fault was mended'
finds 'for who' README.md 'The contents are for who knows.'
finds 'is asked of' README.md 'Nothing is asked of the process.'
finds 'runs with more rights' man/some.8 'A program that runs with\nmore rights than its user.'
printf '`for good` is code\n\n    so is for good\n' > "$work/tree/README.md"
"$srcdir/tools/dev/check-language" "$work/tree" || fail "found in code"

command -v codespell > /dev/null || { echo "skipped: no codespell"; exit 77; }
# spelling FILE ...
spelling() { codespell --disable-colors -I "$checks/language.words" "$@"; }
cd "$work"
"$srcdir/tools/dev/check-language" --list "$srcdir" | sed "s|^|$srcdir/|" > "$work/texts"
set --
while read -r text; do set -- "$@" "$text"; done < "$work/texts"
spelling "$@" "$work"/help/* || fail "misspelt"
echo 'Recieve a block.' > "$work/wrong"
if spelling "$work/wrong" > "$work/out"; then fail "codespell finds nothing"; fi
