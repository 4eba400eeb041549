/* SPDX-License-Identifier: MIT */
/* Why another allocator serves the program. Readers from outside know the numbers: new ones come last. */
#ifndef HAK_CORE_DISABLED_H
#define HAK_CORE_DISABLED_H

enum hak_disabled {
    HAK_DISABLED_NOT,
    HAK_DISABLED_BY_MALLOC,      /* the program has a malloc of its own */
    HAK_DISABLED_BY_ENVIRONMENT, /* HAKMEM_DISABLE */
    HAK_DISABLED_BY_FILE,        /* the configuration file excludes the program */
    HAK_DISABLED_BY_SANITIZER    /* whose malloc has to see all blocks */
};

#endif
