/* SPDX-License-Identifier: MIT */
#include "core/options.h"

#include <string.h>

#include "core/report.h"

const struct hak_option_row hak__option_rows[HAK_OPTION_COUNT] = {
#define HAK_OPTION(id, key, kind, initial, minimum, maximum, when, help)                           \
    {key, HAK_OPTION_KIND_##kind, initial, minimum, maximum, HAK_OPTION_WHEN_##when, help},
#include "core/options.def"
#undef HAK_OPTION
};

#define HAK_OPTION(id, key, kind, initial, minimum, maximum, when, help)                           \
    HAK_STRING_FITS(key, HAK_KEY_SIZE);                                                            \
    HAK_STRING_FITS(help, HAK_HELP_SIZE);
#include "core/options.def"
#undef HAK_OPTION

HAK_READ_MOSTLY HAK_CACHE_ALIGNED _Atomic int64_t hak__options[HAK_OPTION_COUNT] = {
#define HAK_OPTION(id, key, kind, initial, ...) initial,
#include "core/options.def"
#undef HAK_OPTION
};

HAK_SPARSE char hak__options_file[HAK_OPTION_FILE_SIZE];

/* The words of the kinds that have words; a word's value is its position modulo the stride. */
typedef char word_t[8];
static const word_t bool_words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
static const word_t stats_words[] = {"none", "text", "json"};
static const word_t background_words[] = {"0", "1", "auto"};

/* The word for a value of a kind that is written in words, or NULL. */
static const char *word_of(enum hak_option_kind kind, int64_t value)
{
    switch (kind) {
    case HAK_OPTION_KIND_STATS:
        return stats_words[value];
    case HAK_OPTION_KIND_BACKGROUND:
        return background_words[value];
    case HAK_OPTION_KIND_FILE:
        return value != 0 ? hak__options_file : stats_words[0];
    default:
        return NULL;
    }
}

static bool equals(const char *word, const char *text, size_t length)
{
    return strlen(word) == length && memcmp(word, text, length) == 0;
}

static bool parse_word(const word_t *words, size_t count, int64_t stride, const char *text,
                       size_t length, int64_t *value)
{
    for (size_t i = 0; i < count; i++)
        if (equals(words[i], text, length)) {
            *value = (int64_t)i % stride;
            return true;
        }
    return false;
}

static bool parse_number(const char *text, size_t length, bool suffixes, int64_t *value)
{
    size_t at = 0;
    bool negative = length > 0 && text[0] == '-';
    int64_t sum = 0;
    for (at = negative; at < length && text[at] >= '0' && text[at] <= '9'; at++)
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, text[at] - '0', &sum))
            return false;
    if (at == (size_t)negative)
        return false;
    if (suffixes && at + 1 == length) {
        static const char suffix[] = "KMG";
        const char *found = memchr(suffix, text[at], sizeof suffix - 1);
        if (found == NULL ||
            __builtin_mul_overflow(sum, (int64_t)1 << (10 * (found - suffix + 1)), &sum))
            return false;
        at++;
    }
    *value = negative ? -sum : sum;
    return at == length;
}

static bool parse_value(const struct hak_option_row *row, const char *text, size_t length, int64_t *value)
{
    bool read = false;
    switch (row->kind) {
    case HAK_OPTION_KIND_BOOL:
        read = parse_word(bool_words, HAK_COUNT_OF(bool_words), 2, text, length, value);
        break;
    case HAK_OPTION_KIND_STATS:
        read = parse_word(stats_words, HAK_COUNT_OF(stats_words), 3, text, length, value);
        break;
    case HAK_OPTION_KIND_BACKGROUND:
        read = parse_word(background_words, HAK_COUNT_OF(background_words), 3, text, length, value);
        break;
    case HAK_OPTION_KIND_FILE:
        read = length > 0 && length < HAK_OPTION_FILE_SIZE;
        *value = !equals(stats_words[0], text, length);
        break;
    case HAK_OPTION_KIND_NUMBER:
    case HAK_OPTION_KIND_SIZE:
        read = parse_number(text, length, row->kind == HAK_OPTION_KIND_SIZE, value);
        break;
    }
    return read && *value >= row->minimum && *value <= row->maximum;
}

static int find(const char *key, size_t length)
{
    for (int i = 0; i < HAK_OPTION_COUNT; i++)
        if (equals(hak__option_rows[i].key, key, length))
            return i;
    return -1;
}

static bool has_effect(const struct hak_option_row *row, unsigned features)
{
    switch (row->when) {
    case HAK_OPTION_WHEN_DEBUG:
        return (features & HAK_FEATURE_DEBUG) != 0;
    case HAK_OPTION_WHEN_HARDENED:
        return (features & HAK_FEATURE_HARDENED) != 0;
    case HAK_OPTION_WHEN_DLOPEN:
        return (features & HAK_FEATURE_DLOPEN) != 0;
    default:
        return true;
    }
}

static enum hak_option_result read_setting(const struct hak_setting *setting, unsigned features,
                                           int *option, int64_t *number)
{
    *option = find(setting->key, setting->key_length);
    if (setting->value == NULL)
        return HAK_OPTION_NO_VALUE;
    if (*option < 0)
        return HAK_OPTION_UNKNOWN;
    const struct hak_option_row *row = &hak__option_rows[*option];
    if (!parse_value(row, setting->value, setting->value_length, number))
        return HAK_OPTION_BAD_VALUE;
    bool used = has_effect(row, features) || *number == row->initial;
    return used ? HAK_OPTION_OK : HAK_OPTION_NO_EFFECT;
}

enum hak_option_result hak__options_check(const struct hak_setting *setting, unsigned features)
{
    int option;
    int64_t number = 0;
    return read_setting(setting, features, &option, &number);
}

enum hak_option_result hak__options_set(const struct hak_setting *setting, unsigned features)
{
    int option;
    int64_t number = 0;
    enum hak_option_result result = read_setting(setting, features, &option, &number);
    if (result != HAK_OPTION_OK)
        return result;
    if (hak__option_rows[option].kind == HAK_OPTION_KIND_FILE && number != 0) {
        memcpy(hak__options_file, setting->value, setting->value_length);
        hak__options_file[setting->value_length] = '\0';
    }
    hak_store_relaxed(&hak__options[option], number);
    return result;
}

bool hak__options_switch(const char *text, bool *on)
{
    int64_t value = 0;
    bool known = parse_word(bool_words, HAK_COUNT_OF(bool_words), 2, text, strlen(text), &value);
    *on = known && value != 0;
    return known;
}

int hak__options_find(const char *key)
{
    return find(key, strlen(key));
}

int hak__options_get(const char *key, char *buffer, size_t size)
{
    int option = find(key, strlen(key));
    if (option < 0)
        return -1;
    struct hak_text text;
    hak__text_begin(&text, -1);
    int64_t value = hak_load_relaxed(&hak__options[option]);
    const char *word = word_of(hak__option_rows[option].kind, value);
    if (word != NULL)
        hak__text_string(&text, word);
    else
        hak__text_signed(&text, value);
    if (size > 0) {
        size_t copied = text.used < size ? text.used : size - 1;
        memcpy(buffer, text.bytes, copied);
        buffer[copied] = '\0';
    }
    return (int)text.used;
}

void hak__options_text(struct hak_text *text, enum hak_option option, int64_t value)
{
    static const char units[] = "KMG";
    const char *unit = NULL;
    enum hak_option_kind kind = hak__option_rows[option].kind;
    const char *word = word_of(kind, value);
    if (word != NULL) {
        hak__text_string(text, word);
        return;
    }
    const char *next = kind == HAK_OPTION_KIND_SIZE ? units : "";
    for (; value != 0 && value % 1024 == 0 && *next != '\0'; next++) {
        value /= 1024;
        unit = next;
    }
    hak__text_signed(text, value);
    if (unit != NULL)
        hak__text_bytes(text, unit, 1);
}

/* A bound that only the type sets is none worth a word. */
static void say_allowed(struct hak_text *text, enum hak_option option)
{
    const struct hak_option_row *row = &hak__option_rows[option];
    if (row->kind == HAK_OPTION_KIND_BOOL) {
        hak__text_string(text, "0 or 1");
    } else if (row->kind == HAK_OPTION_KIND_STATS) {
        hak__text_string(text, "none, text or json");
    } else if (row->kind == HAK_OPTION_KIND_BACKGROUND) {
        hak__text_string(text, "0, 1 or auto");
    } else if (row->kind == HAK_OPTION_KIND_FILE) {
        hak__text_string(text, "a path of 1 to 1023 bytes, or none");
    } else {
        hak__options_text(text, option, row->minimum);
        if (row->maximum >= PTRDIFF_MAX) {
            hak__text_string(text, " or more");
            if (row->kind == HAK_OPTION_KIND_SIZE)
                hak__text_string(text, ", also with K, M or G");
        } else {
            hak__text_string(text, " to ");
            hak__options_text(text, option, row->maximum);
        }
    }
}

static void say_no_effect(struct hak_text *text, enum hak_option option)
{
    hak__text_string(text, " has no effect in this build (");
    enum hak_option_when when = hak__option_rows[option].when;
    hak__text_string(text, when == HAK_OPTION_WHEN_DEBUG      ? "it needs the debug variant)"
                           : when == HAK_OPTION_WHEN_HARDENED ? "it needs the hardened variant)"
                                                              : "dlopen is the C library's own)");
}

void hak__options_explain(struct hak_text *text, enum hak_option_result result,
                          const struct hak_setting *setting)
{
    int option = find(setting->key, setting->key_length);
    hak__text_string(text, result == HAK_OPTION_NO_VALUE    ? "no '=' in '"
                           : result == HAK_OPTION_UNKNOWN   ? "unknown option '"
                           : result == HAK_OPTION_NO_EFFECT ? "option "
                                                            : "invalid value '");
    if (result == HAK_OPTION_BAD_VALUE) {
        hak__text_printable(text, setting->value, setting->value_length);
        hak__text_string(text, "' for option ");
    }
    hak__text_printable(text, setting->key, setting->key_length);
    if (result == HAK_OPTION_BAD_VALUE) {
        hak__text_string(text, " (allowed: ");
        say_allowed(text, (enum hak_option)option);
        hak__text_string(text, ")");
    } else if (result == HAK_OPTION_NO_EFFECT) {
        say_no_effect(text, (enum hak_option)option);
    } else {
        hak__text_string(text, "'");
    }
}

void hak__options_report_error(struct hak_text *text, const char *where, unsigned line,
                               enum hak_option_result result, const struct hak_setting *setting)
{
    hak__text_printable(text, where, strlen(where));
    if (line != 0) {
        hak__text_string(text, ":");
        hak__text_unsigned(text, line);
    }
    hak__text_string(text, ": ");
    hak__options_explain(text, result, setting);
    if (result == HAK_OPTION_BAD_VALUE) {
        enum hak_option option = (enum hak_option)find(setting->key, setting->key_length);
        hak__text_string(text, "; using ");
        hak__options_text(text, option, hak__option(option));
        hak__text_string(text, "\n");
    } else {
        hak__text_string(text, "; ignored\n");
    }
    hak__text_end(text);
}

void hak__options_each(const char *text, hak_setting_visit *visit, void *context)
{
    while (*text != '\0') {
        size_t rest = strlen(text);
        const char *comma = memchr(text, ',', rest);
        size_t length = comma != NULL ? (size_t)(comma - text) : rest;
        const char *equal = memchr(text, '=', length);
        struct hak_setting setting = {.key = text, .key_length = length};
        if (equal != NULL) {
            setting.key_length = (size_t)(equal - text);
            setting.value = equal + 1;
            setting.value_length = length - setting.key_length - 1;
        }
        if (length > 0)
            visit(&setting, context);
        text += length + (text[length] == ',');
    }
}

static void apply(const struct hak_setting *setting, void *context)
{
    (void)context;
    enum hak_option_result result = hak__options_set(setting, hak__features(HAK_VARIANT));
    if (result != HAK_OPTION_OK) {
        struct hak_text text;
        hak__text_message(&text);
        hak__options_report_error(&text, "HAKMEM_CONF", 0, result, setting);
    }
}

void hak__options_parse(const char *text)
{
    hak__options_each(text, apply, NULL);
}
