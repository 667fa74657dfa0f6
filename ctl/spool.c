/* spool.c: sigpostctl spool: the table of verbs, and what they share; see spool.h. */
#include "ctl/spool.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

static const char help[] =
    "sigpostctl spool status [--json] [--dir DIR]\n"
    "      what waits for whom, since when; dead letters; damage that was set aside\n"
    "sigpostctl spool ls [--json] [--dir DIR]\n"
    "      the segment files, and whose cursors hold them\n"
    "sigpostctl spool dump [--json] [--from SEQUENCE] [--to SEQUENCE] [--limit N]\n"
    "                      [--signal metrics|traces|logs|profiles] [--session SESSION]\n"
    "                      [--dir DIR]\n"
    "      the records, oldest first, their requests as OTLP/JSON\n"
    "sigpostctl spool verify [--json] [--dir DIR]\n"
    "      reads everything and checks each checksum; exit 1 when something is "
    "damaged\n" SPOOL_DEAD_SYNOPSES "\n"
    "Dead letters are requests that a destination refused for good; LETTER is the name that list\n"
    "shows first, or the beginning of it that no other has.\n"
    "\n"
    "  --json            for scripts; dump writes one object a line\n"
    "  --dir DIR         a state directory, or a copy of one, instead of state.dir\n"
    "\n"
    "Nothing is locked or changed but by dead retry and dead drop: all of it works while the\n"
    "gateway runs.\n";

static const struct verb {
    const char *name;
    int (*run)(struct ctl *ctl, int argc, char **argv);
} verbs[] = {{"status", spool_status},
             {"ls", spool_ls},
             {"dump", spool_dump},
             {"verify", spool_verify},
             {"dead", spool_dead}};
#define VERB_NAMES "status, ls, dump, verify, dead"

int ctl_spool(struct ctl *ctl, int argc, char **argv)
{
    if (argc < 2) {
        return ctl_wrong_use(ctl, "spool", "a verb is missing: " VERB_NAMES);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, ctl->out);
        return CTL_DONE;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].run(ctl, argc - 1, argv + 1);
        }
    }
    return ctl_wrong_use(ctl, "spool", "unknown verb \"%s\"; there are: " VERB_NAMES, argv[1]);
}

const char *spool_time(int64_t wall_ns, char out[SPOOL_TIME_MAX])
{
    _Static_assert(SPOOL_TIME_MAX >= CLOCK_ISO_MAX, "the clock's text fits");
    out[0] = '-';
    out[1] = '\0';
    if (wall_ns != 0) {
        clock_format_iso(wall_ns, out);
    }
    return out;
}

int spool_put_json(struct ctl *ctl, json_t *json)
{
    bool ok = json != NULL && json_dumpf(json, ctl->out, JSON_INDENT(2)) == 0 &&
              fputc('\n', ctl->out) != EOF;
    json_decref(json);
    return ok ? CTL_DONE : ctl_fail(ctl, "cannot write the answer");
}

const char *spool_fault_word(enum spool_fault fault)
{
    static const char *const words[] = {[SPOOL_FAULT_HEADER] = "header",
                                        [SPOOL_FAULT_FRAMES] = "records",
                                        [SPOOL_FAULT_UNFINISHED] = "unfinished",
                                        [SPOOL_FAULT_UNREADABLE] = "unreadable"};
    return words[fault];
}

void spool_fault_explain(enum spool_fault fault, uint64_t from, uint64_t to, int error,
                         struct result *out)
{
    switch (fault) {
    case SPOOL_FAULT_HEADER:
        result_fail(out, "the segment's header is damaged%s",
                    to > SEGMENT_HEADER_LEN ? ", and so is its first record: nothing is read" : "");
        break;
    case SPOOL_FAULT_FRAMES:
        result_fail(out,
                    "bytes %" PRIu64 " to %" PRIu64 " are not what was written; the gateway sets "
                    "them aside when it comes to them",
                    from, to);
        break;
    case SPOOL_FAULT_UNFINISHED:
        result_fail(out,
                    "from byte %" PRIu64 " on a record is not whole: a write that a crash tore; "
                    "nobody was told 200 for it, and the next start cuts it off",
                    from);
        break;
    default:
        result_fail_errno(out, error, "cannot be read from byte %" PRIu64 " on", from);
        break;
    }
}

bool spool_number(struct ctl *ctl, const char *verb, const char *option, const char *text,
                  uint64_t *value)
{
    uint64_t number = 0;
    if (text == NULL) {
        return true;
    }
    for (const char *c = text; *c != '\0'; c++) {
        unsigned digit = (unsigned)(unsigned char)*c - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            ctl_wrong_use(ctl, verb, "%s takes a whole number, not \"%s\"", option, text);
            return false;
        }
        number = number * 10 + digit;
    }
    if (text[0] == '\0') {
        ctl_wrong_use(ctl, verb, "%s takes a whole number, not nothing", option);
        return false;
    }
    *value = number;
    return true;
}

bool spool_signals(struct ctl *ctl, const char *verb, const char *text, unsigned *signals)
{
    *signals = SPOOL_ALL_SIGNALS;
    if (text == NULL) {
        return true;
    }
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (strcmp(text, signal_info((enum signal)i)->name) == 0) {
            *signals = SPOOL_SIGNAL(i);
            return true;
        }
    }
    ctl_wrong_use(ctl, verb,
                  "--signal takes one of metrics, traces, logs, profiles, not "
                  "\"%s\"",
                  text);
    return false;
}
