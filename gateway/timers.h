/* timers.h: turns of libh2o's loop that bear a wall clock which is set back.
 *
 * libh2o tells its timeouts by the wall clock. Each timeout is a list in the order of linking, read
 * from its head up to the first entry that is not due. When the clock steps back, what was linked
 * before lies in the future and stops the list for as long as the step: no idle connection closes,
 * and the ones there are hold the places of new ones.
 */
#ifndef SIGPOST_GATEWAY_TIMERS_H
#define SIGPOST_GATEWAY_TIMERS_H

#include <h2o.h>

/* One turn, waiting up to max_wait_ms for events. When the clock was set back since the turn
 * before, whatever waits for a timeout waits for its whole length once more, and not longer. Costs
 * one comparison a turn. In the place of h2o_evloop_run, on the loop's thread. */
void timers_turn(h2o_loop_t *loop, int32_t max_wait_ms);

#endif
