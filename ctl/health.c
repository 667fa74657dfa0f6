/* health.c: sigpostctl health: asks the gateway how it is, for scripts and for containers that hold
 * no other program that could ask. */
#include "ctl/ctl.h"
#include "ctl/http.h"

#include <curl/curl.h>
#include <string.h>

#define TIMEOUT_MS 4000L

static const char help[] =
    "sigpostctl health [--ready] [--ca-file FILE] [URL]   is the gateway alive?\n"
    "\n"
    "  URL            the gateway's address (where the configuration says it listens)\n"
    "  --ready        ask /health/ready: is all well behind it, too?\n"
    "  --ca-file FILE certificates to believe, for https (the system's)\n"
    "\n"
    "Prints what the gateway answers. Exit status: 0 it is well, 1 it is not or does not answer,\n"
    "2 wrong use.\n";

/* The URL at which this machine reaches server.listen. An address that stands for all of them is
 * reached by loopback. */
static void own_url(const char *listen, char *out, size_t size)
{
    const char *colon = strrchr(listen, ':');
    size_t len = (size_t)(colon - listen);
    struct slice host = slice_make(listen, len);
    if (len == 0 || slice_eq(host, SLICE_LIT("0.0.0.0"))) {
        host = SLICE_LIT("127.0.0.1");
    } else if (slice_eq(host, SLICE_LIT("[::]"))) {
        host = SLICE_LIT("[::1]");
    }
    snprintf(out, size, "http://%.*s%s", (int)host.len, host.data, colon);
}

static int ask(struct ctl *ctl, const char *base, const char *path, const char *ca_file)
{
    char url[1200];
    struct http_answer answer = {.status = 0};
    struct result why = RESULT_INIT;
    size_t len = strlen(base);
    while (len != 0 && base[len - 1] == '/') {
        len--;
    }
    if (snprintf(url, sizeof(url), "%.*s%s", (int)len, base, path) >= (int)sizeof(url)) {
        return ctl_wrong_use(ctl, "health", "the URL is too long");
    }
    struct http_call call = {.url = url, .ca_file = ca_file, .timeout_ms = TIMEOUT_MS};
    int status = CTL_DONE;
    if (!http_call(&call, &answer, &why)) {
        status = ctl_fail(ctl, "%s: %s", url, why.text);
    } else {
        struct slice body = buf_slice(&answer.body);
        while (body.len != 0 && body.data[body.len - 1] == '\n') {
            body.len--;
        }
        ctl_put_text(ctl->out, body);
        fputc('\n', ctl->out);
        if (answer.status != 200) {
            status = ctl_fail(ctl, "%s answered %d", url, answer.status);
        }
    }
    http_answer_free(&answer);
    return status;
}

int ctl_health(struct ctl *ctl, int argc, char **argv)
{
    const char *base[1];
    const char *ca_file = NULL;
    size_t n_rest;
    bool ready = false;
    const struct ctl_option options[] = {{"--ready", &ready, NULL}, {"--ca-file", NULL, &ca_file}};
    int status = ctl_options(ctl, "health", help, argc, argv, options, 2, base, 1, &n_rest);
    if (status >= 0) {
        return status;
    }
    char own[300];
    if (n_rest == 0) {
        struct config *config = ctl_config(ctl);
        if (config == NULL) {
            return CTL_FAILED;
        }
        own_url(config->server.listen, own, sizeof(own));
        base[0] = own;
        config_free(config);
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ctl_fail(ctl, "libcurl cannot be initialised");
    }
    status = ask(ctl, base[0], ready ? "/health/ready" : "/health/live", ca_file);
    curl_global_cleanup();
    return status;
}
