/* SPDX-License-Identifier: MIT */
#include "library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

const char *library_installed(enum hak_variant variant)
{
    static const char *const paths[] = {[HAK_VARIANT_RELEASE] = HAK_LIBDIR "/libhakmem.so.1",
                                        [HAK_VARIANT_DEBUG] = HAK_LIBDIR "/libhakmem-debug.so.1",
                                        [HAK_VARIANT_HARDENED] = HAK_LIBDIR "/libhakmem-hardened.so.1"};
    return paths[variant];
}

/* BUILD/tools/hakmem has its library in BUILD/.libs. */
static bool find_built(char path[PATH_MAX], enum hak_variant variant)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return false;
    self[length] = '\0';
    char *name = strrchr(self, '/');
    if (name == NULL)
        return false;
    *name = '\0';
    char *folder = strrchr(self, '/');
    if (folder == NULL || strcmp(folder, "/tools") != 0)
        return false;
    *folder = '\0';
    int written = snprintf(path, PATH_MAX, "%s/.libs%s", self, strrchr(library_installed(variant), '/'));
    return written > 0 && written < PATH_MAX && access(path, R_OK) == 0;
}

static bool make_absolute(char path[PATH_MAX], const char *given)
{
    char folder[PATH_MAX] = "";
    if (given[0] != '/' && getcwd(folder, sizeof folder) == NULL)
        return false;
    int written = snprintf(path, PATH_MAX, "%s%s%s", folder, given[0] != '/' ? "/" : "", given);
    if (written > 0 && written < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

bool library_find(char path[PATH_MAX], const char *given, enum hak_variant variant)
{
    static const char *const remedies[] = {
        [HAK_VARIANT_RELEASE] = "",
        [HAK_VARIANT_DEBUG] = "; install the debug variant, or build libhakmem with --enable-debug",
        [HAK_VARIANT_HARDENED] = "; install the hardened variant, or build libhakmem with --enable-hardened"};
    if (given == NULL)
        given = getenv("HAKMEM_LIBRARY");
    if (given == NULL) {
        if (find_built(path, variant))
            return true;
        given = library_installed(variant);
        if (access(given, R_OK) == 0) {
            snprintf(path, PATH_MAX, "%s", given);
            return true;
        }
    } else if (access(given, R_OK) == 0 && make_absolute(path, given)) {
        return true;
    }
    command_error("%s: %s%s", given, strerror(errno), remedies[variant]);
    return false;
}
