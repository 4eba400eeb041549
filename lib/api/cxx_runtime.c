/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "api/cxx_runtime.h"

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

struct search {
    const char *name; /* of the function */
    void *own;
    void *found;
};

/* Whether an object that is loaded, or one of those it needs, has the function; not ours. */
static bool look_in(struct search *search, const char *path)
{
    void *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == NULL)
        return false;
    void *function = dlsym(handle, search->name);
    if (function != NULL && function != search->own)
        search->found = function;
    dlclose(handle);
    return search->found != NULL;
}

/* The path of the object of that number, which the loader's lock does not outlast. */
struct nth {
    size_t number;
    char path[4096];
};

static int take_path(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    struct nth *nth = context;
    if (nth->number-- > 0)
        return 0;
    nth->path[0] = '\0';
    if (strlen(info->dlpi_name) < sizeof nth->path)
        strcpy(nth->path, info->dlpi_name);
    return 1;
}

static void look_everywhere(struct search *search)
{
    struct nth nth;
    for (size_t i = 0; search->found == NULL; i++) {
        nth.number = i;
        if (dl_iterate_phdr(take_path, &nth) == 0)
            break;
        if (nth.path[0] != '\0')
            look_in(search, nth.path);
    }
}

/*
 * The program itself, which has an empty name, sees the libraries behind this one: those in front
 * of it may be wrappers that have called us.
 */
void *hak__cxx_operator(const char *name, void *own, void *caller)
{
    struct search search = {name, own, NULL};
    Dl_info info;
    struct link_map *map = NULL;
    if (dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map != NULL &&
        map->l_name[0] != '\0' && look_in(&search, map->l_name))
        return search.found;
    search.found = dlsym(RTLD_NEXT, name);
    if (search.found == NULL || search.found == own) {
        search.found = NULL;
        look_everywhere(&search);
    }
    return search.found;
}
