#!/bin/sh
# SPDX-License-Identifier: MIT
# gcc and make: this library itself, configured and built twice; the same objects come out.
. "$(dirname "$0")/common.sh"
packages='gcc make autoconf automake libtool pkg-config'
about='libhakmem configured and built by make -j2; objects compared'
limit=400

work() {
    mkdir source object
    (cd "$here/../.." && tar -c --exclude=./build --exclude=./.git --exclude=./autom4te.cache .) | tar -x -C source
    own source object
    cd source
    under autoreconf -fi > ../autoreconf.log 2>&1
    cd ../object
    under ../source/configure -q --disable-static CFLAGS='-O2 -g0' > ../configure.log 2>&1
    # the second word of a maps line is all that make itself has to show
    under make -s -j2 > ../make.log 2>&1
    under make -s -f - maps > ../maps.log << 'END'
maps:
	@cat /proc/self/maps
END
    cd ..
    mapped_text maps.log
    for file in $(find object -name '*.o' | sort); do result "$file $(cksum < "$file")"; done
    note "$(wc -l < result) of them"
}
suite "$@"
