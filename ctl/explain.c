/* explain.c: sigpostctl explain: the rules of signing, one by one, for a request that was pasted.
 */
#include "ctl/explain.h"

#include "base/utf8.h"

#include <jansson.h>

static const char help[] =
    "sigpostctl explain [--path PATH] [--at N] [--json]   which rule of signing is broken\n"
    "\n"
    "  --path PATH   the request's path as the gateway sees it, without a query (what the request\n"
    "                itself tells)\n"
    "  --at N        as if it were Unix second N (now)\n"
    "  --json        an object: ok, verdict, status, canonical, key_id, rules, hints\n"
    "\n"
    "Standard input is a curl command as it was typed, also behind sudo or a pipe, or header "
    "lines\n"
    "\"Name: value\", maybe with the request line before them, also as curl -v shows them.\n"
    "Prints the canonical string, each rule with ok, note, FAIL or -\n"
    "(not to be told yet), the gateway's verdict, and hints at what the client did instead.\n"
    "Exit status: 0 the gateway would believe it, 1 it would not.\n";

/* A broken rule of another kind than signing: the gateway answers before it looks at the signature.
 */
static bool is_refused(const struct judgement *judgement, const struct explanation *explained)
{
    bool broken = judgement->reason != REASON_OK;
    for (size_t i = 0; i < explained->n_rules; i++) {
        broken = broken || explained->rules[i].state == RULE_BROKEN;
    }
    return broken;
}

static void put_text(FILE *out, const struct judgement *judgement,
                     const struct explanation *explained)
{
    static const char *const marks[] = {"ok  ", "note", "FAIL", "-   "};
    const struct reason_info *info = reason_info(judgement->reason);
    fputs("canonical string: ", out);
    ctl_put_text(out, slice_of(explained->canonical));
    fputc('\n', out);
    for (size_t i = 0; i < explained->n_rules; i++) {
        fprintf(out, "%s  %-9s  ", marks[explained->rules[i].state], explained->rules[i].name);
        ctl_put_text(out, slice_of(explained->rules[i].text));
        fputc('\n', out);
    }
    if (judgement->reason != REASON_OK) {
        fprintf(out, "verdict: %s (%d): %s. %s\n", info->word, info->http_status, info->title,
                info->remedy);
    } else {
        fprintf(out, "verdict: %s\n",
                is_refused(judgement, explained) ? "the signature is good, the request is not"
                                                 : "ok");
    }
    for (size_t i = 0; i < explained->n_hints; i++) {
        fputs("hint: ", out);
        ctl_put_text(out, slice_of(explained->hints[i]));
        fputc('\n', out);
    }
}

/* A string of JSON; what is not UTF-8 is shown as a terminal would see it. */
static json_t *json_text(const char *text)
{
    char *shown = NULL;
    size_t len = 0;
    if (utf8_valid(text, strlen(text))) {
        return json_string(text);
    }
    FILE *out = open_memstream(&shown, &len);
    if (out == NULL) {
        return NULL;
    }
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        fprintf(out, c < 0x80 ? "%c" : "\\x%02x", c);
    }
    fclose(out);
    json_t *string = json_string(shown);
    free(shown);
    return string;
}

static int put_json(struct ctl *ctl, const struct judgement *judgement,
                    const struct explanation *explained)
{
    static const char *const states[] = {"ok", "note", "fail", "open"};
    const struct reason_info *info = reason_info(judgement->reason);
    json_t *rules = json_array();
    json_t *hints = json_array();
    for (size_t i = 0; i < explained->n_rules; i++) {
        const struct rule *rule = &explained->rules[i];
        json_array_append_new(rules, json_pack("{s:s, s:s, s:o}", "rule", rule->name, "state",
                                               states[rule->state], "text", json_text(rule->text)));
    }
    for (size_t i = 0; i < explained->n_hints; i++) {
        json_array_append_new(hints, json_text(explained->hints[i]));
    }
    json_t *all = json_pack("{s:b, s:s, s:i, s:o, s:s?, s:o, s:o}", "ok",
                            (int)!is_refused(judgement, explained), "verdict", info->word, "status",
                            info->http_status, "canonical", json_text(explained->canonical),
                            "key_id", judgement->match.key_id.data, "rules", rules, "hints", hints);
    bool ok = all != NULL && json_dumpf(all, ctl->out, JSON_INDENT(2)) == 0 &&
              fputc('\n', ctl->out) != EOF;
    json_decref(all);
    return ok ? CTL_DONE : ctl_fail(ctl, "cannot write the explanation");
}

int ctl_explain(struct ctl *ctl, int argc, char **argv)
{
    struct judgement_options given = {NULL, NULL};
    struct judgement judgement;
    struct explanation explained;
    size_t n_rest;
    bool json = false;
    const struct ctl_option options[] = {
        {"--path", NULL, &given.path}, {"--at", NULL, &given.at}, {"--json", &json, NULL}};
    int status = ctl_options(ctl, "explain", help, argc, argv, options, 3, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    status = judge(ctl, "explain", &given, &judgement);
    if (status == CTL_DONE) {
        explain_rules(&judgement, &explained);
        explain_guess(&judgement, &explained);
        if (json) {
            status = put_json(ctl, &judgement, &explained);
        } else {
            put_text(ctl->out, &judgement, &explained);
        }
        status = status == CTL_DONE && is_refused(&judgement, &explained) ? CTL_FAILED : status;
    }
    judgement_free(&judgement);
    return status;
}
