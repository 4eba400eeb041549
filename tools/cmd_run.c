/* SPDX-License-Identifier: MIT */
/* hakmem run: one program on the library. */
#include "command.h"

int cmd_run(int argc, char **argv)
{
    (void)argc;
    command_error("%s: not there yet", argv[0]);
    return COMMAND_RUN_FAILED;
}
