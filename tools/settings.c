/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "core/conf.h"
#include "core/options.h"

const char *settings_file(void)
{
    const char *file = getenv("HAKMEM_CONF_FILE");
    return file != NULL ? file : HAK_CONF_FILE;
}

bool settings_file_is_named(void)
{
    return getenv("HAKMEM_CONF_FILE") != NULL;
}

bool settings_disabled(void)
{
    const char *value = getenv("HAKMEM_DISABLE");
    bool off = false;
    return value != NULL && hak__options_switch(value, &off) && off;
}

struct search {
    const char *program;
    unsigned line;
};

static void look(const struct hak_conf_line *line, void *context)
{
    struct search *search = context;
    if (search->line == 0 && hak__conf_is_exclude(line) &&
        hak__conf_excludes(line, search->program))
        search->line = line->number;
}

unsigned settings_excluding_line(const char *program)
{
    struct search search = {program, 0};
    hak__conf_each_of_file(settings_file(), false, look, &search);
    return search.line;
}
