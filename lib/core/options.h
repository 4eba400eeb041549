/* SPDX-License-Identifier: MIT */
/* The options of the process: one table, read once from the configuration file and HAKMEM_CONF. */
#ifndef HAK_CORE_OPTIONS_H
#define HAK_CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "core/report.h"

enum hak_option {
#define HAK_OPTION(id, ...) HAK_OPTION_##id,
#include "core/options.def"
#undef HAK_OPTION
    HAK_OPTION_COUNT
};

enum hak_option_result {
    HAK_OPTION_OK,
    HAK_OPTION_UNKNOWN,
    HAK_OPTION_BAD_VALUE,
    HAK_OPTION_NO_VALUE,
    HAK_OPTION_NO_EFFECT /* the value is good, but this build has no use for it */
};

enum hak_option_kind {
    HAK_OPTION_KIND_BOOL,
    HAK_OPTION_KIND_NUMBER,
    HAK_OPTION_KIND_SIZE,
    HAK_OPTION_KIND_STATS,
    HAK_OPTION_KIND_BACKGROUND,
    HAK_OPTION_KIND_FILE
};

/* The path of the one option that has one; its value is 1 then. Set when the process begins. */
enum { HAK_OPTION_FILE_SIZE = 1024 };
extern char hak__options_file[HAK_OPTION_FILE_SIZE];

/* The option `profile_max`: as much as a process may spare that has few, and as is numbered. */
#if UINTPTR_MAX > 0xffffffffu
#define HAK_PROFILE_MAX ((int64_t)64 << 20)
#define HAK_PROFILE_MAX_MOST ((int64_t)8 << 30)
#else
#define HAK_PROFILE_MAX ((int64_t)16 << 20)
#define HAK_PROFILE_MAX_MOST ((int64_t)512 << 20)
#endif
/* The largest mean distance of the option `profile`. */
#define HAK_PROFILE_INTERVAL_MOST ((int64_t)1 << 40)

/* The values of the option `background`. */
enum { HAK_BACKGROUND_NEVER, HAK_BACKGROUND_ALWAYS, HAK_BACKGROUND_AUTO };

enum hak_option_when {
    HAK_OPTION_WHEN_START,
    HAK_OPTION_WHEN_RUN,
    HAK_OPTION_WHEN_DEBUG,
    HAK_OPTION_WHEN_DLOPEN,
    HAK_OPTION_WHEN_HARDENED
};

/* What some builds have; an option that needs another has no effect. */
enum hak_feature { HAK_FEATURE_DEBUG = 1, HAK_FEATURE_DLOPEN = 2, HAK_FEATURE_HARDENED = 4, HAK_FEATURES_ALL = 7 };

/* api/dlopen.c has the jump for these. */
#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
#define HAK_DLOPEN HAK_OVERRIDE
#else
#define HAK_DLOPEN 0
#endif

/* The variants of the library, and which of them this build is. */
enum hak_variant { HAK_VARIANT_RELEASE, HAK_VARIANT_DEBUG, HAK_VARIANT_HARDENED };
#define HAK_VARIANT (HAK_DEBUG ? HAK_VARIANT_DEBUG : HAK_HARDENED ? HAK_VARIANT_HARDENED : HAK_VARIANT_RELEASE)

/* Those of this build, or of another variant. */
HAK_INLINE unsigned hak__features(enum hak_variant variant)
{
    return (variant == HAK_VARIANT_DEBUG ? HAK_FEATURE_DEBUG : 0) |
           (variant == HAK_VARIANT_HARDENED ? HAK_FEATURE_HARDENED : 0) | (HAK_DLOPEN ? HAK_FEATURE_DLOPEN : 0);
}

enum { HAK_KEY_SIZE = 24, HAK_HELP_SIZE = 96 };

struct hak_option_row {
    char key[HAK_KEY_SIZE];
    enum hak_option_kind kind;
    int64_t initial, minimum, maximum;
    enum hak_option_when when;
    char help[HAK_HELP_SIZE];
};

extern const struct hak_option_row hak__option_rows[HAK_OPTION_COUNT];
extern _Atomic int64_t hak__options[HAK_OPTION_COUNT];

HAK_INLINE int64_t hak__option(enum hak_option option)
{
    return hak_load_relaxed(&hak__options[option]);
}

/* One "key=value" of a text, of which the parts are parts: they end in no null byte. */
struct hak_setting {
    const char *key, *value; /* without a '=' the key is all of it and the value NULL */
    size_t key_length, value_length;
};

typedef void hak_setting_visit(const struct hak_setting *setting, void *context);

/* Calls visit for every setting of "key=value,…". */
void hak__options_each(const char *text, hak_setting_visit *visit, void *context);

/* Reads "key=value,…"; every unknown key and bad value is reported once and ignored. */
void hak__options_parse(const char *text);

/* Whether a text is a switch of its own, in the words of options that are; and how it stands. */
bool hak__options_switch(const char *text, bool *on);

/* Sets one option of a build with these features; what is wrong is the result. */
enum hak_option_result hak__options_set(const struct hak_setting *setting, unsigned features);

/* What setting would say, without setting. */
enum hak_option_result hak__options_check(const struct hak_setting *setting, unsigned features);

/* Says what is wrong with a setting: text for a sentence, and which values are allowed. */
void hak__options_explain(struct hak_text *text, enum hak_option_result result,
                          const struct hak_setting *setting);

/* Reports that a setting in a line of where is ignored, and what is used instead; line 0: no line. */
void hak__options_report_error(struct hak_text *text, const char *where, unsigned line,
                               enum hak_option_result result, const struct hak_setting *setting);

/* A value as it may be written: sizes as a whole number of the largest unit, words as words. */
void hak__options_text(struct hak_text *text, enum hak_option option, int64_t value);

/* Writes an option's value as HAKMEM_CONF takes it; the length, or -1 when there is none. */
int hak__options_get(const char *key, char *buffer, size_t size);

/* The option of a key that ends in a null byte, or -1. */
int hak__options_find(const char *key);

#endif
