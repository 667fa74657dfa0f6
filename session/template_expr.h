/* template_expr.h: from the tokens of an expression to instructions that leave its value on the
 * stack.
 *
 *     expression = or [ "if" or [ "else" expression ] ]...
 *     or         = and { "or" and }             and  = not { "and" not }
 *     not        = { "not" } comparison         comparison = value { "<" value }...
 *     value      = name | string | ["-"] number | true | false | "(" expression ")"
 *                  followed by { "|default" [ "(" expression [ "," expression ] ")" ] }
 */
#ifndef SIGPOST_SESSION_TEMPLATE_EXPR_H
#define SIGPOST_SESSION_TEMPLATE_EXPR_H

#include "session/template_internal.h"
#include "session/template_lexer.h"

struct compiler {
    struct lexer lexer; /* holds the sticky failure */
    struct template *out;
    unsigned nesting; /* of expressions */
    unsigned stack;   /* values on the stack behind the last instruction */
};

/* Appends an instruction that changes the number of values by `grows`; returns its index. */
uint32_t compiler_emit(struct compiler *compiler, struct template_instruction instruction,
                       int grows);

/* Appends an instruction that refers to these bytes, which are copied to the pool. */
void compiler_emit_bytes(struct compiler *compiler, enum template_op op, struct slice bytes,
                         int grows);

/* Jumps whose target is still open are a list through their `at`; list is its head. */
#define COMPILER_NO_JUMPS UINT32_MAX
void compiler_emit_jump(struct compiler *compiler, struct template_instruction jump, int grows,
                        uint32_t *list);

/* Lets all jumps of the list go to the next instruction and empties the list. */
void compiler_land(struct compiler *compiler, uint32_t *list);

/* What stands in {{ }} or parentheses. */
void compiler_expression(struct compiler *compiler);

/* What stands behind {% if: an expression without if-else of its own. */
void compiler_condition(struct compiler *compiler);

#endif
