#!/bin/sh
# SPDX-License-Identifier: MIT
# What hakmem profile writes for pprof and as a flame graph, of a made-up profile, as other readers
# understand it; and what a command without zlib writes.
set -eu
fail() { echo "$1" >&2; exit 1; }
python3 -c 'import gzip, xml.etree.ElementTree' 2> /dev/null || { echo 'needs python3'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/demo"
: > "$work/libone.so"
# shows KIND FORMAT: what is written of this kind, as it is read, is the standard input
shows() {
    cat > "$work/expected"
    "$builddir/tests/tools/profile_output" "$1" "$work" > "$work/$1" || fail "$1: not written"
    "$builddir/tests/tools/profile_output" "$1" "$work" | cmp - "$work/$1" || fail "$1: differs from time to time"
    python3 "$srcdir/tests/tools/profile_output.py" "$2" "$work/$1" > "$work/read" || fail "$1: cannot be read"
    diff -u "$work/expected" "$work/read" >&2 || fail "$1: not as expected"
}

shows pprof pprof << 'END'
types alloc_objects/count alloc_space/bytes peak_objects/count peak_space/bytes inuse_objects/count inuse_space/bytes
default inuse_space period space/bytes 524288 duration 2500000000 time 0
drop malloc|calloc|realloc|reallocarray|memalign|aligned_alloc|posix_memalign|valloc|pvalloc|hak_.*|operator new.*
comment program: demo<&>
comment samples dropped: 3
mapping 400000-401000 demo 000102030405060708090a0b0c0d0e0f10111213 flags 1 1 1 1
mapping 7f0000001000-7f0000002000 libone.so 010003020504070609080b0a0d0c0f0e11101312 flags 1 0 0 0
mapping 7f0000101000-7f0000102000 libgone.so 010003020504070609080b0a0d0c0f0e11101312 flags 0 0 0 0
sample 0 0 0 0 1536 1572864 bytes=1000bytes thread=11
     make_item(item.h:7)+fill_list(demo.c:20)
     main(demo.c:40)
sample 0 0 0 0 512 524288 bytes=1000bytes thread=12
     make_item(item.h:7)+fill_list(demo.c:20)
     main(demo.c:40)
sample 4096 4194304 3072 3145728 0 0 bytes=1000bytes
     make_item(item.h:7)+fill_list(demo.c:20)
     main(demo.c:40)
sample 20480 1310720 0 0 20480 1310720 bytes=64bytes
     std::map<int, Order, std::less<int> >::operator[](int const&)(map.h:9)
     main(demo.c:44)
sample 0 0 0 0 1 1048576 bytes=1048576bytes thread=12
     bad</title><script>alert(1)</script><]]>"'&amp;????[31m?€
     one_open
     main(demo.c:40)
sample 1 1048576 1 1048576 0 0 bytes=1048576bytes
     bad</title><script>alert(1)</script><]]>"'&amp;????[31m?€
     one_open
     main(demo.c:40)
sample 8 524288 8 524288 8 524288 bytes=65536bytes
     libgone.so+0x50
     shop::(anonymous namespace)::Order::operator()<int>(int) const(demo.c:60)
     LLLLL*100000
     main(demo.c:40)
sample 4 262144 4 262144 4 262144 bytes=65536bytes
     main(demo.c:44)
sample 1 1024 1 1024 1 1024 bytes=1024bytes
     [unknown]
sample 1 100 1 100 1 100 bytes=100bytes
     [unknown]
     main(demo.c:44)
sample 7 7340032 0 0 0 0 bytes=1048576bytes
     one_open
     main(demo.c:40)
END

shows pprof-difference pprof << 'END'
types alloc_objects/count alloc_space/bytes peak_objects/count peak_space/bytes inuse_objects/count inuse_space/bytes
default inuse_space period space/bytes 524288 duration 2500000000 time 0
drop malloc|calloc|realloc|reallocarray|memalign|aligned_alloc|posix_memalign|valloc|pvalloc|hak_.*|operator new.*
comment program: demo<&>
comment samples dropped: 3
mapping 400000-401000 demo 000102030405060708090a0b0c0d0e0f10111213 flags 1 1 1 1
mapping 7f0000001000-7f0000002000 libone.so 010003020504070609080b0a0d0c0f0e11101312 flags 1 0 0 0
mapping 7f0000101000-7f0000102000 libgone.so 010003020504070609080b0a0d0c0f0e11101312 flags 0 0 0 0
mapping 400000-401000 demo 000102030405060708090a0b0c0d0e0f10111213 flags 1 1 1 1
mapping 7f0000001000-7f0000002000 libone.so 010003020504070609080b0a0d0c0f0e11101312 flags 1 0 0 0
mapping 7f0000101000-7f0000102000 libgone.so 010003020504070609080b0a0d0c0f0e11101312 flags 0 0 0 0
sample 4096 4194304 3072 3145728 2048 2097152 bytes=1000bytes
     make_item(item.h:7)+fill_list(demo.c:20)
     main(demo.c:40)
sample 20480 1310720 0 0 20480 1310720 bytes=64bytes
     std::map<int, Order, std::less<int> >::operator[](int const&)(map.h:9)
     main(demo.c:44)
sample 1 1048576 1 1048576 1 1048576 bytes=1048576bytes
     bad</title><script>alert(1)</script><]]>"'&amp;????[31m?€
     one_open
     main(demo.c:40)
sample 8 524288 8 524288 8 524288 bytes=65536bytes
     libgone.so+0x50
     shop::(anonymous namespace)::Order::operator()<int>(int) const(demo.c:60)
     LLLLL*100000
     main(demo.c:40)
sample 4 262144 4 262144 4 262144 bytes=65536bytes
     main(demo.c:44)
sample 1 1024 1 1024 1 1024 bytes=1024bytes
     [unknown]
sample 1 100 1 100 1 100 bytes=100bytes
     [unknown]
     main(demo.c:44)
sample 7 7340032 0 0 0 0 bytes=1048576bytes
     one_open
     main(demo.c:40)
sample -2048 -2097152 -1536 -1572864 -1024 -1048576 bytes=1000bytes pprof::base=true
     make_item(item.h:7)+fill_list(demo.c:20)
     main(demo.c:40)
sample -20480 -1310720 0 0 -20480 -1310720 bytes=64bytes pprof::base=true
     std::map<int, Order, std::less<int> >::operator[](int const&)(map.h:9)
     main(demo.c:44)
sample -2 -2097152 -2 -2097152 -2 -2097152 bytes=1048576bytes pprof::base=true
     bad</title><script>alert(1)</script><]]>"'&amp;????[31m?€
     one_open
     main(demo.c:40)
END

shows svg svg << 'END'
memory of <demo>
5.0 MiB in 22,543 blocks. Estimated from samples, one per 512.0 KiB allocated; 3 samples were dropped for lack of room.
legend Allocated by demo 70.0% libone.so 20.0% libgone.so 10.0% [no file] 0.0%
Boxes narrower than 0.1 pixels, not drawn: 1
box at 10.00 wide 1179.50: demo<&>
| demo<&>
| 5.0 MiB in 22,543 blocks, 100.0% of the total
  box at 10.00 wide 1179.27: main
  | main
  | 5.0 MiB in 22,542 blocks, 100.0% of the total
  | allocated directly: 256.0 KiB in 4 blocks
  | demo.c:40  3.5 MiB
  | demo.c:44  1.5 MiB
  | demo
    box at 10.00 wide 471.40: fill_list
    | fill_list
    | 2.0 MiB in 2,048 blocks, 40.0% of the total
    | demo.c:20
    | demo
      box at 10.00 wide 471.40: make_item
      | make_item
      | 2.0 MiB in 2,048 blocks, 40.0% of the total
      | item.h:7
      | demo
    box at 481.90 wide 294.44: std::map<>::operator[]()
    | std::map<int, Order, std::less<int> >::operator[](int const&)
    | 1.2 MiB in 20,480 blocks, 25.0% of the total
    | map.h:9
    | demo
    box at 776.84 wide 235.45: one_open
    | one_open
    | 1.0 MiB in 1 block, 20.0% of the total
    | libone.so
      box at 776.84 wide 235.45: bad<><>alert()<><>"'&amp;????[…
      | bad</title><script>alert(1)</script><]]>"'&amp;????[31m?€
      | 1.0 MiB in 1 block, 20.0% of the total
      | libone.so
    box at 1012.79 wide 117.47: LLLLLLLLLLLLLL…
    | LLLLL*400
    | 512.0 KiB in 8 blocks, 10.0% of the total
    | libone.so
      box at 1012.79 wide 117.47: …operator()<>(…
      | shop::(anonymous namespace)::Order::operator()<int>(int) const
      | 512.0 KiB in 8 blocks, 10.0% of the total
      | demo.c:60
      | demo
        box at 1012.79 wide 117.47: libgone.so+0x50
        | libgone.so+0x50
        | 512.0 KiB in 8 blocks, 10.0% of the total
        | libgone.so
  box at 1189.77 wide 0.23: 
  | [unknown]
  | 1.0 KiB in 1 block, 0.0% of the total
END

shows difference svg << 'END'
memory of <demo>
+769.1 KiB, +1,037 blocks. Estimated from samples, one per 512.0 KiB allocated.
legend grew shrank
Boxes narrower than 0.1 pixels, not drawn: 1
box at 10.00 wide 1179.50: demo<&>
| demo<&>
| +769.1 KiB, +1,037 blocks, 100.0% of all changes
| grew by 1.8 MiB, shrank by 1.0 MiB
  box at 10.00 wide 1179.08: main
  | main
  | +768.1 KiB, +1,036 blocks, 100.0% of all changes
  | grew by 1.8 MiB, shrank by 1.0 MiB
  | allocated directly: +256.0 KiB, +4 blocks
  | demo.c:40  +512.0 KiB
  | demo.c:44  +256.1 KiB
  | demo
    box at 10.00 wide 428.42: fill_list
    | fill_list
    | +1.0 MiB, +1,024 blocks, 36.3% of all changes
    | demo.c:20
    | demo
      box at 10.00 wide 428.42: make_item
      | make_item
      | +1.0 MiB, +1,024 blocks, 36.3% of all changes
      | item.h:7
      | demo
    box at 438.92 wide 428.42: one_open
    | one_open
    | -1.0 MiB, -1 block, 36.3% of all changes
    | libone.so
      box at 438.92 wide 428.42: bad</title><script>alert(1)</script><]]>"'&amp;????[31m?€
      | bad</title><script>alert(1)</script><]]>"'&amp;????[31m?€
      | -1.0 MiB, -1 block, 36.3% of all changes
      | libone.so
    box at 867.85 wide 213.96: LLLLLLLLLLLLLLLLLLLLLLLLLLL…
    | LLLLL*400
    | +512.0 KiB, +8 blocks, 18.2% of all changes
    | libone.so
      box at 867.85 wide 213.96: …Order::operator()<>() const
      | shop::(anonymous namespace)::Order::operator()<int>(int) const
      | +512.0 KiB, +8 blocks, 18.2% of all changes
      | demo.c:60
      | demo
        box at 867.85 wide 213.96: libgone.so+0x50
        | libgone.so+0x50
        | +512.0 KiB, +8 blocks, 18.2% of all changes
        | libgone.so
  box at 1189.58 wide 0.42: 
  | [unknown]
  | +1.0 KiB, +1 block, 0.0% of all changes
END

shows empty svg << 'END'
memory of <demo>
0 B in 0 blocks. Estimated from samples, one per 512.0 KiB allocated; 3 samples were dropped for lack of room.
No memory was sampled.
END

# dump NAME BLOCKS BYTES: a file in jemalloc's format with one stack
dump() {
    printf 'heap_v2/1\n  t*: %s: %s [0: 0]\n@ 0x1000 0x2000\n  t*: %s: %s [0: 0]\n\nMAPPED_LIBRARIES:\n' \
        "$2" "$3" "$2" "$3" > "$work/$1.heap"
}
# changes FROM TO TEXT: what the difference of two such files is said to be
changes() {
    "$builddir/tools/hakmem" profile --diff "$work/$1.heap" "$work/$2.heap" > "$work/read"
    sed -n 2p "$work/read" | grep -qF -- "$3. " || fail "$1 to $2: not $3"
}
dump many 100 10240
dump large 10 20480
dump less 50 5120
changes many large '+10.0 KiB in -90 blocks'
changes large many '-10.0 KiB in +90 blocks'
changes many less '-5.0 KiB in -50 blocks'
changes less many '+5.0 KiB in +50 blocks'
changes many many '+0 B in +0 blocks'

! command -v node > /dev/null || node --check "$srcdir/tools/profile_svg.js" || fail 'the script is none'

for kind in pprof svg; do
    ! "$builddir/tests/tools/profile_output" $kind "$work" > /dev/full || fail "$kind: a full disk goes unnoticed"
done

for size in 0 1 65535 65536 200000; do
    yes hakmem | head -c $size > "$work/plain"
    "$builddir/tests/tools/gzip" < "$work/plain" | gzip -dc | cmp - "$work/plain" ||
        fail "$size bytes, stored: not unpacked"
done
