/* template_internal.h: what the rooms of the template share: the program that a template is.
 *
 * Compiling turns the page into a list of instructions for a small stack machine, so that rendering
 * is one loop: no recursion, no allocation but the page itself, no input that it can fail on.
 *
 *     {% if a %}x{{ b|default('c') }}{% endif %}
 *
 *     0 NAME a         3 NAME b          6 DEFAULT
 *     1 BRANCH 8       4 STRING c        7 PRINT
 *     2 TEXT x         5 BOOL false      8
 */
#ifndef SIGPOST_SESSION_TEMPLATE_INTERNAL_H
#define SIGPOST_SESSION_TEMPLATE_INTERNAL_H

#include "base/buf.h"
#include "session/template.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEMPLATE_IF_DEPTH 32
#define TEMPLATE_EXPRESSION_DEPTH 64
#define TEMPLATE_STACK_MAX (3 * TEMPLATE_EXPRESSION_DEPTH) /* values; checked when compiling */

enum template_op {
    TEMPLATE_OP_TEXT,      /* appends pool[at, at + number) as it is */
    TEMPLATE_OP_PRINT,     /* pops, appends escaped */
    TEMPLATE_OP_STRING,    /* pushes pool[at, at + number) */
    TEMPLATE_OP_NUMBER,    /* pushes number */
    TEMPLATE_OP_BOOL,      /* pushes number != 0 */
    TEMPLATE_OP_NAME,      /* pushes the variable named pool[at, at + number) */
    TEMPLATE_OP_UNDEFINED, /* pushes the value of an unknown name */
    TEMPLATE_OP_POP,
    TEMPLATE_OP_NOT,     /* pops, pushes a bool */
    TEMPLATE_OP_COMPARE, /* pops b and a, pushes whether a and b compare so */
    TEMPLATE_OP_DEFAULT, /* pops falsy_too, fallback and value; pushes value or fallback */
    /* from here on: those that may go on at instruction `at` */
    TEMPLATE_OP_CHAIN, /* as COMPARE, but when true pushes b, when false jumps: a < b < c */
    TEMPLATE_OP_JUMP,
    TEMPLATE_OP_BRANCH, /* pops, jumps when false */
    TEMPLATE_OP_AND,    /* when the top is false jumps, else pops */
    TEMPLATE_OP_OR,     /* when the top is true jumps, else pops */
};

enum template_comparison {
    TEMPLATE_EQ,
    TEMPLATE_NE,
    TEMPLATE_LT,
    TEMPLATE_LE,
    TEMPLATE_GT,
    TEMPLATE_GE,
};

struct template_instruction {
    uint8_t op;
    uint8_t comparison;
    uint32_t at;
    int64_t number;
};

struct template
{
    struct template_instruction *code; /* owned */
    size_t n;
    size_t cap;
    struct buf pool; /* literal text, strings without their escapes, names */
};

#endif
