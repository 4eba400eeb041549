/* SPDX-License-Identifier: MIT */
#include "slab/size_class.h"

/* 2^64 is no number of the type: a quotient of what is one less is too small where the size divides it. */
#define RECIPROCAL(size) (UINT64_MAX / (size) + ((size) & ((size)-1) ? 1 : 2))
#define CAPACITY(size, shift) (((size_t)1 << (shift)) / (size))
#define INFO(size, shift, a)                                                                       \
    {RECIPROCAL(size), CAPACITY(size, shift) * (RECIPROCAL(size) * (size)), (size),                \
     (uint16_t)CAPACITY(size, shift), (shift)},
const struct hak_class_info hak__class_info[HAK_CLASS_COUNT + 1] = {
    HAK_SIZE_CLASSES(INFO, 0) INFO(HAK_ALIGNMENT, HAK_STARTER_SHIFT, 0)};

#define CHECK(size, shift, a)                                                                      \
    static_assert((size) % HAK_ALIGNMENT == 0 && ((size_t)1 << (shift)) / (size) >= 8 &&           \
                      ((size_t)1 << (shift)) / (size) <= 4096,                                     \
                  "blocks are aligned and a slab holds 8 to 4096 of them");
HAK_SIZE_CLASSES(CHECK, 0)

/* The class of a request is the number of classes that are too small for it. */
#define TOO_SMALL(size, shift, request) +((request) > (size))
#define CLASS_OF(request) 0 HAK_SIZE_CLASSES(TOO_SMALL, (request)),

#define STEPS_4(first, step)                                                                       \
    CLASS_OF((first) * (step))                                                                     \
    CLASS_OF(((first) + 1) * (step))                                                               \
    CLASS_OF(((first) + 2) * (step))                                                               \
    CLASS_OF(((first) + 3) * (step))
#define STEPS_16(first, step)                                                                      \
    STEPS_4(first, step)                                                                           \
    STEPS_4((first) + 4, step) STEPS_4((first) + 8, step) STEPS_4((first) + 12, step)
#define STEPS_64(first, step)                                                                      \
    STEPS_16(first, step)                                                                          \
    STEPS_16((first) + 16, step) STEPS_16((first) + 32, step) STEPS_16((first) + 48, step)

const uint8_t hak__class_of_tiny[HAK_TINY_STEPS] = {STEPS_64(0, 16) CLASS_OF(64 * 16)};

const uint8_t hak__class_of_small[HAK_SMALL_STEPS] = {
    STEPS_64(0, 256) STEPS_64(64, 256) STEPS_64(128, 256) STEPS_64(192, 256) CLASS_OF(256 * 256)};
