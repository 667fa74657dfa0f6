/* manual.c: sigpostctl(1) and sigpost.cfg(5); see manual.h. */
#include "ctl/manual.h"

#include "base/manual.h"

#include <stdlib.h>

static int put(struct ctl *ctl, struct buf *text)
{
    bool ok = !text->failed && fwrite(text->data, 1, text->len, ctl->out) == text->len;
    buf_free(text);
    return ok ? CTL_DONE : ctl_fail(ctl, "cannot write the page");
}

static void put_noun(struct buf *out, const char *name, const char *help)
{
    manual_subsection(out, name);
    manual_help(out, help, "sigpostctl", HELP_SYNOPSIS);
    manual_help_body(out, help, "sigpostctl");
}

int ctl_print_manual(struct ctl *ctl)
{
    struct buf out = BUF_INIT;
    manual_head(&out, "sigpostctl", 1, "keys and signatures of sigpost");
    manual_section(&out, "SYNOPSIS");
    manual_help(&out, ctl_help(), "sigpostctl", HELP_SYNOPSIS);
    manual_section(&out, "DESCRIPTION");
    manual_help(&out, ctl_help(), "sigpostctl", HELP_TEXT);
    manual_help(&out, ctl_help(), "sigpostctl", HELP_ITEM);
    manual_section(&out, "NOUNS");
    for (size_t i = 0; ctl_noun_name(i) != NULL; i++) {
        char *help = ctl_noun_help(ctl, i);
        if (help == NULL) {
            out.failed = true;
        } else {
            put_noun(&out, ctl_noun_name(i), help);
        }
        free(help);
    }
    manual_see_also(&out, "`sigpost`(8), `sigpost.cfg`(5)");
    return put(ctl, &out);
}

int ctl_print_config_manual(struct ctl *ctl)
{
    struct buf out = BUF_INIT;
    config_print_manual(&out);
    return put(ctl, &out);
}
