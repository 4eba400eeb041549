/* SPDX-License-Identifier: MIT */
/* hakmem conf: the options that a process started now would use. */
#include "command.h"

int cmd_conf(int argc, char **argv)
{
    (void)argc;
    command_error("%s: not there yet", argv[0]);
    return COMMAND_FAILED;
}
