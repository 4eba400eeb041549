#!/bin/sh
# SPDX-License-Identifier: MIT
# Pages for developers agree with the tree: the picture of doc/architecture.md, the index of
# decisions, links, names of files and functions, and the targets of make help.
# shellcheck disable=SC2016,SC2154
set -eu
tools=$srcdir/tools/dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }

# pages TREE: all of them
pages() { (cd "$1" && find ./*.md doc .github lib/README.md -name '*.md' | sed 's|^\./||' | sort); }

# links TREE: every link of a page to a file leads to one
links() {
    for page in $(pages "$1"); do
        sed 's/`[^`]*`//g' "$1/$page" | grep -o '](\([^)]*\))' | sed 's/^](//; s/)$//; s/#.*//' |
            while read -r target; do
                case $target in '' | *:*) continue ;; esac
                [ -e "$1/$(dirname "$page")/$target" ] || echo "$page: link to $target, which is not there"
            done
    done
}

# names TREE: files that pages for developers name in code style are there, and so are functions
names() {
    for page in HACKING.md CONTRIBUTING.md doc/architecture.md; do
        sed 's/`\([^` ]*\)`/\n\1\n/g' "$1/$page" | grep -E '^[a-z0-9_./-]*(/|\.(c|h|def|sh|md))[a-z0-9_.-]*$' |
            sort -u | while read -r name; do
                case $name in */NAME* | *_NAME*) continue ;; esac
                [ -e "$1/$name" ] || [ -e "$1/$name.c" ] || [ -e "$1/lib/$name" ] || [ -e "$(find "$1/lib" -name "$name" | head -n 1)" ] ||
                    echo "$page: names $name, which is not there"
            done
    done
    for page in HACKING.md doc/architecture.md doc/atomic-freelists.md doc/slab-states.md; do
        grep -o '\(hak__\|slab_freelist_\)[a-z0-9_]*[a-z0-9]\>' "$1/$page" | sort -u | while read -r name; do
            [ "$name" = hak__module_verb ] || grep -rqw "$name" "$1/lib" || echo "$page: names $name, which is not in lib/"
        done
    done
}

# decisions TREE: each page has one row of the index, with the marks of the page
decisions() {
    for page in "$1"/doc/decisions/0*.md; do
        name=${page##*/}
        row=$(grep "^| \[[0-9]*\]($name) |" "$1/doc/decisions/README.md") || { echo "$name: not in the index"; continue; }
        marks=$(awk '/^\*\*Superseded/ { inside = 1; next } inside && !/^(- |  |$)/ { exit } inside' "$page" |
            grep -o '\[0[0-9]*\](' | tr -d '[](' | sed 's/^0*//' | sort -nu | paste -sd, - | sed 's/,/, /g')
        case $row in
        *"| ${marks:+$marks }|") ;;
        *) echo "$name: the index does not have its marks: $marks" ;;
        esac
    done
}

# clean CHECK TREE
clean() {
    "$1" "$2" > "$work/out"
    [ ! -s "$work/out" ] || { cat "$work/out"; exit 1; }
}
# catches TEXT CHECK TREE
catches() {
    "$2" "$3" > "$work/out"
    grep -q -e "$1" "$work/out" || fail "not caught by $2: $1; it says: $(cat "$work/out")"
}
"$tools/draw-layers" --check "$srcdir"
clean links "$srcdir"
clean names "$srcdir"
clean decisions "$srcdir"

# make help lists rules of the Makefile only, and all that the project adds for people
make -s --no-print-directory -C "$builddir" help > "$work/help"
[ "$(wc -l < "$work/help")" -gt 8 ] || fail "make help says: $(cat "$work/help")"
while read -r target text; do
    grep -qE "^([^:#]* )?$target( [^:]*)?:" "$builddir/Makefile" || fail "make help lists $target, which is no target ($text)"
done < "$work/help"
for target in check-readme check-packages check-external check-configurations release-check record-abi; do
    grep -q "^$target " "$work/help" || fail "make help does not list $target"
done

# each check can fail
mkdir "$work/tree"
for part in lib doc .github tests tools model man include bench HACKING.md CONTRIBUTING.md; do
    cp -R "$srcdir/$part" "$work/tree/"
done
chmod -R u+w "$work/tree"
tree=$work/tree
echo 'void hak__fresh(void) { hak__text_abort(NULL); hak__misuse(NULL, NULL, NULL, 0); }' >> "$tree/lib/base/bits.h"
if "$tools/draw-layers" --check "$tree" > "$work/out"; then fail "a call upwards is not in the picture"; fi
grep -q ' ·  .*\[ base  \]' "$work/out" || fail "the call upwards is not drawn: $(cat "$work/out")"
"$tools/draw-layers" --update "$tree"
"$tools/draw-layers" --check "$tree"
echo 'See [there](nowhere.md).' >> "$tree/doc/architecture.md"
catches 'link to nowhere.md' links "$tree"
echo 'See `page/nowhere.c` and `hak__nowhere`.' >> "$tree/HACKING.md"
catches 'names page/nowhere.c' names "$tree"
catches 'names hak__nowhere' names "$tree"
echo '# 99. New' > "$tree/doc/decisions/0099-new.md"
catches '0099-new.md: not in the index' decisions "$tree"
sed '/^| \[1\]/s/| 12 |/| |/' "$tree/doc/decisions/README.md" > "$work/index"
cp "$work/index" "$tree/doc/decisions/README.md"
catches '0001-.*: the index' decisions "$tree"
