/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config.h"

#include "top_screen.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "reader/clock.h"
#include "top_detail.h"
#include "top_sites.h"

enum mode { LIST, FILTER, DETAIL, HELP };
enum { FILTER_MOST = 31, KEY_ESCAPE = 27, SITES_SECONDS = 10 };

struct screen {
    enum mode mode;
    bool quit;
    struct top_order order;
    char filter[FILTER_MOST + 1];
    double seconds, due;    /* between looks; when the next one is */
    struct top_table table;
    struct top_rows rows;
    pid_t selected;         /* 0: the first row, whichever it is */
    size_t first;           /* row that is shown at the top */
    pid_t opened;           /* whose details are shown */
    struct top_lines lines; /* of details or help */
    size_t scrolled;        /* lines of these */
    struct top_sites sites;
    bool has_sites, is_read; /* sites of the opened process; whether all processes were read once */
    double sites_due;
};

static volatile sig_atomic_t ended_by;

static void remember(int number)
{
    ended_by = number;
}

/* ---- drawing ----------------------------------------------------------- */

/* All text is printable ASCII; what is beyond the right end is cut off. */
static void put_line(int row, attr_t attributes, const char *text)
{
    if (row < 0 || row >= LINES)
        return;
    attr_set(attributes, 0, NULL);
    mvaddnstr(row, 0, text, COLS);
    for (int column = (int)strlen(text); column < COLS; column++)
        addch(' ');
    attr_set(A_NORMAL, 0, NULL);
}

static int page_height(int head)
{
    return LINES > head + 1 ? LINES - head - 1 : 0;
}

static size_t selected_row(const struct screen *screen)
{
    for (size_t i = 0; i < screen->rows.count; i++)
        if (screen->rows.rows[i].pid == screen->selected)
            return i;
    return 0;
}

static void draw_title(const struct screen *screen)
{
    char text[200], rss[TOP_SIZE_MOST], allocated[TOP_SIZE_MOST], clock[16] = "";
    time_t now = time(NULL);
    struct tm parts;
    size_t unreadable = 0;
    for (size_t i = 0; i < screen->table.count; i++)
        unreadable += screen->table.processes[i].failed;
    if (localtime_r(&now, &parts) != NULL)
        strftime(clock, sizeof clock, "%H:%M:%S", &parts);
    top_format_size(rss, top_rows_sum(&screen->rows, TOP_RSS));
    top_format_size(allocated, top_rows_sum(&screen->rows, TOP_ALLOCATED));
    int length = snprintf(text, sizeof text, "hakmem top %s: %zu process%s, RSS %s, allocated %s", clock,
                          screen->rows.count, screen->rows.count == 1 ? "" : "es", rss, allocated);
    if (unreadable > 0)
        snprintf(text + length, sizeof text - (size_t)length, "; %zu cannot be read%s", unreadable,
                 geteuid() == 0 ? "" : " (try as root)");
    put_line(0, A_BOLD, text);
}

static void draw_headings(const struct screen *screen)
{
    char text[TOP_LINE_MOST];
    int start, width = top_column_place(screen->order.column, COLS, &start);
    top_format_line(text, NULL, COLS);
    put_line(1, A_UNDERLINE, text);
    if (width > 0 && start < COLS)
        mvchgat(1, start, width, A_REVERSE, 0, NULL);
}

static void draw_nothing(const struct screen *screen)
{
    if (!screen->is_read)
        put_line(3, A_NORMAL, "  Reading the processes ...");
    else if (screen->filter[0] != '\0')
        put_line(3, A_NORMAL, "  No process has the text of the filter in its name. To clear the filter: / and Esc");
    else
        put_line(3, A_NORMAL, "  No process that you may read uses libhakmem. To start one: hakmem run PROGRAM");
}

static void draw_list(struct screen *screen)
{
    char text[TOP_LINE_MOST];
    size_t height = (size_t)page_height(2), at = selected_row(screen), count = screen->rows.count;
    draw_title(screen);
    draw_headings(screen);
    if (count == 0)
        draw_nothing(screen);
    if (at < screen->first)
        screen->first = at;
    if (height > 0 && at >= screen->first + height)
        screen->first = at + 1 - height;
    if (screen->first + height > count)
        screen->first = count > height ? count - height : 0;
    for (size_t i = 0; i < height && screen->first + i < count; i++) {
        top_format_line(text, &screen->rows.rows[screen->first + i], COLS);
        put_line((int)i + 2, screen->first + i == at ? A_REVERSE : A_NORMAL, text);
    }
}

static void draw_lines(struct screen *screen)
{
    char title[80] = "hakmem top: keys and columns";
    size_t height = (size_t)page_height(1), count = screen->lines.count;
    if (screen->mode == DETAIL)
        snprintf(title, sizeof title, "hakmem top: process %d", (int)screen->opened);
    put_line(0, A_BOLD, title);
    if (screen->scrolled + height > count)
        screen->scrolled = count > height ? count - height : 0;
    for (size_t i = 0; i < height && screen->scrolled + i < count; i++)
        put_line((int)i + 1, A_NORMAL, screen->lines.lines[screen->scrolled + i]);
}

static void draw_keys(const struct screen *screen)
{
    char text[200];
    switch (screen->mode) {
    case LIST:
        snprintf(text, sizeof text, "Enter:open  <>:sort (%s%s)  r:reverse  /:filter%s%s%s  ?:help  q:quit",
                 top_column_name(screen->order.column), screen->order.reverse ? ", reversed" : "",
                 screen->filter[0] != '\0' ? " (" : "", screen->filter, screen->filter[0] != '\0' ? ")" : "");
        break;
    case FILTER:
        snprintf(text, sizeof text, "Show names with: %s_   Enter:keep  Esc:show all", screen->filter);
        break;
    case DETAIL:
        snprintf(text, sizeof text, "Esc:back  Up/Down:scroll  m:memory  c:size classes  s:sites  t:threads  q:quit");
        break;
    default:
        snprintf(text, sizeof text, "Esc:back  Up/Down:scroll  q:quit");
    }
    put_line(LINES - 1, A_REVERSE, text);
}

static void draw(struct screen *screen)
{
    erase();
    if (screen->mode == DETAIL || screen->mode == HELP)
        draw_lines(screen);
    else
        draw_list(screen);
    draw_keys(screen);
    refresh();
}

/* ---- what is shown ----------------------------------------------------- */

static void make_rows(struct screen *screen)
{
    free(screen->rows.rows);
    if (!top_rows_make(&screen->rows, &screen->table, &screen->order))
        screen->rows.count = 0;
}

static void make_detail(struct screen *screen)
{
    const struct top_process *of = top_table_find(&screen->table, screen->opened);
    struct top_lines lines;
    bool made = of != NULL ? top_detail_make(&lines, of, screen->has_sites ? screen->sites.text : NULL)
                           : top_lines_split(&lines, strdup("\n  The process has ended, or can no longer be read.\n"));
    if (!made)
        return;
    top_lines_free(&screen->lines);
    screen->lines = lines;
    if (of != NULL && top_detail_has_profile(of) && screen->sites.child == 0 && clock_seconds() >= screen->sites_due) {
        top_sites_begin(&screen->sites, screen->opened);
        screen->sites_due = clock_seconds() + SITES_SECONDS;
    }
}

static void open_detail(struct screen *screen)
{
    if (screen->rows.count == 0)
        return;
    screen->opened = screen->selected = screen->rows.rows[selected_row(screen)].pid;
    screen->mode = DETAIL;
    screen->scrolled = 0;
    screen->has_sites = false;
    screen->sites_due = 0;
    screen->table.detailed = screen->opened;
    screen->due = clock_seconds();
    make_detail(screen);
}

static void open_help(struct screen *screen)
{
    static const char keys[] =
        "\n"
        "  Up, Down, k, j         select a process\n"
        "  PgUp, PgDn, Home, End  move by a page, or to the first or last process\n"
        "  Enter                  show the details of the process; back: Esc, Backspace\n"
        "  Left, Right, <, >      sort by another column: the marked one\n"
        "  r                      sort in the opposite direction\n"
        "  /                      show only processes that have some text in their name\n"
        "  Space                  read all processes now\n"
        "  q                      quit; also Ctrl-C\n"
        "\n"
        "  Column     Meaning (K, M, G: KiB, MiB, GiB; -: not known)\n";
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return;
    fputs(keys, out);
    for (int i = 0; i < TOP_COLUMNS; i++)
        fprintf(out, "  %-9s  %s\n", top_column_heading((enum top_column)i), top_column_help((enum top_column)i));
    struct top_lines lines;
    if (fclose(out) != 0 || !top_lines_split(&lines, text))
        return;
    top_lines_free(&screen->lines);
    screen->lines = lines;
    screen->scrolled = 0;
    screen->mode = HELP;
}

static void go_back(struct screen *screen)
{
    top_sites_end(&screen->sites);
    screen->table.detailed = 0;
    screen->mode = LIST;
    make_rows(screen);
}

/* ---- keys -------------------------------------------------------------- */

static bool is_back(int key)
{
    return key == KEY_ESCAPE || key == KEY_BACKSPACE || key == 127 || key == '\b' || key == KEY_LEFT;
}

/* Where a key for moving leads to in a list, from a number in it. */
static size_t moved(int key, size_t at, size_t count, size_t page)
{
    size_t last = count > 0 ? count - 1 : 0;
    switch (key) {
    case KEY_UP:
    case 'k':
        return at > 0 ? at - 1 : 0;
    case KEY_DOWN:
    case 'j':
        return at < last ? at + 1 : last;
    case KEY_PPAGE:
        return at > page ? at - page : 0;
    case KEY_NPAGE:
        return at + page < last ? at + page : last;
    case KEY_HOME:
    case 'g':
        return 0;
    case KEY_END:
    case 'G':
        return last;
    default:
        return at;
    }
}

static void handle_in_list(struct screen *screen, int key)
{
    int columns = TOP_COLUMNS, column = (int)screen->order.column;
    size_t at = selected_row(screen), now = moved(key, at, screen->rows.count, (size_t)page_height(2));
    if (now != at)
        screen->selected = screen->rows.rows[now].pid;
    if (key == '<' || key == KEY_LEFT)
        screen->order.column = (enum top_column)((column + columns - 1) % columns);
    else if (key == '>' || key == KEY_RIGHT)
        screen->order.column = (enum top_column)((column + 1) % columns);
    else if (key == 'r')
        screen->order.reverse = !screen->order.reverse;
    else if (key == '/')
        screen->mode = FILTER;
    else if (key == '\n' || key == '\r' || key == KEY_ENTER)
        open_detail(screen);
    else if (key == '?' || key == 'h')
        open_help(screen);
    if (screen->mode == LIST)
        make_rows(screen);
}

static void handle_in_filter(struct screen *screen, int key)
{
    size_t length = strlen(screen->filter);
    if (key == '\n' || key == '\r' || key == KEY_ENTER)
        screen->mode = LIST;
    else if (key == KEY_ESCAPE)
        screen->filter[0] = '\0', screen->mode = LIST;
    else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length > 0)
        screen->filter[length - 1] = '\0';
    else if (key >= ' ' && key < 127 && length < FILTER_MOST)
        screen->filter[length] = (char)key, screen->filter[length + 1] = '\0';
    make_rows(screen);
}

static void handle_in_lines(struct screen *screen, int key)
{
    static const char sections[TOP_SECTIONS + 1] = "mcst";
    size_t height = (size_t)page_height(1), count = screen->lines.count;
    size_t last = count > height ? count - height : 0;
    const char *section = key > 0 && key < 128 && screen->mode == DETAIL ? strchr(sections, key) : NULL;
    if (is_back(key))
        go_back(screen);
    else if (section != NULL && *section != '\0')
        screen->scrolled = section == sections ? 0 : screen->lines.section[section - sections];
    else
        screen->scrolled = moved(key, screen->scrolled, last + 1, height > 1 ? height - 1 : 1);
}

static void handle(struct screen *screen, int key)
{
    if (key == KEY_RESIZE)
        return;
    if (screen->mode == FILTER) {
        handle_in_filter(screen, key);
        return;
    }
    if (key == 'q')
        screen->quit = true;
    else if (key == '\f') /* Ctrl-L */
        clearok(curscr, TRUE);
    else if (key == ' ')
        screen->due = 0;
    else if (screen->mode == LIST)
        handle_in_list(screen, key);
    else
        handle_in_lines(screen, key);
}

/* ---- waiting ----------------------------------------------------------- */

static void take_table(struct screen *screen)
{
    if (!top_table_step(&screen->table))
        return;
    screen->is_read = true;
    make_rows(screen);
    if (screen->mode == DETAIL)
        make_detail(screen);
}

static void take_sites(struct screen *screen)
{
    if (!top_sites_step(&screen->sites))
        return;
    screen->has_sites = true;
    if (screen->mode == DETAIL)
        make_detail(screen);
}

/* What is to be waited for until the next look; false when the terminal is gone. */
static bool wait_for(struct screen *screen, const sigset_t *mask)
{
    double rest = screen->due - clock_seconds();
    struct timespec time = {.tv_sec = (time_t)(rest > 0 ? rest : 0)};
    time.tv_nsec = (long)((rest > 0 ? rest - (double)time.tv_sec : 0) * 1e9);
    struct pollfd wanted[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = screen->table.pass != NULL ? process_pass_fd(screen->table.pass) : -1, .events = POLLIN},
        {.fd = screen->sites.child != 0 ? screen->sites.fd : -1, .events = POLLIN}};
    int ready = ppoll(wanted, 3, screen->table.pass == NULL ? &time : NULL, mask);
    if (ready < 0)
        return errno == EINTR;
    if (wanted[1].revents != 0)
        take_table(screen);
    if (wanted[2].revents != 0)
        take_sites(screen);
    return (wanted[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

static int run(struct screen *screen, const sigset_t *mask)
{
    while (!screen->quit && ended_by == 0) {
        if (screen->table.pass == NULL && clock_seconds() >= screen->due) {
            bool all = screen->due == 0;
            screen->due = clock_seconds() + screen->seconds;
            if (!top_table_begin(&screen->table, all))
                return COMMAND_FAILED;
        }
        draw(screen);
        if (!wait_for(screen, mask))
            return COMMAND_FAILED;
        for (int key; !screen->quit && (key = getch()) != ERR;)
            handle(screen, key);
    }
    return COMMAND_OK;
}

/* ---- the terminal ------------------------------------------------------ */

/* Signals come while the command waits, and at no other time. */
static void take_signals(sigset_t *mask)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = remember};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGWINCH);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, mask);
}

static SCREEN *begin_terminal(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        command_error("standard input and output are not a terminal; use --once or --json");
        return NULL;
    }
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (terminal != NULL && tigetstr("cup") == NULL) { /* it cannot place the cursor */
        endwin();
        delscreen(terminal);
        terminal = NULL;
    }
    if (terminal == NULL) {
        const char *name = getenv("TERM");
        command_error("the terminal '%s' (TERM) cannot be used; use --once or --json", name != NULL ? name : "");
        return NULL;
    }
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(50);
    if ((termattrs() & A_REVERSE) != 0)
        curs_set(0);
    return terminal;
}

int top_screen(const struct top_request *request)
{
    struct screen *screen = calloc(1, sizeof *screen);
    sigset_t mask;
    int status = COMMAND_FAILED;
    if (screen == NULL) {
        command_error("%s", strerror(errno));
        return status;
    }
    screen->order = request->order;
    screen->seconds = request->seconds;
    snprintf(screen->filter, sizeof screen->filter, "%s", request->order.filter);
    screen->order.filter = screen->filter;
    take_signals(&mask);
    SCREEN *terminal = begin_terminal();
    if (terminal != NULL) {
        status = run(screen, &mask);
        endwin();
        delscreen(terminal);
    }
    top_sites_end(&screen->sites);
    top_table_free(&screen->table);
    top_lines_free(&screen->lines);
    free(screen->rows.rows);
    free(screen);
    if (ended_by != 0) {
        signal(ended_by, SIG_DFL);
        raise(ended_by);
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return status;
}
