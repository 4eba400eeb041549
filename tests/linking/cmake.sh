#!/bin/sh
# SPDX-License-Identifier: MIT
# The example builds with CMake.
# shellcheck disable=SC2154
. "$srcdir/tests/linking/common.sh"
command -v cmake > /dev/null || skip "needs cmake"
cd "$work"
[ "$module" = hakmem ] || sed -i "s/hakmem>=/$module>=/" CMakeLists.txt
{ cmake -B built && cmake --build built; } > log 2>&1 || { cat log; fail "does not build"; }
in_use built/program

# a program that calls nothing of the library by name, by a linker that leaves out what is not needed
mkdir quiet
mv quiet.c quiet/
cat > quiet/CMakeLists.txt << END
cmake_minimum_required(VERSION 3.13)
project(quiet C)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HAKMEM REQUIRED IMPORTED_TARGET $module)
foreach(name target flags)
    add_executable(\${name} quiet.c)
    target_link_libraries(\${name} PRIVATE \${CMAKE_DL_LIBS})
endforeach()
target_link_libraries(target PRIVATE PkgConfig::HAKMEM)
target_link_libraries(flags PRIVATE \${HAKMEM_LDFLAGS})
END
{ cmake -S quiet -B built/quiet -DCMAKE_EXE_LINKER_FLAGS=-Wl,--as-needed &&
    cmake --build built/quiet; } > log 2>&1 || { cat log; fail "quiet: does not build"; }
said=$(built/quiet/flags)
[ "$said" = "in use" ] || fail "quiet: malloc is in $said"
echo "by the imported target: $(built/quiet/target)"
