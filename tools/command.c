/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void message(const char *kind, const char *format, va_list arguments)
{
    fflush(stdout);
    fprintf(stderr, "hakmem: %s", kind);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void command_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message("", format, arguments);
    va_end(arguments);
}

void command_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message("warning: ", format, arguments);
    va_end(arguments);
}

int command_end_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    command_error("standard output: %s", strerror(errno));
    return status != COMMAND_OK ? status : COMMAND_FAILED;
}
