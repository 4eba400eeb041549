/* SPDX-License-Identifier: MIT */
#include "os/self.h"

HAK_TLS char hak__thread_anchor;
