#!/bin/sh
# SPDX-License-Identifier: MIT
# Forks with OpenBLAS, OpenSSL and GLib at work, and Python's multiprocessing by fork: as on libc.
. "${srcdir:?}/tests/traps/common.sh"
compile known atfork-known.c -ldl
command -v python3 > /dev/null || skip "no python3"
cat > "$WORK/pool.py" << 'END'
import multiprocessing, threading

def work(n):
    return sum(len(str(i) * 40) for i in range(n))

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    stop = threading.Event()
    def churn():
        while not stop.is_set():
            work(2000)
    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        with context.Pool(3) as pool:
            assert pool.map(work, range(200)) == [work(n) for n in range(200)]
    stop.set()
    for thread in threads:
        thread.join()
END
for library in openblas openssl glib; do
    run '' "$WORK/known" "$library"
    [ "$STATUS" -ne 77 ] || skip "$(cat "$WORK/said")"
    passes "libc, $library" '' "$WORK/known" "$library"
    passes "libhakmem, $library" "$HAK_LIBRARY" "$WORK/known" "$library"
done
passes 'libc, multiprocessing' '' env PYTHONMALLOC=malloc python3 "$WORK/pool.py"
passes 'libhakmem, multiprocessing' "$HAK_LIBRARY" env PYTHONMALLOC=malloc python3 "$WORK/pool.py"
