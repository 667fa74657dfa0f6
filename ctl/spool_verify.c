/* spool_verify.c: sigpostctl spool verify: reads every byte and checks every checksum; also the
 * cursors and the dead letters. */
#include "ctl/spool_letters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "sigpostctl spool verify [--json] [--dir DIR]\n"
    "      reads every segment, cursor and dead letter and checks each checksum; a line for each\n"
    "      fault, with file and offset. Exit 1 when something is damaged. The unfinished end of\n"
    "      the newest segment after a crash is told, and is no damage. With --dir of a spool's "
    "own\n"
    "      directory the dead letters, which lie beside it, are not looked at.\n";

struct check {
    struct ctl *ctl;
    json_t *faults; /* NULL: lines of text */
    uint64_t records;
    uint64_t damaged;
    bool letters_known; /* where they are */
    uint64_t letters;
};

static bool count(void *arg, const struct spool_file *file, const struct segment_frame *frame,
                  uint64_t offset, const uint8_t *bytes)
{
    (void)file;
    (void)frame;
    (void)offset;
    (void)bytes;
    ((struct check *)arg)->records++;
    return true;
}

static void put_fault(struct check *check, const char *file, const char *word, uint64_t from,
                      uint64_t to, const char *text)
{
    if (check->faults != NULL) {
        json_array_append_new(check->faults, json_pack("{s:s, s:s, s:I, s:I, s:s}", "file", file,
                                                       "fault", word, "from", (json_int_t)from,
                                                       "to", (json_int_t)to, "text", text));
        return;
    }
    ctl_put_text(check->ctl->out, slice_of(file));
    fputs(": ", check->ctl->out);
    ctl_put_text(check->ctl->out, slice_of(text));
    fputc('\n', check->ctl->out);
}

static void tell(void *arg, const struct spool_file *file, enum spool_fault fault, uint64_t from,
                 uint64_t to, int error)
{
    struct check *check = arg;
    struct result text = RESULT_INIT;
    spool_fault_explain(fault, from, to, error, &text);
    check->damaged += fault != SPOOL_FAULT_UNFINISHED;
    put_fault(check, file->name, spool_fault_word(fault), from, to, text.text);
}

static void check_cursors(struct check *check, const struct spool_files *files)
{
    for (size_t i = 0; i < files->n_cursors; i++) {
        char name[SPOOL_CURSOR_NAME_MAX + 8];
        if (!files->cursors[i].sound) {
            snprintf(name, sizeof(name), "cursor.%s", files->cursors[i].name);
            check->damaged++;
            put_fault(check, name, "cursor", 0, 0,
                      "makes no sense; its destination starts at the oldest record and gets some "
                      "twice");
        }
    }
}

static void check_letters(struct check *check, const char *dir)
{
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    size_t n = 0;
    struct result why = RESULT_INIT;
    struct buf file = BUF_INIT;
    struct dead_letter letter;
    if (!dead_letter_list(dir, &names, &n, &why)) {
        check->damaged++;
        put_fault(check, dir, "unreadable", 0, 0, why.text);
    }
    for (size_t i = 0; i < n; i++) {
        why = RESULT_INIT;
        enum spool_letter_read read = spool_letter_read(dir, names[i], &file, &letter, &why);
        check->letters += read != SPOOL_LETTER_GONE; /* delivered meanwhile, or moved */
        if (read == SPOOL_LETTER_BROKEN) {
            check->damaged++;
            put_fault(check, names[i], "letter", 0, 0, why.text);
        }
    }
    buf_free(&file);
    free(names);
}

static void put_summary(const struct check *check, const struct spool_files *files)
{
    FILE *out = check->ctl->out;
    bool nothing = files->n_segments == 0 && files->n_cursors == 0 && check->letters == 0;
    fprintf(out, "%" PRIu64 " records in %zu segments", check->records, files->n_segments);
    if (check->letters_known) {
        fprintf(out, " and %" PRIu64 " dead letters", check->letters);
    }
    if (check->damaged == 0) {
        fputs(nothing ? ": nothing to check\n" : ": all sound\n", out);
    } else {
        fprintf(out, ": %" PRIu64 " damaged places\n", check->damaged);
    }
    if (!check->letters_known) {
        fputs("dead letters: " SPOOL_NO_LETTERS "\n", out);
    }
}

static int put_result(struct check *check, const struct spool_files *files)
{
    int status = check->damaged == 0 ? CTL_DONE : CTL_FAILED;
    if (check->faults == NULL) {
        put_summary(check, files);
        return status;
    }
    json_t *json = json_pack(
        "{s:b, s:I, s:I, s:o, s:I, s:O}", "sound", (int)(check->damaged == 0), "records",
        (json_int_t)check->records, "segments", (json_int_t)files->n_segments, "dead_letters",
        check->letters_known ? json_integer((json_int_t)check->letters) : json_null(), "damaged",
        (json_int_t)check->damaged, "faults", check->faults);
    int put = spool_put_json(check->ctl, json);
    return put != CTL_DONE ? put : status;
}

int spool_verify(struct ctl *ctl, int argc, char **argv)
{
    bool json = false;
    const char *dir = NULL;
    size_t n_rest;
    struct spool_place place;
    struct spool_files files;
    struct check check = {.ctl = ctl};
    char retry[DEAD_LETTER_PATH_MAX];
    const struct spool_walk walk = {.from = 0,
                                    .until = UINT64_MAX,
                                    .signals = SPOOL_ALL_SIGNALS,
                                    .whole = true,
                                    .record = count,
                                    .fault = tell,
                                    .arg = &check};
    const struct ctl_option options[] = {{"--json", &json, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool verify", help, argc, argv, options, 2, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    status = spool_open_files(ctl, dir, &place, &files);
    if (status == CTL_DONE) {
        check.faults = json ? json_array() : NULL;
        spool_files_walk(&files, &walk);
        check_cursors(&check, &files);
        check.letters_known = place.dead[0] != '\0';
        if (check.letters_known) {
            dead_letter_retry_dir(place.dead, retry);
            check_letters(&check, retry); /* first: the gateway moves letters from there to dead/ */
            check_letters(&check, place.dead);
        }
        status = put_result(&check, &files);
    }
    json_decref(check.faults);
    spool_files_close(&files);
    return status;
}
