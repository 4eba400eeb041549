#!/bin/sh
# SPDX-License-Identifier: MIT
# CPython's own tests, with every object allocated by malloc.
. "$(dirname "$0")/common.sh"
packages='libpython3.11-testsuite'
about='tests of threads, processes, signals, ctypes, multiprocessing, objects; PYTHONMALLOC=malloc'
limit=700

# how each test ended, out of the JUnit file; of one that is not ok its first words
outcomes() {
    python3.11 - "$1" << 'END'
import sys, xml.etree.ElementTree as tree
for case in tree.parse(sys.argv[1]).iter('testcase'):
    kinds = [child.tag for child in case if child.tag in ('failure', 'error', 'skipped')]
    print(case.get('classname', ''), case.get('name'), *(kinds or ['ok']))
END
}
work() {
    cat > maps.py << 'END'
print(open('/proc/self/maps').read())
END
    under python3.11 maps.py > maps.log
    mapped_text maps.log
    mkdir place
    own place
    status=0
    under env PYTHONMALLOC=malloc PYTHONHASHSEED=1 python3.11 -m test -j2 --timeout 300 --tempdir "$work/place" \
        --junit-xml "$work/tmp/results.xml" \
        test_threading test_thread test_threading_local test_subprocess test_signal test_fork1 test_ctypes \
        test_multiprocessing_fork test_gc test_mmap test_memoryview test_bytes test_list test_dict test_zlib \
        > tests.log 2>&1 || status=$?
    result "exit $status"
    outcomes tmp/results.xml | sort >> result
    note "$(grep -c ' ok$' result) tests ok, $(grep -c ' skipped$' result) skipped," \
        "$(grep -c -e ' failure$' -e ' error$' result || true) fail both times"
}
suite "$@"
