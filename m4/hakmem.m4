# SPDX-License-Identifier: MIT

# HAK_REPRODUCIBLE_DIST: the same tree makes the same archive, byte for byte, wherever and whenever.
# Its time is SOURCE_DATE_EPOCH, else that of the last commit, else that of configure.ac.
AC_DEFUN([HAK_REPRODUCIBLE_DIST], [
    hak_tar_time='@$${SOURCE_DATE_EPOCH:-`{ test -e $(srcdir)/.git && git -C $(srcdir) log -1 --format=%ct; } 2>/dev/null || stat -c %Y $(srcdir)/configure.ac`}'
    am__tar='LC_ALL=C $${TAR-tar} --format=ustar --sort=name --owner=0 --group=0 --numeric-owner'
    am__tar="$am__tar --mode=u+rw,go=rX --mtime=$hak_tar_time -chf - \"\$\$tardir\""
])

# HAK_BUILD_PATH: the tests and tools preload the library from the folder of the build, and the
# loader separates the names in LD_PRELOAD at spaces and colons.
AC_DEFUN([HAK_BUILD_PATH], [
    hak_place=`pwd`
    AS_CASE([$hak_place], [*[[:\ ]]*],
        [AC_MSG_ERROR([the path '$hak_place' contains a space or a colon, which LD_PRELOAD cannot carry: build in another folder])])
])

# HAK_SYSTEM: the library is made for Linux and the GNU C library.
AC_DEFUN([HAK_SYSTEM], [
    AC_REQUIRE([AC_CANONICAL_HOST])
    AS_CASE([$host_os],
        [linux-musl*|linux-uclibc*|linux-android*],
            [AC_MSG_ERROR([$host: the library replaces the malloc of the GNU C library, and this system has another C library])],
        [linux*], [],
        [AC_MSG_ERROR([$host: the library is for Linux])])
    AC_CACHE_CHECK([for the GNU C library], [hak_cv_glibc],
        [AC_PREPROC_IFELSE([AC_LANG_SOURCE([[#include <stdlib.h>
#ifndef __GLIBC__
#error another C library
#endif]])], [hak_cv_glibc=yes], [hak_cv_glibc=no])])
    AS_IF([test "x$hak_cv_glibc" = xno],
        [AC_MSG_ERROR([$CC has another C library than that of GNU, whose malloc this library replaces])])
])

# HAK_COMBINATIONS: choices that contradict each other.
AC_DEFUN([HAK_COMBINATIONS], [
    AS_IF([test "x$enable_shared" = xno],
        [AC_MSG_ERROR([--disable-shared: the shared library is always built; link with libhakmem.a, which is built beside it, for a static program])])
    AS_IF([test "x$enable_debug$enable_checks" = xyesno],
        [AC_MSG_ERROR([--disable-checks: the debug variant of --enable-debug consists of checks])])
    AS_IF([test "x$enable_hardened" = xyes], [
        AS_IF([test "x$enable_debug" = xyes],
            [AC_MSG_ERROR([--enable-hardened: the debug variant of --enable-debug is another one])])
        AS_IF([test "x$enable_checks" = xno],
            [AC_MSG_ERROR([--disable-checks: the hardened variant of --enable-hardened checks every block])])
        AS_IF([test "x$with_annotations" = xyes],
            [AC_MSG_ERROR([--with-annotations: the hardened variant uses all bytes of a block])])])
    AS_IF([test "x$with_freelist$with_sanitizer" = xplainthread],
        [AC_MSG_ERROR([--with-sanitizer=thread: a library built --with-freelist=plain is for one thread])])
])

# HAK_ADD_FLAG(VARIABLE, FLAG): appends a flag that the compiler takes.
AC_DEFUN([HAK_ADD_FLAG], [
    AS_VAR_PUSHDEF([known], [hak_cv_flag_$2])
    AC_CACHE_CHECK([whether $CC takes $2], [known], [
        hak_saved="$CFLAGS"
        CFLAGS="$CFLAGS -Werror $2"
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([known], [yes])],
            [AS_VAR_SET([known], [no])])
        CFLAGS="$hak_saved"])
    AS_VAR_IF([known], [yes], [$1="$$1 $2"])
    AS_VAR_POPDEF([known])
])

# HAK_WARNINGS: WARN_CFLAGS, with -Werror on request.
AC_DEFUN([HAK_WARNINGS], [
    AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [treat warnings as errors])],
        [], [enable_werror=no])
    WARN_CFLAGS=
    m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
        -Wmissing-prototypes -Wundef -Wpointer-arith -Wcast-align -Wwrite-strings -Wvla
        -Wno-psabi],
        [HAK_ADD_FLAG([WARN_CFLAGS], flag)])
    AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
    AC_SUBST([WARN_CFLAGS])
])

# HAK_SANITIZER: SANITIZER_CFLAGS from --with-sanitizer.
AC_DEFUN([HAK_SANITIZER], [
    AC_ARG_WITH([sanitizer],
        [AS_HELP_STRING([--with-sanitizer=KIND], [address, thread or undefined])],
        [], [with_sanitizer=no])
    SANITIZER_CFLAGS=
    AS_CASE([$with_sanitizer],
        [no], [],
        [address|thread], [SANITIZER_CFLAGS="-fsanitize=$with_sanitizer -fno-omit-frame-pointer"],
        [undefined], [SANITIZER_CFLAGS="-fsanitize=undefined -fno-sanitize-recover=all"],
        [AC_MSG_ERROR([--with-sanitizer takes address, thread or undefined, not '$with_sanitizer'])])
    AC_SUBST([SANITIZER_CFLAGS])
    # the malloc of these two must win: only the core is tested under them
    AM_CONDITIONAL([CORE_ONLY], [test "x$with_sanitizer" = xaddress || test "x$with_sanitizer" = xthread])
    AM_CONDITIONAL([THREAD_SANITIZED], [test "x$with_sanitizer" = xthread])
    AM_CONDITIONAL([SANITIZED], [test "x$with_sanitizer" != xno])
])

# HAK_WATCHERS: whether checkers of memory errors are told of blocks.
AC_DEFUN([HAK_WATCHERS], [
    AC_ARG_WITH([annotations],
        [AS_HELP_STRING([--with-annotations], [tell Valgrind and AddressSanitizer of the program of each block])],
        [], [with_annotations=no])
    AS_CASE([$with_annotations], [yes|no], [],
        [AC_MSG_ERROR([--with-annotations takes no value, not '$with_annotations'])])
    AS_IF([test "x$with_annotations" = xyes], [
        AC_CHECK_HEADER([valgrind/memcheck.h], [],
            [AC_MSG_ERROR([--with-annotations needs valgrind/memcheck.h, of the development files of Valgrind])])
        AS_IF([test "x$with_sanitizer" = xaddress],
            [AC_MSG_ERROR([--with-annotations is for programs with AddressSanitizer: the library itself, built with --with-sanitizer=address, would be seen in free blocks])])
    ])
    AM_CONDITIONAL([ANNOTATIONS], [test "x$with_annotations" = xyes])
    HAK_DEFINE_BOOL([HAK_ANNOTATIONS], [$with_annotations], [yes],
        [1: Valgrind and AddressSanitizer are told of blocks])
])

# HAK_COVERAGE: COVERAGE_CFLAGS from --enable-coverage.
AC_DEFUN([HAK_COVERAGE], [
    AC_ARG_ENABLE([coverage], [AS_HELP_STRING([--enable-coverage], [count executed lines for gcov])],
        [], [enable_coverage=no])
    COVERAGE_CFLAGS=
    AS_IF([test "x$enable_coverage" = xyes], [COVERAGE_CFLAGS="--coverage"])
    AC_SUBST([COVERAGE_CFLAGS])
])

# HAK_LINKER: HARDEN_LDFLAGS for the shared library.
AC_DEFUN([HAK_LINKER], [
    HARDEN_LDFLAGS="-Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,-z,noexecstack"
    AC_SUBST([HARDEN_LDFLAGS])
    # by the names of sections, so that what every process writes shares pages (lib/base/compiler.h)
    LAYOUT_CFLAGS=
    HAK_ADD_FLAG([LAYOUT_CFLAGS], [-fdata-sections])
    AC_SUBST([LAYOUT_CFLAGS])
    LAYOUT_LDFLAGS="-Wl,--sort-section=name"
    AC_SUBST([LAYOUT_LDFLAGS])
])

# HAK_UNWINDER: whether calls are followed back by the tables of the files (lib/profile/cfi.h).
AC_DEFUN([HAK_UNWINDER], [
    AC_MSG_CHECKING([whether calls can be followed back by .eh_frame])
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#define _GNU_SOURCE
#include <dlfcn.h>
#if !(defined(__x86_64__) && defined(__LP64__)) && !defined(__i386__) && !(defined(__aarch64__) && defined(__LP64__))
#error the numbers of its registers are not known
#endif
]], [[struct dl_find_object file; return _dl_find_object((void *)&file, &file);]])],
        [have_call_frames=yes], [have_call_frames=no])
    AC_MSG_RESULT([$have_call_frames])
    AM_CONDITIONAL([CALL_FRAMES], [test "x$have_call_frames" = xyes])
    # the way back begins in the library itself, and frame pointers lead along it if it has them, too
    FRAME_CFLAGS=
    if test "x$have_call_frames" = xno; then
        HAK_ADD_FLAG([FRAME_CFLAGS], [-fno-omit-frame-pointer])
        HAK_ADD_FLAG([FRAME_CFLAGS], [-mno-omit-leaf-frame-pointer])
    fi
    AC_SUBST([FRAME_CFLAGS])
    HAK_DEFINE_BOOL([HAK_CALL_FRAMES], [$have_call_frames], [yes],
        [1: calls are followed back by .eh_frame, 0: by frame pointers alone])
])

# HAK_STATIC_LIBC: whether programs can be linked static, with the sanitizer if there is one.
AC_DEFUN([HAK_STATIC_LIBC], [
    AC_MSG_CHECKING([whether static programs can be linked])
    hak_saved_CFLAGS=$CFLAGS
    hak_saved_LDFLAGS=$LDFLAGS
    CFLAGS="$CFLAGS $SANITIZER_CFLAGS"
    LDFLAGS="$LDFLAGS -static"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([#include <stdio.h>], [puts("")])],
        [have_static_libc=yes], [have_static_libc=no])
    CFLAGS=$hak_saved_CFLAGS
    LDFLAGS=$hak_saved_LDFLAGS
    AC_MSG_RESULT([$have_static_libc])
    AM_CONDITIONAL([STATIC_LIBC], [test "x$have_static_libc" = xyes])
])

# HAK_BASH_COMPLETION: bashcompletiondir, below the prefix.
AC_DEFUN([HAK_BASH_COMPLETION], [
    AC_ARG_WITH([bash-completion-dir],
        [AS_HELP_STRING([--with-bash-completion-dir=DIR], [where bash looks for completions])],
        [], [with_bash_completion_dir=yes])
    AS_CASE([$with_bash_completion_dir],
        [no], [bashcompletiondir=],
        [yes], [PKG_CHECK_EXISTS([bash-completion],
            [bashcompletiondir=`$PKG_CONFIG --define-variable=datadir='${datadir}' --variable=completionsdir bash-completion`],
            [bashcompletiondir='${datadir}/bash-completion/completions'])],
        [bashcompletiondir=$with_bash_completion_dir])
    AC_SUBST([bashcompletiondir])
])

# HAK_COMMAND_LIBRARIES: what `hakmem profile` finds names of functions with, and packs profiles with, and what
# `hakmem top` draws with.
AC_DEFUN([HAK_COMMAND_LIBRARIES], [
    AC_ARG_WITH([libdw],
        [AS_HELP_STRING([--with-libdw], [show names of functions in hakmem profile, by elfutils (default: if found)])],
        [], [with_libdw=auto])
    AC_ARG_WITH([zlib],
        [AS_HELP_STRING([--with-zlib], [compress the files that hakmem profile writes (default: if found)])],
        [], [with_zlib=auto])
    AC_ARG_WITH([ncurses],
        [AS_HELP_STRING([--with-ncurses], [live table of hakmem top (default: if found)])],
        [], [with_ncurses=auto])
    have_libdw=no have_libiberty=no have_zlib=no have_ncurses=no
    AS_IF([test "x$with_libdw" != xno],
        [PKG_CHECK_MODULES([LIBDW], [libdw], [have_libdw=yes], [have_libdw=no])])
    AS_IF([test "x$with_libdw$have_libdw" = xyesno],
        [AC_MSG_ERROR([--with-libdw needs the development files of elfutils: libdw-dev, elfutils-devel])])
    AS_IF([test "x$with_zlib" != xno],
        [PKG_CHECK_MODULES([ZLIB], [zlib], [have_zlib=yes], [have_zlib=no])])
    AS_IF([test "x$with_zlib$have_zlib" = xyesno],
        [AC_MSG_ERROR([--with-zlib needs the development files of zlib: zlib1g-dev, zlib-devel])])
    AS_IF([test "x$with_ncurses" != xno],
        [PKG_CHECK_MODULES([NCURSES], [ncursesw], [have_ncurses=yes],
            [PKG_CHECK_MODULES([NCURSES], [ncurses], [have_ncurses=yes], [have_ncurses=no])])])
    AS_IF([test "x$with_ncurses$have_ncurses" = xyesno],
        [AC_MSG_ERROR([--with-ncurses needs the development files of ncurses: libncurses-dev, ncurses-devel])])
    AS_IF([test "x$have_libdw" = xyes], [HAK_LIBIBERTY])
    AM_CONDITIONAL([LIBDW], [test "x$have_libdw" = xyes])
    AM_CONDITIONAL([LIBIBERTY], [test "x$have_libiberty" = xyes])
    AM_CONDITIONAL([ZLIB], [test "x$have_zlib" = xyes])
    AM_CONDITIONAL([NCURSES], [test "x$have_ncurses" = xyes])
])

# HAK_LIBIBERTY: the demangler for C++ and Rust; systems have its header in different folders.
AC_DEFUN([HAK_LIBIBERTY], [
    AC_CHECK_HEADER([libiberty/demangle.h], [hak_demangle_header=libiberty/demangle.h],
        [AC_CHECK_HEADER([demangle.h], [hak_demangle_header=demangle.h], [hak_demangle_header=])])
    AS_IF([test "x$hak_demangle_header" != x],
        [AC_CHECK_LIB([iberty], [rust_demangle_callback], [have_libiberty=yes LIBIBERTY_LIBS=-liberty])])
    AC_SUBST([LIBIBERTY_LIBS])
    AC_DEFINE_UNQUOTED([HAK_DEMANGLE_HEADER], [<$hak_demangle_header>],
        [the header of libiberty that declares the demanglers])
])
