/* test_reason.c: the table is whole, its words are unique and fit for a label, and its codes are
 * those that clients are promised. */
#include "base/reason.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

Test(reason, every_row_is_filled)
{
    for (int i = 0; i < REASON_COUNT; i++) {
        const struct reason_info *info = reason_info((enum reason)i);
        cr_assert_not_null(info->word, "%d", i);
        cr_assert_not_null(info->title);
        cr_assert_not_null(info->remedy);
        cr_assert_str_not_empty(info->title);
        cr_assert_lt((int)info->told_as, REASON_COUNT);
        for (const char *c = info->word; *c != '\0'; c++) {
            cr_assert(islower((unsigned char)*c) || *c == '_', "%s", info->word);
        }
        cr_assert_neq(info->title[strlen(info->title) - 1], '.', "%s", info->title);
        if (i != REASON_OK && i != REASON_LEASED) {
            cr_assert_str_not_empty(info->remedy);
            cr_assert_neq(info->grpc_code, 0, "%s", info->word);
            cr_assert_geq(info->http_status, 400, "%s", info->word);
        }
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(info->word, reason_info((enum reason)j)->word);
        }
    }
}

Test(reason, statuses_as_promised)
{
    static const struct {
        const char *word;
        int status;
    } promised[] = {{"ok", 200},
                    {"missing_headers", 401},
                    {"repeated_header", 401},
                    {"invalid_timestamp", 401},
                    {"timestamp_drift", 401},
                    {"invalid_session", 401},
                    {"invalid_signature", 403},
                    {"retired_key", 403},
                    {"key_not_ready", 503},
                    {"rate_limited", 429},
                    {"unsupported_media_type", 415},
                    {"body_too_large", 413},
                    {"malformed_payload", 400},
                    {"spool_unavailable", 503},
                    {"leased", 200},
                    {"untrusted_proxy", 403},
                    {"invalid_forwarded", 403}};
    cr_assert_eq(sizeof(promised) / sizeof(promised[0]), REASON_COUNT);
    for (int i = 0; i < REASON_COUNT; i++) {
        cr_assert_str_eq(reason_info((enum reason)i)->word, promised[i].word);
        cr_assert_eq(reason_info((enum reason)i)->http_status, promised[i].status);
    }
}

Test(reason, a_retired_key_is_told_as_an_invalid_signature_and_nothing_else_is_hidden)
{
    for (int i = 0; i < REASON_COUNT; i++) {
        enum reason told = i == REASON_RETIRED_KEY ? REASON_INVALID_SIGNATURE : (enum reason)i;
        cr_assert_eq(reason_info((enum reason)i)->told_as, told);
    }
    cr_assert_eq(reason_info(REASON_RETIRED_KEY)->http_status,
                 reason_info(REASON_INVALID_SIGNATURE)->http_status);
}

Test(reason, out_of_the_enum_is_a_refusal)
{
    cr_assert_eq(reason_info(REASON_COUNT)->http_status, 503);
    cr_assert_eq(reason_info((enum reason)1000)->http_status, 503);
}
