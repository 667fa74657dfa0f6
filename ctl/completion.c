/* completion.c: the completion for bash, from the synopses of the nouns' help; see manual.h.
 *
 * The script holds tables (verbs of a noun, options and operands of each form, what an option's
 * value may be) and asks the program itself for two things only: the ids of the keys and the names
 * of the dead letters. compgen -W would expand "$(command)" in these: they are compared by hand.
 */
#include "ctl/manual.h"

#include "base/help_text.h"

#include <stdlib.h>
#include <string.h>

static const char head[] =
    "# bash completion for sigpostctl. Made by: sigpostctl --print-completion\n"
    "_sigpostctl_values() {\n"
    "    case $1 in\n"
    "    ID) \"${COMP_WORDS[0]}\" \"${config[@]}\" secret list --ids 2>/dev/null ;;\n"
    "    LETTER)\n"
    "        \"${COMP_WORDS[0]}\" \"${config[@]}\" spool dead list --names \"${dir[@]}\" "
    "2>/dev/null\n"
    "        ;;\n"
    "    *'|'*) tr '|' '\\n' <<<\"$1\" ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_sigpostctl() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local config=() dir=() words=() offered=() i operands verbs options values kind\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "        -c | --config)\n"
    "            config=(-c \"${COMP_WORDS[i + 1]}\")\n"
    "            ((i++))\n"
    "            ;;\n"
    "        --dir)\n"
    "            dir=(--dir \"${COMP_WORDS[i + 1]}\")\n"
    "            ((i++))\n"
    "            ;;\n"
    "        -*) ;;\n"
    "        *) words+=(\"${COMP_WORDS[i]}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    verbs='' options='-c --config --help --version' operands='' values=' -c=FILE "
    "--config=FILE '\n";

static const char tail[] =
    "    kind=''\n"
    "    case \"$values\" in\n"
    "    *\" $prev=\"*)\n"
    "        kind=${values#*\" $prev=\"}\n"
    "        kind=${kind%% *}\n"
    "        ;;\n"
    "    *)\n"
    "        if [[ $cur == -* ]]; then\n"
    "            mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
    "            return\n"
    "        fi\n"
    "        if [ -n \"$verbs\" ]; then\n"
    "            mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$cur\")\n"
    "            return\n"
    "        fi\n"
    "        kind=$operands\n"
    "        ;;\n"
    "    esac\n"
    "    case $kind in\n"
    "    FILE) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
    "    DIR) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
    "    *)\n"
    "        mapfile -t offered < <(_sigpostctl_values \"$kind\")\n"
    "        for i in \"${offered[@]}\"; do\n"
    "            if [[ $i == \"$cur\"* ]]; then\n"
    "                COMPREPLY+=(\"$i\")\n"
    "            fi\n"
    "        done\n"
    "        ;;\n"
    "    esac\n"
    "}\n"
    "complete -o filenames -F _sigpostctl sigpostctl\n";

/* One form of a noun: what may stand behind "noun" or "noun verb". */
struct form {
    struct buf options; /* "--grace --id" */
    struct buf values;  /* "--grace=LENGTH --id=NAME" */
    struct buf operand; /* the first one: "ID" */
};

static bool is_verb(struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        if ((word.data[i] < 'a' || word.data[i] > 'z') && word.data[i] != '-') {
            return false;
        }
    }
    return word.len != 0 && word.data[0] != '-';
}

static bool is_kind(struct slice word)
{
    return help_is_placeholder(word) ||
           (word.len > 1 && memchr(word.data, '|', word.len) != NULL); /* "A | --all" has none */
}

/* Takes the words behind noun and verb. An option's value is the placeholder behind it. */
static void read_form(struct slice rest, struct form *form)
{
    struct slice word;
    struct slice option = {0};
    while (help_word(&rest, &word)) {
        if (word.len > 1 && word.data[0] == '-') {
            option = word.data[word.len - 1] == ',' ? slice_make(word.data, word.len - 1) : word;
            buf_append_char(&form->options, ' ');
            buf_append_slice(&form->options, option);
        } else if (option.len != 0 && is_kind(word)) {
            buf_append_char(&form->values, ' ');
            buf_append_slice(&form->values, option);
            buf_append_char(&form->values, '=');
            buf_append_slice(&form->values, word);
            option = (struct slice){0};
        } else if (is_kind(word) && form->operand.len == 0) {
            buf_append_slice(&form->operand, word);
        }
    }
}

/* The options of the items, for a synopsis that says "[options]". */
static void read_items(const char *help, struct form *form)
{
    struct help_part part = {.kind = HELP_TEXT};
    struct slice rest = slice_of(help);
    while (help_next(&rest, "sigpostctl", &part)) {
        if (part.kind == HELP_ITEM && part.term.len != 0 && part.term.data[0] == '-') {
            read_form(buf_slice(&part.term), form);
        }
    }
    help_part_free(&part);
}

/* path: a noun and its verbs. Where it has several forms, "[options]" are those of the first. */
static void put_form(struct buf *out, struct slice path, const char *help, struct slice rest)
{
    static const char options[] = "[options]";
    struct form form = {.options = BUF_INIT, .values = BUF_INIT, .operand = BUF_INIT};
    struct buf head_line = BUF_INIT;
    buf_printf(&head_line, "    '%.*s'*)\n", (int)path.len, path.data);
    bool first =
        out->len == 0 || memmem(out->data, out->len, head_line.data, head_line.len) == NULL;
    read_form(rest, &form);
    if (first && memmem(rest.data, rest.len, options, strlen(options)) != NULL) {
        read_items(help, &form);
    }
    buf_append_slice(out, buf_slice(&head_line));
    buf_printf(out,
               "        options+='%.*s' values+='%.*s ' operands=${operands:-'%.*s'} "
               "verbs=''\n        ;;&\n",
               (int)form.options.len, form.options.len != 0 ? form.options.data : "",
               (int)form.values.len, form.values.len != 0 ? form.values.data : "",
               (int)form.operand.len, form.operand.len != 0 ? form.operand.data : "");
    out->failed = out->failed || head_line.failed || form.options.failed || form.values.failed ||
                  form.operand.failed;
    buf_free(&head_line);
    buf_free(&form.options);
    buf_free(&form.values);
    buf_free(&form.operand);
}

/* Says once that `verb` may stand behind `path`. */
static void put_verb(struct buf *out, struct slice path, struct slice verb)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "    '%.*s ') verbs+=' %.*s' ;;&\n", (int)path.len, path.data, (int)verb.len,
               verb.data);
    if (!line.failed && memmem(out->data, out->len, line.data, line.len) == NULL) {
        buf_append_slice(out, buf_slice(&line));
    }
    out->failed = out->failed || line.failed;
    buf_free(&line);
}

/* One synopsis: the verbs behind the noun, then what stands behind them. */
static void put_synopsis(struct buf *out, const char *noun, const char *help, struct slice words)
{
    struct buf path = BUF_INIT;
    struct slice word;
    buf_append_str(&path, noun);
    for (struct slice behind = words; help_word(&behind, &word) && is_verb(word); words = behind) {
        put_verb(out, buf_slice(&path), word);
        buf_append_char(&path, ' ');
        buf_append_slice(&path, word);
    }
    put_form(out, buf_slice(&path), help, words);
    out->failed = out->failed || path.failed;
    buf_free(&path);
}

static void put_noun(struct buf *out, const char *noun, const char *help)
{
    struct help_part part = {.kind = HELP_TEXT};
    for (struct slice rest = slice_of(help); help_next(&rest, "sigpostctl", &part);) {
        struct slice words = buf_slice(&part.term);
        struct slice word;
        if (part.kind == HELP_SYNOPSIS && help_word(&words, &word) && help_word(&words, &word) &&
            slice_eq_str(word, noun)) {
            put_synopsis(out, noun, help, words);
        }
    }
    help_part_free(&part);
}

int ctl_print_completion(struct ctl *ctl)
{
    struct buf out = BUF_INIT;
    buf_append_str(&out, head);
    buf_append_str(&out, "    case \"${words[*]:0:3} \" in\n"
                         "    [!\\ ]*) options='--help' ;;&\n"
                         "    ' ') verbs='");
    for (size_t i = 0; ctl_noun_name(i) != NULL; i++) {
        buf_printf(&out, "%s%s", i == 0 ? "" : " ", ctl_noun_name(i));
    }
    buf_append_str(&out, "' ;;\n");
    for (size_t i = 0; ctl_noun_name(i) != NULL; i++) {
        char *help = ctl_noun_help(ctl, i);
        out.failed = out.failed || help == NULL;
        if (help != NULL) {
            put_noun(&out, ctl_noun_name(i), help);
        }
        free(help);
    }
    buf_append_str(&out, "    esac\n");
    buf_append_str(&out, tail);
    bool ok = !out.failed && fwrite(out.data, 1, out.len, ctl->out) == out.len;
    buf_free(&out);
    return ok ? CTL_DONE : ctl_fail(ctl, "cannot write the completion");
}
