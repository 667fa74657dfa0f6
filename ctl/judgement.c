/* judgement.c: see judgement.h. The verdict is made by the same functions as the gateway's. */
#include "ctl/judgement.h"

#include "base/clock.h"

static const struct slice root_paths[] = {{"/v1/metrics", 11}, {"/v1/traces", 10}, {"/v1/logs", 8}};

void judgement_free(struct judgement *judgement)
{
    request_free(&judgement->request);
    ctl_keys_close(&judgement->keys);
    config_free(judgement->config);
    *judgement = JUDGEMENT_INIT;
}

static int check_options(struct ctl *ctl, const char *noun, const struct judgement_options *options,
                         struct judgement *out)
{
    const char *path = options->path;
    if (path != NULL &&
        (path[0] != '/' || strlen(path) > SIGNATURE_PATH_MAX || strpbrk(path, "?# ") != NULL)) {
        return ctl_wrong_use(ctl, noun,
                             "--path takes the path as it was sent, without a "
                             "query, up to %d bytes: /v1/metrics",
                             SIGNATURE_PATH_MAX);
    }
    if (options->at == NULL) {
        out->now = clock_wall_s();
    } else if (!signature_timestamp_parse(slice_of(options->at), &out->now)) {
        return ctl_wrong_use(ctl, noun, "--at takes Unix seconds, 1 to %d digits",
                             SIGNATURE_TIMESTAMP_MAX);
    }
    return CTL_DONE;
}

static int open_keys(struct ctl *ctl, struct judgement *out)
{
    struct keyring_counts counts;
    out->config = ctl_config(ctl);
    if (out->config == NULL || ctl_keys_open(ctl, out->config, &out->keys) != CTL_DONE) {
        return CTL_FAILED;
    }
    out->window = out->config->auth.window / NS_PER_SECOND;
    keyring_counts(out->keys.ring, out->now, &counts);
    return counts.active + counts.pending + counts.ended != 0
               ? CTL_DONE
               : ctl_fail(ctl, "there is no key; make one: sigpostctl secret init");
}

static int read_request(struct ctl *ctl, const char *noun, const char *path, struct judgement *out)
{
    struct result why = RESULT_INIT;
    struct request *request = &out->request;
    if (!request_read(ctl->in, request, &why)) {
        return ctl_wrong_use(ctl, noun, "%s", why.text);
    }
    out->one_path = path != NULL ? slice_of(path) : request->path;
    if (out->one_path.len == 0 || out->one_path.data[0] != '/') {
        return ctl_wrong_use(ctl, noun,
                             "--path is missing: what was read does not tell the path that was "
                             "sent");
    }
    bool root = slice_eq_str(out->one_path, "/");
    out->paths = root ? root_paths : &out->one_path;
    out->n_paths = root ? sizeof(root_paths) / sizeof(root_paths[0]) : 1;
    for (size_t i = 0; i < request->n_headers; i++) {
        signature_headers_add(&out->headers, request->headers[i].name, request->headers[i].value);
    }
    return CTL_DONE;
}

static void decide(struct judgement *out)
{
    out->key = REASON_COUNT;
    out->form = signature_parse(&out->headers, &out->claim);
    out->reason = out->form;
    if (out->form == REASON_OK) {
        out->reason = signature_check_window(&out->claim, out->now, out->window, &out->skew);
        out->key = keyring_match(out->keys.reader, &out->claim, out->paths, out->n_paths,
                                 (struct slice){NULL, 0}, out->now, &out->match);
        out->reason = out->reason == REASON_OK ? out->key : out->reason;
    }
}

int judge(struct ctl *ctl, const char *noun, const struct judgement_options *options,
          struct judgement *out)
{
    *out = JUDGEMENT_INIT;
    int status = check_options(ctl, noun, options, out);
    status = status == CTL_DONE ? open_keys(ctl, out) : status;
    status = status == CTL_DONE ? read_request(ctl, noun, options->path, out) : status;
    if (status == CTL_DONE) {
        decide(out);
    }
    return status;
}
