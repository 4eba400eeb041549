/* SPDX-License-Identifier: MIT */
/* The live table of hakmem top; without ncurses there is none. */
#ifndef HAK_TOOLS_TOP_SCREEN_H
#define HAK_TOOLS_TOP_SCREEN_H

#include "top_rows.h"

struct top_request {
    struct top_order order;
    double seconds; /* from one look to the next */
};

/* Until the user quits; returns an exit status. A signal that ends programs ends this one by that signal. */
int top_screen(const struct top_request *request);

#endif
