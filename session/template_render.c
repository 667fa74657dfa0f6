/* template_render.c: see template.h and, for the instructions, template_internal.h. */
#include "session/template_internal.h"

#include <inttypes.h>

enum value_type { VALUE_UNDEFINED, VALUE_STRING, VALUE_NUMBER, VALUE_BOOL };

struct value {
    enum value_type type;
    struct slice text;
    int64_t number; /* 0 or 1 for bools */
};

struct machine {
    const struct template *template;
    const struct template_variable *variables;
    size_t n_variables;
    struct buf *out;
    struct value stack[TEMPLATE_STACK_MAX];
    size_t depth;
};

static bool is_true(const struct value *value)
{
    switch (value->type) {
    case VALUE_STRING:
        return value->text.len > 0;
    case VALUE_NUMBER:
    case VALUE_BOOL:
        return value->number != 0;
    default:
        return false;
    }
}

static int order_text(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Numbers and bools compare as numbers, strings by code points (the order of UTF-8's bytes),
 * undefined with undefined; anything else is different and in no order. */
static bool compare(const struct value *a, const struct value *b,
                    enum template_comparison comparison)
{
    bool a_counts = a->type == VALUE_NUMBER || a->type == VALUE_BOOL;
    bool b_counts = b->type == VALUE_NUMBER || b->type == VALUE_BOOL;
    int order = 0;
    if (a_counts && b_counts) {
        order = (a->number > b->number) - (a->number < b->number);
    } else if (a->type == VALUE_STRING && b->type == VALUE_STRING) {
        order = order_text(a->text, b->text);
    } else {
        bool same = a->type == VALUE_UNDEFINED && b->type == VALUE_UNDEFINED;
        return comparison == (same ? TEMPLATE_EQ : TEMPLATE_NE);
    }
    switch (comparison) {
    case TEMPLATE_EQ:
        return order == 0;
    case TEMPLATE_NE:
        return order != 0;
    case TEMPLATE_LT:
        return order < 0;
    case TEMPLATE_LE:
        return order <= 0;
    case TEMPLATE_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&#34;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static void append_escaped(struct buf *out, struct slice text)
{
    size_t plain = 0; /* where the run without escapes begins */
    for (size_t i = 0; i < text.len; i++) {
        const char *escaped = entity(text.data[i]);
        if (escaped != NULL) {
            buf_append(out, text.data + plain, i - plain);
            buf_append_str(out, escaped);
            plain = i + 1;
        }
    }
    if (plain < text.len) {
        buf_append(out, text.data + plain, text.len - plain);
    }
}

static void print(struct buf *out, const struct value *value)
{
    switch (value->type) {
    case VALUE_STRING:
        append_escaped(out, value->text);
        break;
    case VALUE_NUMBER:
        buf_printf(out, "%" PRId64, value->number);
        break;
    case VALUE_BOOL:
        buf_append_str(out, value->number != 0 ? "True" : "False");
        break;
    default:
        break;
    }
}

static struct value look_up(const struct machine *machine, struct slice name)
{
    for (size_t i = 0; i < machine->n_variables; i++) {
        const struct template_variable *variable = &machine->variables[i];
        if (slice_eq_str(name, variable->name)) {
            switch (variable->type) {
            case TEMPLATE_STRING:
                return (struct value){.type = VALUE_STRING, .text = variable->text};
            case TEMPLATE_NUMBER:
                return (struct value){.type = VALUE_NUMBER, .number = variable->number};
            default:
                return (struct value){.type = VALUE_BOOL, .number = variable->number != 0};
            }
        }
    }
    return (struct value){.type = VALUE_UNDEFINED};
}

static void push(struct machine *machine, struct value value)
{
    machine->stack[machine->depth++] = value;
}

static struct value *pop(struct machine *machine)
{
    return &machine->stack[--machine->depth];
}

static struct slice pooled(const struct machine *machine,
                           const struct template_instruction *instruction)
{
    const struct buf *pool = &machine->template->pool;
    return slice_make(instruction->number > 0 ? pool->data + instruction->at : "",
                      (size_t)instruction->number);
}

static struct value bool_value(bool value)
{
    return (struct value){.type = VALUE_BOOL, .number = value};
}

/* Instructions that only push, pop and append. */
static void step_plain(struct machine *machine, const struct template_instruction *instruction)
{
    struct value *a;
    struct value *b;
    switch ((enum template_op)instruction->op) {
    case TEMPLATE_OP_TEXT:
        buf_append_slice(machine->out, pooled(machine, instruction));
        break;
    case TEMPLATE_OP_PRINT:
        print(machine->out, pop(machine));
        break;
    case TEMPLATE_OP_STRING:
        push(machine, (struct value){.type = VALUE_STRING, .text = pooled(machine, instruction)});
        break;
    case TEMPLATE_OP_NUMBER:
        push(machine, (struct value){.type = VALUE_NUMBER, .number = instruction->number});
        break;
    case TEMPLATE_OP_BOOL:
        push(machine, bool_value(instruction->number != 0));
        break;
    case TEMPLATE_OP_NAME:
        push(machine, look_up(machine, pooled(machine, instruction)));
        break;
    case TEMPLATE_OP_UNDEFINED:
        push(machine, (struct value){.type = VALUE_UNDEFINED});
        break;
    case TEMPLATE_OP_NOT:
        push(machine, bool_value(!is_true(pop(machine))));
        break;
    case TEMPLATE_OP_COMPARE:
        b = pop(machine);
        a = pop(machine);
        push(machine, bool_value(compare(a, b, (enum template_comparison)instruction->comparison)));
        break;
    case TEMPLATE_OP_DEFAULT:
        b = pop(machine); /* also for falsy values? */
        a = pop(machine); /* the fallback */
        if (machine->stack[machine->depth - 1].type == VALUE_UNDEFINED ||
            (is_true(b) && !is_true(&machine->stack[machine->depth - 1]))) {
            machine->stack[machine->depth - 1] = *a;
        }
        break;
    default: /* POP */
        pop(machine);
        break;
    }
}

/* Does this jump instruction jump? Puts the stack in order either way. */
static bool step_jump(struct machine *machine, const struct template_instruction *instruction)
{
    if (instruction->op == TEMPLATE_OP_JUMP) {
        return true;
    }
    struct value *top = &machine->stack[machine->depth - 1];
    bool jumps;
    switch ((enum template_op)instruction->op) {
    case TEMPLATE_OP_BRANCH:
        return !is_true(pop(machine));
    case TEMPLATE_OP_CHAIN:
        pop(machine);
        jumps = !compare(top - 1, top, (enum template_comparison)instruction->comparison);
        top[-1] = jumps ? bool_value(false) : *top;
        return jumps;
    case TEMPLATE_OP_AND:
        jumps = !is_true(top);
        break;
    default: /* OR */
        jumps = is_true(top);
        break;
    }
    if (!jumps) {
        pop(machine);
    }
    return jumps;
}

void template_render(const struct template *template, const struct template_variable *variables,
                     size_t n, struct buf *out)
{
    struct machine machine = {
        .template = template, .variables = variables, .n_variables = n, .out = out};
    size_t at = 0;
    while (at < template->n) {
        const struct template_instruction *instruction = &template->code[at++];
        if (instruction->op < TEMPLATE_OP_CHAIN) {
            step_plain(&machine, instruction);
        } else if (step_jump(&machine, instruction)) {
            at = instruction->at;
        }
    }
}
