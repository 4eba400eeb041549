/* SPDX-License-Identifier: MIT */
#include "core/disabled.h"

HAK_READ_MOSTLY _Atomic uint8_t hak__disabled;
