/* SPDX-License-Identifier: MIT */
/* Files of suppressions: what they match, and what is said of those that are none. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "suppressions.h"
#include "unit.h"

static char path[] = "suppressions.XXXXXX", said[400];

void command_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
}

static struct suppressions *read_text(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    said[0] = '\0';
    return suppressions_read(path);
}

static struct suppressions *read_good(const char *text)
{
    struct suppressions *suppressions = read_text(text, strlen(text));
    ck_assert_msg(suppressions != NULL, "%s", said);
    return suppressions;
}

static bool matches(struct suppressions *suppressions, const char *type, uint64_t size, const char *function)
{
    const char *functions[] = {"allocate", function, "main"};
    struct suppressions_leak leak = {.type = type, .size = size, .functions = functions,
                                     .function_count = function != NULL ? 3 : 0};
    return suppressions_match(suppressions, &leak);
}

START_TEST(all_rules_of_one_must_match)
{
    struct suppressions *all = read_good("# comment\n\n{\n  one\n  type: std::map<*>\n  size: 32-64\n}\n"
                                         "{\n\ttwo\n\tstack: load_*\n\tstack: main\n}\r\n{\nthree\nsize: 7\n}\n");
    ck_assert(matches(all, "std::map<int>", 32, NULL));
    ck_assert(matches(all, "std::map<int>", 64, NULL));
    ck_assert(!matches(all, "std::map<int>", 65, NULL));
    ck_assert(!matches(all, "std::set<int>", 32, NULL));
    ck_assert(!matches(all, NULL, 32, NULL));
    ck_assert(matches(all, NULL, 1000, "load_plugin"));
    ck_assert(!matches(all, NULL, 1000, "unload_plugin"));
    ck_assert(matches(all, NULL, 7, NULL));
    suppressions_free(all);
}
END_TEST

START_TEST(unused_ones_are_told)
{
    struct suppressions *all = read_good("{\na\nsize: 1\n}\n{\nb\nsize: 2\n}\n{\nc\nsize: 3\n}\n");
    size_t number = 0;
    ck_assert(matches(all, NULL, 2, NULL));
    ck_assert_str_eq(suppressions_unused(all, &number), "a");
    ck_assert_str_eq(suppressions_unused(all, &number), "c");
    ck_assert_ptr_null(suppressions_unused(all, &number));
    suppressions_free(all);
}
END_TEST

START_TEST(mistakes_have_a_line)
{
    static const struct {
        const char *text, *line, *message;
    } bad[] = {{"name\n", "1", "expected '{', found 'name'"},
               {"{\nname\n}\n", "3", "without a rule"},
               {"{\nname\n\nkind: x\n}\n", "4", "not a rule (type:, size: or stack:): 'kind: x'"},
               {"{\nname\ntype:  \n}\n", "3", "without a pattern"},
               {"{\nname\nsize: x\n}\n", "3", "invalid size, or range of sizes: 'x'"},
               {"{\nname\nsize: 9-8\n}\n", "3", "invalid size"},
               {"{\nname\nsize: 99999999999999999999\n}\n", "3", "invalid size"},
               {"{\nname\nsize: 1\n{\n", "4", "inside another one"},
               {"{\nname\nsize: 1\n", "3", "has no '}'"},
               {"{\nname\nsize: 1\n}\n}\n", "5", "expected '{', found '}'"},
               {"{\nna\033me\n", "2", "a control character"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char start[60];
        ck_assert_ptr_null(read_text(bad[i].text, strlen(bad[i].text)));
        snprintf(start, sizeof start, "%s:%s: ", path, bad[i].line);
        ck_assert_msg(strncmp(said, start, strlen(start)) == 0, "%s", said);
        ck_assert_msg(strstr(said, bad[i].message) != NULL, "%s", said);
    }
    ck_assert_ptr_null(read_text("{\nna\0me\n", 9));
    ck_assert_ptr_null(suppressions_read("no/such/file"));
    ck_assert_ptr_null(suppressions_read("."));
    suppressions_free(read_good(""));
}
END_TEST

START_TEST(any_bytes_are_read_or_refused)
{
    static const char parts[] = "{}\n{\nname\nsize: 1-2\ntype: *\nstack: [a\n}\n#\0\t\r:";
    unsigned state = 1;
    for (int round = 0; round < 2000; round++) {
        char text[200];
        size_t length = 0;
        while (length < sizeof text - 20 && (state = state * 1103515245 + 12345) >> 24 != 0) {
            size_t from = (state >> 8) % sizeof parts, size = (state >> 20) % 9;
            size = size < sizeof parts - from ? size : sizeof parts - from;
            memcpy(text + length, parts + from, size);
            length += size;
        }
        struct suppressions *all = read_text(text, length);
        ck_assert((all != NULL) == (said[0] == '\0'));
        if (all != NULL)
            matches(all, "type", 1, "function");
        suppressions_free(all);
    }
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, all_rules_of_one_must_match);
    tcase_add_test(tests, unused_ones_are_told);
    tcase_add_test(tests, mistakes_have_a_line);
    tcase_add_test(tests, any_bytes_are_read_or_refused);
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 77;
    close(fd);
    int status = unit_run("suppressions", add);
    unlink(path);
    return status;
}
