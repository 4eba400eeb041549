/* SPDX-License-Identifier: MIT */
#ifndef UNWIND_FAR_H
#define UNWIND_FAR_H

#include <check.h>

void add_far_tests(TCase *tests);

#endif
