/* spool_dead.c: sigpostctl spool dead: requests that a destination refused for good.
 *
 * They are whole files, in dead/ or, once put back, in dead/retry/; moving one is a rename, which
 * is safe beside a running gateway. */
#include "ctl/spool.h"
#include "otlp/export/dead_letter.h"
#include "otlp/json_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] = SPOOL_DEAD_SYNOPSES
    "\n"
    "NAME is what list shows first, or the beginning of it that no other has.\n";

#define OPERANDS_MAX 4096

struct letters {
    char dir[DEAD_LETTER_PATH_MAX];
    char (*names)[DEAD_LETTER_NAME_MAX];
    size_t n;
};

static int list_letters(struct ctl *ctl, const char *dir, struct letters *letters)
{
    struct result why = RESULT_INIT;
    *letters = (struct letters){.names = NULL};
    snprintf(letters->dir, sizeof(letters->dir), "%s", dir);
    return dead_letter_list(dir, &letters->names, &letters->n, &why)
               ? CTL_DONE
               : ctl_fail(ctl, "%s", why.text);
}

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

static json_t *json_letter(const char *name, bool put_back, const struct dead_letter *letter)
{
    char arrived[SPOOL_TIME_MAX];
    return json_pack("{s:s, s:b, s:o, s:i, s:s, s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:I, s:I}",
                     "name", name, "put_back", (int)put_back, "reason", json_text(letter->reason),
                     "status", letter->status, "signal", signal_info(letter->signal)->name,
                     "session", json_text(letter->session), "key_id", json_text(letter->key_id),
                     "arrived", spool_time(letter->arrived_ns, arrived), "sequence",
                     (json_int_t)letter->sequence, "destination", json_text(letter->destination),
                     "url", json_text(letter->url), "answer", json_text(letter->answer), "items",
                     (json_int_t)letter->items, "bytes", (json_int_t)letter->payload.len);
}

static void put_line(FILE *out, const char *name, bool put_back, const struct dead_letter *letter)
{
    char arrived[SPOOL_TIME_MAX];
    ctl_put_text(out, slice_of(name));
    fprintf(out, "  %s  %s  %d ", spool_time(letter->arrived_ns, arrived),
            signal_info(letter->signal)->name, letter->status);
    ctl_put_text(out, letter->reason);
    fprintf(out, "  %zu bytes  session ", letter->payload.len);
    ctl_put_text(out, letter->session);
    fputs("  ", out);
    ctl_put_text(out, letter->url);
    fputs(put_back ? "  (put back)  " : "  ", out);
    ctl_put_text(out, letter->answer);
    fputc('\n', out);
}

static void put_unreadable(FILE *out, const char *name, bool put_back, const char *why,
                           json_t *array)
{
    if (array != NULL) {
        struct buf plain = BUF_INIT;
        buf_append_json(&plain, slice_of(name));
        json_array_append_new(array, json_pack("{s:s, s:b, s:s}", "name", buf_cstr(&plain),
                                               "put_back", (int)put_back, "fault", why));
        buf_free(&plain);
        return;
    }
    ctl_put_text(out, slice_of(name));
    fputs("  (unreadable: ", out);
    ctl_put_text(out, slice_of(why));
    fputs(")\n", out);
}

/* Adds the directory's letters to `array`, or writes their lines when that is NULL. */
static int list_directory(struct ctl *ctl, const char *dir, bool put_back, json_t *array)
{
    struct letters letters;
    struct buf file = BUF_INIT;
    int status = list_letters(ctl, dir, &letters);
    for (size_t i = 0; i < letters.n; i++) {
        struct result why = RESULT_INIT;
        struct dead_letter letter;
        if (!dead_letter_read(dir, letters.names[i], &file, &letter, &why)) {
            put_unreadable(ctl->out, letters.names[i], put_back, why.text, array);
            status = CTL_FAILED;
        } else if (array != NULL) {
            json_array_append_new(array, json_letter(letters.names[i], put_back, &letter));
        } else {
            put_line(ctl->out, letters.names[i], put_back, &letter);
        }
    }
    buf_free(&file);
    free(letters.names);
    return status;
}

static int dead_list(struct ctl *ctl, int argc, char **argv)
{
    bool json = false;
    const char *dir = NULL;
    size_t n_rest;
    struct spool_place place;
    char retry[DEAD_LETTER_PATH_MAX];
    const struct ctl_option options[] = {{"--json", &json, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool dead", help, argc, argv, options, 2, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    status = spool_find_place(ctl, dir, &place);
    if (status != CTL_DONE) {
        return status;
    }
    json_t *array = json ? json_array() : NULL;
    dead_letter_retry_dir(place.dead, retry);
    status = list_directory(ctl, place.dead, false, array);
    int of_retry = list_directory(ctl, retry, true, array);
    if (json) {
        int put = spool_put_json(ctl, array);
        status = put != CTL_DONE ? put : status;
    }
    return status != CTL_DONE ? status : of_retry;
}

/* --- naming one ------------------------------------------------------------------------------- */

/* The letter that is called so, or alone begins so; NULL after a line on err. */
static const char *find_letter(struct ctl *ctl, const struct letters *letters, const char *wanted)
{
    const char *found = NULL;
    size_t len = strlen(wanted);
    for (size_t i = 0; i < letters->n; i++) {
        const char *name = letters->names[i];
        if (strcmp(name, wanted) == 0) {
            return name;
        }
        if (len != 0 && strncmp(name, wanted, len) == 0) {
            if (found != NULL) {
                ctl_fail(ctl, "\"%s\" is the beginning of several letters: %s, %s", wanted, found,
                         name);
                return NULL;
            }
            found = name;
        }
    }
    if (found == NULL) {
        ctl_fail(ctl, "there is no dead letter \"%s\"; see: sigpostctl spool dead list", wanted);
    }
    return found;
}

/* --- show ------------------------------------------------------------------------------------- */

static int show_json(struct ctl *ctl, const char *name, const struct dead_letter *letter)
{
    struct json_fault fault;
    char *request = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&request, &len);
    if (out == NULL) {
        return ctl_fail(ctl, "out of memory");
    }
    bool sound = json_print_request(letter->signal, letter->payload, JSON_PRINT_LINE, out, &fault);
    json_t *json = fclose(out) == 0 ? json_letter(name, false, letter) : NULL;
    if (json != NULL && sound) {
        json_object_set_new(json, "request", json_loadb(request, len, JSON_DECODE_ANY, NULL));
    } else if (json != NULL) {
        json_object_set_new(json, "fault", json_string(fault.text));
    }
    free(request);
    return spool_put_json(ctl, json);
}

static int show_text(struct ctl *ctl, const char *name, const struct dead_letter *letter)
{
    char arrived[SPOOL_TIME_MAX];
    struct json_fault fault;
    FILE *out = ctl->out;
    const struct {
        const char *name;
        struct slice value;
    } rows[] = {{"letter", slice_of(name)},
                {"destination", letter->destination},
                {"url", letter->url},
                {"reason", letter->reason},
                {"answer", letter->answer},
                {"session", letter->session},
                {"key id", letter->key_id},
                {"signal", slice_of(signal_info(letter->signal)->name)},
                {"arrived", slice_of(spool_time(letter->arrived_ns, arrived))}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fprintf(out, "%-12s ", rows[i].name);
        ctl_put_text(out, rows[i].value);
        fputc('\n', out);
    }
    fprintf(out, "%-12s %d\n%-12s %" PRIu64 "\n%-12s %" PRIu64 "\n%-12s %zu\n", "status",
            letter->status, "sequence", letter->sequence, "items", letter->items, "bytes",
            letter->payload.len);
    if (!json_print_request(letter->signal, letter->payload, 0, out, &fault)) {
        fprintf(out, "(no request: %s)", fault.text);
    }
    fputc('\n', out);
    return CTL_DONE;
}

static int dead_show(struct ctl *ctl, int argc, char **argv)
{
    bool json = false, raw = false;
    const char *dir = NULL, *wanted = NULL;
    size_t n_rest;
    struct spool_place place;
    struct letters letters;
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
    status = spool_find_place(ctl, dir, &place);
    if (status != CTL_DONE || (status = list_letters(ctl, place.dead, &letters)) != CTL_DONE) {
        return status;
    }
    struct result why = RESULT_INIT;
    struct buf file = BUF_INIT;
    struct dead_letter letter;
    const char *name = find_letter(ctl, &letters, wanted);
    if (name == NULL) {
        status = CTL_FAILED;
    } else if (!dead_letter_read(place.dead, name, &file, &letter, &why)) {
        status = ctl_fail(ctl, "%s: %s", name, why.text);
    } else if (raw) {
        fwrite(letter.payload.data, 1, letter.payload.len, ctl->out);
    } else {
        status = json ? show_json(ctl, name, &letter) : show_text(ctl, name, &letter);
    }
    buf_free(&file);
    free(letters.names);
    return status;
}

/* --- retry and drop --------------------------------------------------------------------------- */

/* Does the configuration still send this letter's signal to its destination? Nobody would pick the
 * letter up otherwise. */
static bool has_taker(struct ctl *ctl, const struct config *config, const char *dir,
                      const char *name)
{
    struct result why = RESULT_INIT;
    struct buf file = BUF_INIT;
    struct dead_letter letter;
    bool taken = false;
    if (!dead_letter_read(dir, name, &file, &letter, &why)) {
        ctl_warn(ctl, "%s: %s", name, why.text);
        buf_free(&file);
        return false;
    }
    for (size_t i = 0; i < config->export.n_destinations && !taken; i++) {
        const struct config_destination *d = &config->export.destinations[i];
        taken = d->type == CONFIG_DESTINATION_OTLP && slice_eq_str(letter.destination, d->name) &&
                (d->signals & SPOOL_SIGNAL(letter.signal)) != 0;
    }
    if (!taken) {
        ctl_warn(ctl,
                 "%s: it is for the destination \"%.*s\", which is not configured, or takes no %s; "
                 "nobody would send it",
                 name, letter.destination.len < 64 ? (int)letter.destination.len : 64,
                 letter.destination.data != NULL ? letter.destination.data : "",
                 signal_info(letter.signal)->name);
    }
    buf_free(&file);
    return taken;
}

static bool do_one(struct ctl *ctl, const struct config *config, const struct letters *letters,
                   const char *name, bool retry)
{
    struct result why = RESULT_INIT;
    if (retry && config != NULL && !has_taker(ctl, config, letters->dir, name)) {
        return false;
    }
    if (!(retry ? dead_letter_put_back(letters->dir, name, &why)
                : dead_letter_remove(letters->dir, name, &why))) {
        ctl_warn(ctl, "%s", why.text);
        return false;
    }
    fputs(retry ? "put back " : "dropped ", ctl->out);
    ctl_put_text(ctl->out, slice_of(name));
    fputc('\n', ctl->out);
    return true;
}

/* Each name is looked up before anything is done: a mistyped one changes nothing. */
static int do_letters(struct ctl *ctl, const struct config *config, const struct letters *letters,
                      const char **wanted, size_t n_wanted, bool retry)
{
    size_t done = 0;
    size_t n = n_wanted != 0 ? n_wanted : letters->n;
    for (size_t i = 0; i < n_wanted; i++) {
        wanted[i] = find_letter(ctl, letters, wanted[i]);
        if (wanted[i] == NULL) {
            return CTL_FAILED;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = n_wanted != 0 ? wanted[i] : letters->names[i];
        done += do_one(ctl, config, letters, name, retry);
    }
    if (done == n) {
        return CTL_DONE;
    }
    return done != 0 ? CTL_FAILED
                     : ctl_fail(ctl, "no letter was %s", retry ? "put back" : "dropped");
}

static int dead_move(struct ctl *ctl, int argc, char **argv, bool retry)
{
    static const char *wanted[OPERANDS_MAX];
    bool all = false;
    const char *dir = NULL;
    size_t n = 0;
    struct spool_place place;
    struct letters letters = {.names = NULL};
    struct config *config = NULL;
    const struct ctl_option options[] = {{"--all", &all, NULL}, {"--dir", NULL, &dir}};
    int status =
        ctl_options(ctl, "spool dead", help, argc, argv, options, 2, wanted, OPERANDS_MAX, &n);
    if (status >= 0) {
        return status;
    }
    if ((n != 0) == all) {
        return ctl_wrong_use(ctl, "spool dead", "%s takes names of letters, or --all", argv[0]);
    }
    status = spool_find_place(ctl, dir, &place);
    if (status == CTL_DONE && retry && dir == NULL) {
        config = ctl_config(ctl);
        status = config != NULL ? CTL_DONE : CTL_FAILED;
    }
    if (status == CTL_DONE) {
        status = list_letters(ctl, place.dead, &letters);
    }
    if (status == CTL_DONE) {
        status = do_letters(ctl, config, &letters, wanted, n, retry);
    }
    config_free(config);
    free(letters.names);
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
        return dead_move(ctl, argc - 1, argv + 1, retry);
    }
    return ctl_wrong_use(ctl, "spool dead",
                         "unknown verb \"%s\"; there are: list, show, retry, drop", argv[1]);
}
