/* doctor.c: sigpostctl doctor: is everything between a client and the collector as it should be?
 * The looks are in doctor_here.c and doctor_gateway.c. */
#include "ctl/doctor.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define URL_MAX 1024
#define URL_EXAMPLE "http://localhost:8080, or https:// and its name"

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
    "  ready, auth, collector   what the gateway says of itself: whether it takes data, whether\n"
    "                           unsigned requests are refused, whether each destination takes its\n"
    "                           data\n"
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

/* Does not say the URL again where it may hold a password. */
static bool check_url(const char *url, struct result *why)
{
    bool http = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    const char *host = http ? strstr(url, "://") + 3 : "";
    if (strchr(url, '@') != NULL) {
        return result_fail(why, "a user name or a password in the URL is not accepted, since no "
                                "client sends one: leave out what is before the @, and that");
    }
    if (!http) {
        return result_fail(why, "the URL \"%.200s\" does not begin with http:// or https://", url);
    }
    if (host[0] == '\0' || strchr("/:?#", host[0]) != NULL) {
        return result_fail(why, "the URL \"%.200s\" names no host: " URL_EXAMPLE, url);
    }
    if (strpbrk(url, "?# ") != NULL) {
        return result_fail(why, "the URL \"%.200s\" has a %s, which is not accepted: " URL_EXAMPLE,
                           url,
                           strchr(url, ' ') != NULL   ? "blank"
                           : strchr(url, '?') != NULL ? "query"
                                                      : "fragment");
    }
    return strlen(url) <= URL_MAX || result_fail(why, "the URL has more than %d bytes", URL_MAX);
}

static bool check_ca_file(const char *path, struct result *why)
{
    char byte;
    /* O_NONBLOCK: a FIFO that nobody writes must not hang us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t got = fd >= 0 ? read(fd, &byte, 1) : -1;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        return result_fail_errno(why, error, "--ca-file %.400s: cannot read", path);
    }
    return got > 0 || result_fail(why, "--ca-file %.400s: is empty", path);
}

/* The URL without slashes at its end; NULL when out of memory. The caller frees it. */
static char *base_of(const char *url)
{
    char *base = strdup(url);
    for (size_t len = base != NULL ? strlen(base) : 0; len != 0 && base[len - 1] == '/'; len--) {
        base[len - 1] = '\0';
    }
    return base;
}

int ctl_doctor(struct ctl *ctl, int argc, char **argv)
{
    struct doctor doctor = {.n = 0};
    struct result why = RESULT_INIT;
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
    if (n_rest == 0) {
        return ctl_wrong_use(ctl, "doctor", "the gateway's URL is missing: " URL_EXAMPLE);
    }
    if (!check_url(url[0], &why) ||
        (doctor.ca_file != NULL && !check_ca_file(doctor.ca_file, &why))) {
        return ctl_wrong_use(ctl, "doctor", "%s", why.text);
    }
    char *base = base_of(url[0]);
    if (base == NULL) {
        return ctl_fail(ctl, "out of memory");
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
