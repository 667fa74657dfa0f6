/* spool_dump.c: sigpostctl spool dump: the records with their requests as OTLP/JSON. */
#include "ctl/spool.h"
#include "otlp/json_print.h"

#include <inttypes.h>
#include <string.h>

static const char help[] =
    "sigpostctl spool dump [--json] [--from SEQUENCE] [--to SEQUENCE] [--limit N]\n"
    "                      [--signal metrics|traces|logs|profiles] [--session SESSION]\n"
    "                      [--dir DIR]\n"
    "      the records that are still on disk, oldest first: also those that every destination\n"
    "      has, as long as their segment is there\n"
    "\n"
    "  --json           one object a line: sequence, arrived, signal, session, keyId, items, "
    "bytes\n"
    "                   and request, which is OTLP/JSON\n"
    "  --from, --to     only these sequences\n"
    "  --limit N        not more than N records\n"
    "  --signal SIGNAL  only records of this signal\n"
    "  --session SESSION\n"
    "                   only records of this session\n"
    "  --dir DIR        a state directory, or a copy of one\n";

struct dump {
    struct ctl *ctl;
    bool json;
    const char *session;
    uint64_t left;
    uint64_t shown, faults;
};

struct record {
    uint64_t sequence;
    enum signal signal;
    int64_t arrived_ns;
    uint32_t items;
    struct slice session, key_id, payload;
};

static struct record record_of(const struct segment_frame *frame, const uint8_t *bytes)
{
    const char *at = (const char *)bytes + SEGMENT_FRAME_LEN;
    return (struct record){
        .sequence = frame->sequence,
        .signal = (enum signal)frame->signal,
        .arrived_ns = frame->arrived_ns,
        .items = frame->items,
        .session = slice_make(at, frame->session_len),
        .key_id = slice_make(at + frame->session_len, frame->key_id_len),
        .payload = slice_make(at + frame->session_len + frame->key_id_len, frame->payload_len),
    };
}

static void put_request(FILE *out, const struct record *record, int indent)
{
    struct json_fault fault;
    if (!json_print_request(record->signal, record->payload, indent, out, &fault)) {
        fputs("null, \"fault\": ", out);
        json_print_string(out, slice_of(fault.text));
    }
}

static void put_json(FILE *out, const struct record *record)
{
    char arrived[SPOOL_TIME_MAX];
    fprintf(out,
            "{\"sequence\": %" PRIu64 ", \"arrived\": \"%s\", \"signal\": \"%s\", \"session\": ",
            record->sequence, spool_time(record->arrived_ns, arrived),
            signal_info(record->signal)->name);
    json_print_string(out, record->session);
    fputs(", \"keyId\": ", out);
    json_print_string(out, record->key_id);
    fprintf(out, ", \"items\": %" PRIu32 ", \"bytes\": %zu, \"request\": ", record->items,
            record->payload.len);
    put_request(out, record, JSON_PRINT_LINE);
    fputs("}\n", out);
}

static void put_text(FILE *out, const struct record *record)
{
    char arrived[SPOOL_TIME_MAX];
    struct json_fault fault;
    fprintf(out, "# %" PRIu64 "  %s  %s  %" PRIu32 " items  %zu bytes  session ", record->sequence,
            spool_time(record->arrived_ns, arrived), signal_info(record->signal)->name,
            record->items, record->payload.len);
    ctl_put_text(out, record->session);
    fputs("  key ", out);
    ctl_put_text(out, record->key_id);
    fputc('\n', out);
    if (!json_print_request(record->signal, record->payload, 0, out, &fault)) {
        fprintf(out, "(no request: %s)", fault.text);
    }
    fputc('\n', out);
}

static bool put_record(void *arg, const struct spool_file *file, const struct segment_frame *frame,
                       uint64_t offset, const uint8_t *bytes)
{
    struct dump *dump = arg;
    (void)file;
    (void)offset;
    if (dump->left == 0) {
        return false;
    }
    struct record record = record_of(frame, bytes);
    if (dump->session != NULL && !slice_eq_str(record.session, dump->session)) {
        return true;
    }
    if (dump->json) {
        put_json(dump->ctl->out, &record);
    } else {
        put_text(dump->ctl->out, &record);
    }
    dump->left--;
    dump->shown++;
    return ferror(dump->ctl->out) == 0;
}

static void warn(void *arg, const struct spool_file *file, enum spool_fault fault, uint64_t from,
                 uint64_t to, int error)
{
    struct dump *dump = arg;
    struct result text = RESULT_INIT;
    spool_fault_explain(fault, from, to, error, &text);
    ctl_warn(dump->ctl, "%s: %s", file->name, text.text);
    dump->faults += fault != SPOOL_FAULT_UNFINISHED;
}

int spool_dump(struct ctl *ctl, int argc, char **argv)
{
    struct dump dump = {.ctl = ctl, .left = UINT64_MAX};
    struct spool_walk walk = {
        .until = UINT64_MAX, .whole = true, .record = put_record, .fault = warn, .arg = &dump};
    const char *dir = NULL, *from = NULL, *to = NULL, *limit = NULL, *signal = NULL;
    size_t n_rest;
    struct spool_place place;
    struct spool_files files;
    const struct ctl_option options[] = {
        {"--json", &dump.json, NULL},      {"--dir", NULL, &dir},
        {"--from", NULL, &from},           {"--to", NULL, &to},
        {"--limit", NULL, &limit},         {"--signal", NULL, &signal},
        {"--session", NULL, &dump.session}};
    int status = ctl_options(ctl, "spool dump", help, argc, argv, options,
                             sizeof(options) / sizeof(options[0]), NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    if (!spool_number(ctl, "spool dump", "--from", from, &walk.from) ||
        !spool_number(ctl, "spool dump", "--to", to, &walk.until) ||
        !spool_number(ctl, "spool dump", "--limit", limit, &dump.left) ||
        !spool_signals(ctl, "spool dump", signal, &walk.signals)) {
        return CTL_WRONG_USE;
    }
    status = spool_open_files(ctl, dir, &place, &files);
    if (status == CTL_DONE) {
        spool_files_walk(&files, &walk);
        status = dump.faults == 0  ? CTL_DONE
                 : dump.shown != 0 ? CTL_FAILED
                                   : ctl_fail(ctl, "what is there is damaged");
    }
    spool_files_close(&files);
    return status;
}
