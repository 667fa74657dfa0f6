/* timers.c: see timers.h. What was linked in the very turn that saw the step lies behind entries of
 * the future: a list is walked to its end, and is in order again then.
 */
#include "gateway/timers.h"

static void mend(h2o_timeout_t *timeout, uint64_t now)
{
    for (h2o_linklist_t *node = timeout->_entries.next; node != &timeout->_entries;
         node = node->next) {
        h2o_timeout_entry_t *entry = H2O_STRUCT_FROM_MEMBER(h2o_timeout_entry_t, _link, node);
        if (entry->registered_at > now) {
            entry->registered_at = now;
        }
    }
}

/* libh2o's own timeouts hang on the loop beside ours. */
static void mend_all(h2o_loop_t *loop)
{
    for (h2o_linklist_t *node = loop->_timeouts.next; node != &loop->_timeouts; node = node->next) {
        mend(H2O_STRUCT_FROM_MEMBER(h2o_timeout_t, _link, node), h2o_now(loop));
    }
}

void timers_turn(h2o_loop_t *loop, int32_t max_wait_ms)
{
    uint64_t before = h2o_now(loop);
    h2o_evloop_run(loop, max_wait_ms);
    if (h2o_now(loop) < before) {
        mend_all(loop);
    }
}
