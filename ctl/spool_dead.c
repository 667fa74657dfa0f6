/* spool_dead.c: sigpostctl spool dead: requests that a destination refused for good.
 * Here they are listed and shown; retry and drop are spool_dead_move.c's. */
#include "ctl/spool_letters.h"
#include "otlp/json_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] = SPOOL_DEAD_HELP;

/* --- list ------------------------------------------------------------------------------------- */

/* Text of a letter's head is the inside of a JSON string; from a hostile file it may be anything.
 */
static json_t *json_text(struct slice escaped)
{
    struct buf text = BUF_INIT;
    struct buf plain = BUF_INIT;
    buf_append_char(&text, '"');
    buf_append_slice(&text, escaped);
    buf_append_char(&text, '"');
    json_t *json = json_loadb(buf_cstr(&text), text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!json_is_string(json)) {
        json_decref(json);
        buf_append_json(&plain, escaped); /* and what is left has no byte that jansson refuses */
        json = json_stringn_nocheck(buf_cstr(&plain), plain.len);
    }
    buf_free(&plain);
    buf_free(&text);
    return json;
}

static json_t *json_letter(const struct spool_letter *file, const struct dead_letter *letter)
{
    char arrived[SPOOL_TIME_MAX];
    return json_pack("{s:s, s:b, s:o, s:i, s:s, s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:I, s:I}",
                     "name", file->name, "put_back", (int)file->put_back, "reason",
                     json_text(letter->reason), "status", letter->status, "signal",
                     signal_info(letter->signal)->name, "session", json_text(letter->session),
                     "key_id", json_text(letter->key_id), "arrived",
                     spool_time(letter->arrived_ns, arrived), "sequence",
                     (json_int_t)letter->sequence, "destination", json_text(letter->destination),
                     "url", json_text(letter->url), "answer", json_text(letter->answer), "items",
                     (json_int_t)letter->items, "bytes", (json_int_t)letter->payload.len);
}

/* The text as it was before it was put into a letter's head, but for control characters. */
static void put_text(FILE *out, struct slice escaped)
{
    json_t *text = json_text(escaped);
    const char *plain = json_string_value(text);
    ctl_put_text(out, plain != NULL ? slice_make(plain, json_string_length(text)) : escaped);
    json_decref(text);
}

static void put_line(FILE *out, const struct spool_letter *file, const struct dead_letter *letter)
{
    char arrived[SPOOL_TIME_MAX];
    ctl_put_text(out, slice_of(file->name));
    fprintf(out, "  %s  %s  %d ", spool_time(letter->arrived_ns, arrived),
            signal_info(letter->signal)->name, letter->status);
    put_text(out, letter->reason);
    fprintf(out, "  %zu bytes  session ", letter->payload.len);
    put_text(out, letter->session);
    fputs("  ", out);
    put_text(out, letter->url);
    fputs(file->put_back ? "  (put back)  " : "  ", out);
    put_text(out, letter->answer);
    fputc('\n', out);
}

static void put_unreadable(FILE *out, const struct spool_letter *file, const char *why,
                           json_t *array)
{
    if (array != NULL) {
        struct buf plain = BUF_INIT;
        buf_append_json(&plain, slice_of(file->name));
        json_array_append_new(array, json_pack("{s:s, s:b, s:s}", "name", buf_cstr(&plain),
                                               "put_back", (int)file->put_back, "fault", why));
        buf_free(&plain);
        return;
    }
    ctl_put_text(out, slice_of(file->name));
    fputs("  (unreadable: ", out);
    ctl_put_text(out, slice_of(why));
    fputs(")\n", out);
}

/* Adds the letters to `array`, or writes their lines when that is NULL. One that is gone since it
 * was listed is none. */
static int list_letters(struct ctl *ctl, const struct spool_letters *letters, json_t *array)
{
    struct buf file = BUF_INIT;
    int status = CTL_DONE;
    for (size_t i = 0; i < letters->n; i++) {
        const struct spool_letter *one = &letters->all[i];
        const char *dir = spool_letter_dir(letters, one);
        struct result why = RESULT_INIT;
        struct dead_letter letter;
        enum spool_letter_read read = spool_letter_read(dir, one->name, &file, &letter, &why);
        if (read == SPOOL_LETTER_GONE) {
            continue;
        }
        if (read == SPOOL_LETTER_BROKEN) {
            put_unreadable(ctl->out, one, why.text, array);
            status = CTL_FAILED;
        } else if (array != NULL) {
            json_array_append_new(array, json_letter(one, &letter));
        } else {
            put_line(ctl->out, one, &letter);
        }
    }
    buf_free(&file);
    return status;
}

static int list_json(struct ctl *ctl, const struct spool_letters *letters)
{
    json_t *array = json_array();
    int status = list_letters(ctl, letters, array);
    int put = spool_put_json(ctl, array);
    return put != CTL_DONE ? put : status;
}

static int list_names(FILE *out, const struct spool_letters *letters)
{
    for (size_t i = 0; i < letters->n; i++) {
        ctl_put_text(out, slice_of(letters->all[i].name));
        fputc('\n', out);
    }
    return CTL_DONE;
}

static int dead_list(struct ctl *ctl, int argc, char **argv)
{
    bool json = false, names = false;
    const char *dir = NULL;
    size_t n_rest;
    struct spool_letters letters;
    const struct ctl_option options[] = {
        {"--json", &json, NULL}, {"--names", &names, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool dead", help, argc, argv, options, 3, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    if (json && names) {
        return ctl_wrong_use(ctl, "spool dead", "--json or --names, not both");
    }
    int opened = spool_letters_open(ctl, dir, &letters);
    if (letters.dead[0] == '\0') {
        return opened; /* and there is no list, not even an empty one */
    }
    status = json    ? list_json(ctl, &letters)
             : names ? list_names(ctl->out, &letters)
                     : list_letters(ctl, &letters, NULL);
    spool_letters_close(&letters);
    return opened != CTL_DONE ? opened : status;
}

/* --- show ------------------------------------------------------------------------------------- */

static int show_json(struct ctl *ctl, const struct spool_letter *file,
                     const struct dead_letter *letter)
{
    struct json_fault fault;
    char *request = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&request, &len);
    if (out == NULL) {
        return ctl_fail(ctl, "out of memory");
    }
    bool sound = json_print_request(letter->signal, letter->payload, JSON_PRINT_LINE, out, &fault);
    json_t *json = fclose(out) == 0 ? json_letter(file, letter) : NULL;
    if (json != NULL && sound) {
        json_object_set_new(json, "request", json_loadb(request, len, JSON_DECODE_ANY, NULL));
    } else if (json != NULL) {
        json_object_set_new(json, "fault", json_string(fault.text));
    }
    free(request);
    return spool_put_json(ctl, json);
}

static int show_text(struct ctl *ctl, const struct spool_letter *file,
                     const struct dead_letter *letter)
{
    char arrived[SPOOL_TIME_MAX];
    struct json_fault fault;
    FILE *out = ctl->out;
    const struct {
        const char *name;
        struct slice value;
    } rows[] = {{"destination", letter->destination}, {"url", letter->url},
                {"reason", letter->reason},           {"answer", letter->answer},
                {"session", letter->session},         {"key id", letter->key_id}};
    fprintf(out, "%-12s ", "letter");
    ctl_put_text(out, slice_of(file->name));
    fputs(file->put_back ? " (put back)\n" : "\n", out);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fprintf(out, "%-12s ", rows[i].name);
        put_text(out, rows[i].value);
        fputc('\n', out);
    }
    fprintf(out, "%-12s %s\n%-12s %s\n", "signal", signal_info(letter->signal)->name, "arrived",
            spool_time(letter->arrived_ns, arrived));
    fprintf(out, "%-12s %d\n%-12s %" PRIu64 "\n%-12s %" PRIu64 "\n%-12s %zu\n", "status",
            letter->status, "sequence", letter->sequence, "items", letter->items, "bytes",
            letter->payload.len);
    if (!json_print_request(letter->signal, letter->payload, 0, out, &fault)) {
        fprintf(out, "(no request: %s)", fault.text);
    }
    fputc('\n', out);
    return CTL_DONE;
}

enum form { FORM_TEXT, FORM_JSON, FORM_RAW };

static int show(struct ctl *ctl, const struct spool_letters *letters, const char *wanted,
                enum form form)
{
    struct result why = RESULT_INIT;
    struct buf file = BUF_INIT;
    struct dead_letter letter;
    int status = CTL_DONE;
    const struct spool_letter *found = spool_letter_find(ctl, letters, wanted);
    if (found == NULL) {
        return CTL_FAILED;
    }
    const char *dir = spool_letter_dir(letters, found);
    enum spool_letter_read read = spool_letter_read(dir, found->name, &file, &letter, &why);
    if (read == SPOOL_LETTER_GONE) {
        status = ctl_fail(ctl, "%s %s", found->name, spool_letter_gone_text(found));
    } else if (read == SPOOL_LETTER_BROKEN) {
        status = ctl_fail(ctl, "%s: %s%s", found->name, why.text, ctl_remedy(&why));
    } else if (form == FORM_RAW) {
        fwrite(letter.payload.data, 1, letter.payload.len, ctl->out);
    } else {
        status =
            form == FORM_JSON ? show_json(ctl, found, &letter) : show_text(ctl, found, &letter);
    }
    buf_free(&file);
    return status;
}

static int dead_show(struct ctl *ctl, int argc, char **argv)
{
    bool json = false, raw = false;
    const char *dir = NULL, *wanted = NULL;
    size_t n_rest;
    struct spool_letters letters;
    const struct ctl_option options[] = {
        {"--json", &json, NULL}, {"--raw", &raw, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool dead", help, argc, argv, options, 3, &wanted, 1, &n_rest);
    if (status >= 0) {
        return status;
    }
    if (n_rest != 1 || (json && raw)) {
        return ctl_wrong_use(ctl, "spool dead",
                             "show takes the name of a letter, and --json or "
                             "--raw");
    }
    status = spool_letters_open(ctl, dir, &letters);
    if (status == CTL_DONE) {
        status = show(ctl, &letters, wanted, json ? FORM_JSON : raw ? FORM_RAW : FORM_TEXT);
    }
    spool_letters_close(&letters);
    return status;
}

int spool_dead(struct ctl *ctl, int argc, char **argv)
{
    if (argc < 2) {
        return ctl_wrong_use(ctl, "spool dead", "a verb is missing: list, show, retry or drop");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, ctl->out);
        return CTL_DONE;
    }
    if (strcmp(argv[1], "list") == 0) {
        return dead_list(ctl, argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "show") == 0) {
        return dead_show(ctl, argc - 1, argv + 1);
    }
    bool retry = strcmp(argv[1], "retry") == 0;
    if (retry || strcmp(argv[1], "drop") == 0) {
        return spool_dead_move(ctl, argc - 1, argv + 1, retry);
    }
    return ctl_wrong_use(ctl, "spool dead",
                         "unknown verb \"%s\"; there are: list, show, retry, drop", argv[1]);
}
