/* doctor.c: sigpostctl doctor: is everything between a client and the collector as it should be?
 * The looks are in doctor_here.c and doctor_gateway.c. */
#include "ctl/doctor.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "sigpostctl doctor URL [--key ID] [--ca-file FILE] [--json]   look for what is wrong\n"
    "\n"
    "  URL            the gateway's address as clients have it: http://localhost:8080, or what a\n"
    "                 proxy in front of it is called\n"
    "  --key ID       sign with this key (the newest that is active)\n"
    "  --ca-file FILE certificates to believe, for https (the system's)\n"
    "  --json         an object: ok, checks (name, state, text)\n"
    "\n"
    "Prints one line a check: ok, FIX with what to do, or skip with the reason:\n"
    "  keyring, state, spool    keys and directories of this machine, as the configuration names\n"
    "                           them; run it as root or as the gateway's user\n"
    "  reach, clock, export     the gateway answers, the clocks agree, a signed empty export is\n"
    "                           answered 200\n"
    "  ready, auth, collector   what the gateway says of itself\n"
    "Nothing is stored or changed. Exit status: 0 nothing to mend, 1 something, 2 wrong use.\n";

void doctor_add(struct doctor *doctor, const char *name, enum doctor_state state,
                const char *format, ...)
{
    if (doctor->n < DOCTOR_CHECKS_MAX) {
        struct doctor_check *check = &doctor->checks[doctor->n++];
        va_list args;
        check->name = name;
        check->state = state;
        va_start(args, format);
        vsnprintf(check->text, sizeof(check->text), format, args);
        va_end(args);
    }
}

static bool is_well(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->n; i++) {
        if (doctor->checks[i].state == DOCTOR_FIX) {
            return false;
        }
    }
    return true;
}

static void put_text(FILE *out, const struct doctor *doctor)
{
    static const char *const marks[] = {"ok  ", "FIX ", "skip"};
    for (size_t i = 0; i < doctor->n; i++) {
        fprintf(out, "%s  %-9s  ", marks[doctor->checks[i].state], doctor->checks[i].name);
        ctl_put_text(out, slice_of(doctor->checks[i].text));
        fputc('\n', out);
    }
}

/* Texts of others that are not UTF-8 are left out rather than breaking the document. */
static int put_json(struct ctl *ctl, const struct doctor *doctor)
{
    static const char *const states[] = {"ok", "fix", "skip"};
    json_t *checks = json_array();
    for (size_t i = 0; i < doctor->n; i++) {
        const struct doctor_check *check = &doctor->checks[i];
        json_t *text = json_string(check->text);
        json_array_append_new(checks, json_pack("{s:s, s:s, s:o}", "name", check->name, "state",
                                                states[check->state], "text",
                                                text != NULL ? text : json_string("")));
    }
    json_t *all = json_pack("{s:b, s:o}", "ok", (int)is_well(doctor), "checks", checks);
    bool ok = all != NULL && json_dumpf(all, ctl->out, JSON_INDENT(2)) == 0 &&
              fputc('\n', ctl->out) != EOF;
    json_decref(all);
    return ok ? CTL_DONE : ctl_fail(ctl, "cannot write the outcome");
}

static int examine(struct ctl *ctl, struct doctor *doctor, bool json)
{
    int status = CTL_DONE;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ctl_fail(ctl, "libcurl cannot be initialised");
    }
    doctor_look_here(doctor);
    doctor_ask_gateway(doctor);
    if (json) {
        status = put_json(ctl, doctor);
    } else {
        put_text(ctl->out, doctor);
    }
    curl_global_cleanup();
    return status != CTL_DONE || is_well(doctor) ? status : CTL_FAILED;
}

/* The URL without slashes at its end; NULL when it is none. The caller frees it. */
static char *base_of(const char *url)
{
    bool http = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    const char *host = http ? strstr(url, "://") + 3 : "";
    if (host[0] == '\0' || host[0] == '/' || strpbrk(url, "?#@ ") != NULL || strlen(url) > 1024) {
        return NULL;
    }
    char *base = strdup(url);
    for (size_t len = base != NULL ? strlen(base) : 0; len != 0 && base[len - 1] == '/'; len--) {
        base[len - 1] = '\0';
    }
    return base;
}

int ctl_doctor(struct ctl *ctl, int argc, char **argv)
{
    struct doctor doctor = {.n = 0};
    const char *url[1];
    size_t n_rest;
    bool json = false;
    const struct ctl_option options[] = {{"--key", NULL, &doctor.key_id},
                                         {"--ca-file", NULL, &doctor.ca_file},
                                         {"--json", &json, NULL}};
    int status = ctl_options(ctl, "doctor", help, argc, argv, options, 3, url, 1, &n_rest);
    if (status >= 0) {
        return status;
    }
    char *base = n_rest == 1 ? base_of(url[0]) : NULL;
    if (base == NULL) {
        return ctl_wrong_use(ctl, "doctor",
                             "the gateway's URL is missing or no URL: http://localhost:8080, or "
                             "https:// and its name, without a query");
    }
    struct config *config = ctl_config(ctl);
    doctor.config = config;
    doctor.base = base;
    status = config != NULL ? examine(ctl, &doctor, json) : CTL_FAILED;
    ctl_keys_close(&doctor.keys);
    config_free(config);
    free(base);
    return status;
}
