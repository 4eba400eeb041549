#!/bin/sh
# SPDX-License-Identifier: MIT
# man-db: pages through its sandboxed pipelines, a database of a tree of pages, look-ups in it.
. "$(dirname "$0")/common.sh"
packages='man-db groff-base bsdutils'
about='man -l of pages in its seccomp sandbox, mandb of a tree of 300 pages, whatis and apropos'

work() {
    mkdir -p tree/man1 tree/man3 pages
    for n in $(seq 300); do
        printf '.TH WORK%s 1\n.SH NAME\nwork%s \\- does work of kind %s\n.SH TEXT\n' "$n" "$n" $((n % 17))
        printf '.TP\n.B option%s\nA paragraph about it that is filled by the formatter.\n' 1 2 3 4 5
    done > all
    awk '/^\.TH/ { close(f); f = "tree/man1/" tolower($2) ".1" } { print > f }' all
    gzip tree/man1/work1*.1
    cp tree/man1/work2.1 tree/man1/work1.1.gz pages
    own tree pages
    for page in "$here/../../man"/hakmem.* pages/*; do
        result "$(under env MANWIDTH=80 MANPAGER=cat man -P cat -l "$page" 2>> man.log | cksum)"
    done
    result "$(under mandb -c "$work/tree" 2>&1 | grep -c 'added\|done' || true)"
    for word in work7 work123 'kind 3' formatter; do
        result "$word: $(under whatis -M "$work/tree" "$word" 2>&1 | sort)"
        result "$word: $(under apropos -M "$work/tree" "$word" 2>&1 | sort | cksum)"
    done
    result "$(under man -M "$work/tree" -w work250 2>&1)"
    # the pager tells what it has mapped; man starts one on a terminal only
    cat > pager << END
#!/bin/sh
cat /proc/self/maps > '$work/tmp/maps'
cat > /dev/null
END
    chmod 755 pager
    own tmp
    under script -qec "man -P $work/pager -l pages/work2.1" tmp/typescript >> man.log 2>&1
    mapped_text tmp/maps
}
suite "$@"
