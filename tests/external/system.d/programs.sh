#!/bin/sh
# SPDX-License-Identifier: MIT
# programs.sh DIR: writes what programs of this system write, a file each, the same at each run.
set -u
export LC_ALL=C PYTHONMALLOC=malloc TZ=UTC0
rm -rf "$1"
mkdir -p "$1"
output=$(cd "$1" && pwd)
cd "$(mktemp -d)" || exit 1

show() {
    name=$1
    shift
    "$@" > "$output/$name" 2>&1
    echo "exit status $?" >> "$output/$name"
}

awk 'BEGIN { srand(3); for (i = 0; i < 60000; i++) print int(rand() * 1e9), "line", i }' > lines
cat > unit.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    char *whole = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&whole, &size);
    for (int i = 0; i < 3000; i++) {
        char *word = malloc((size_t)i + 8);
        sprintf(word, "%d ", i);
        fputs(word, stream);
        free(word);
    }
    fclose(stream);
    puts(whole);
    free(whole);
    return 0;
}
END
cat > unit.cc <<'END'
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>
int main()
{
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < 20000; i++)
        map[std::to_string(i % 700)].push_back(i);
    std::vector<std::thread> threads;
    std::vector<long> sums(4);
    for (int t = 0; t < 4; t++)
        threads.emplace_back([t, &map, &sums] {
            for (auto copy : map)
                for (int v : copy.second)
                    sums[t] += v % (t + 2);
        });
    for (auto &thread : threads)
        thread.join();
    try {
        throw std::runtime_error("caught");
    } catch (const std::exception &e) {
        std::cout << e.what() << "\n";
    }
    for (long sum : sums)
        std::cout << sum << "\n";
}
END
cat > unit_test.py <<'END'
import ctypes, io, json, multiprocessing, re, subprocess, sys, threading, unittest, zlib

class Memory(unittest.TestCase):
    def test_json(self):
        data = {str(i): list(range(i % 50)) for i in range(5000)}
        self.assertEqual(json.loads(json.dumps(data)), data)
    def test_threads(self):
        results = []
        def work(n):
            results.append(len(b"".join(bytes([n]) * i for i in range(1500))))
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for t in threads: t.start()
        for t in threads: t.join()
        self.assertEqual(results, [1124250] * 8)
    def test_processes(self):
        with multiprocessing.Pool(3) as pool:
            self.assertEqual(sum(pool.map(abs, range(-500, 0))), 125250)
    def test_subprocess(self):
        self.assertEqual(subprocess.check_output(["echo", "heard"]), b"heard\n")
    def test_zlib(self):
        text = b"abc" * 100000
        self.assertEqual(zlib.decompress(zlib.compress(text)), text)
    def test_ctypes(self):
        libc = ctypes.CDLL(None)
        libc.strdup.restype = ctypes.c_void_p
        copy = libc.strdup(b"copied")
        self.assertEqual(ctypes.string_at(copy), b"copied")
        libc.free(ctypes.c_void_p(copy))
    def test_regex(self):
        self.assertEqual(len(re.findall(r"(a|b)+c", "abac" * 20000)), 20000)

if __name__ == "__main__":
    result = unittest.TextTestRunner(stream=io.StringIO()).run(
        unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
    print(result.testsRun, "run", len(result.failures), "failed", len(result.errors), "errors")
    for _, text in result.failures + result.errors: print(text)
END

show sort sort -n lines
show sort-threads sort --parallel=4 -S 1M -k3 lines
# shellcheck disable=SC2016
show awk awk '{ s[$1 % 1000] = s[$1 % 1000] $3 } END { for (i = 0; i < 1000; i++) print length(s[i]) }' lines
show sed sed -e 's/line/LINE/;n;d' lines
show grep grep -cE '(1|2)+[0-9]*7 line' lines
show find find /usr/share/perl5 /usr/lib/gcc -printf '%p %s %m\n'
show tar tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 lines unit.c
show gzip gzip -nc lines
show bzip2 bzip2 -c lines
show xz xz -T2 -c lines
show sha256 sha256sum lines unit.c
show diff diff unit.c unit.cc
show iconv iconv -f UTF-8 -t UTF-16LE unit.c
show od od -A d -t x2 unit.c
show factor factor 340282366920938463463374607431768211455
# shellcheck disable=SC2016
show dash sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); v=$v$i; done; echo "$v"'
# shellcheck disable=SC2016
show bash bash -c 'declare -A m; for i in {1..5000}; do m[k$i]=$i; done; echo "${#m[@]}"; for i in {1..50}; do (echo "$i" | cat); done'
# shellcheck disable=SC2016
show perl perl -ne '$h{$_ % 5000} .= $_; END { print length($h{$_}), "\n" for sort { $a <=> $b } keys %h }' lines
# shellcheck disable=SC2016
show perl-fork perl -e 'for (1 .. 20) { my $p = fork; exit $_ unless $p; waitpid $p, 0; print $? >> 8, "\n" }'
show python3 python3 unit_test.py
show gcc gcc -O2 -S -o - unit.c
show gcc-run sh -c 'gcc -O2 -o unit unit.c && ./unit'
show g++ g++ -O2 -S -o - unit.cc
show g++-run sh -c 'g++ -O2 -pthread -o unit++ unit.cc && ./unit++'
show static sh -c 'gcc -O2 -static -o unit-static unit.c && ./unit-static'
show make sh -c 'printf "a: b c\n\techo a\nb c:\n\techo $@\n" > m; make -s -j2 -f m'
show dpkg dpkg -s libc6
show dpkg-verify dpkg --verify coreutils
show apt-cache apt-cache show --no-all-versions coreutils
show getent getent passwd root
show ldconfig ldconfig --version
show date date -u -d @0
show setuid su --shell /bin/sh daemon -c 'id -un'
