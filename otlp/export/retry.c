/* retry.c: see retry.h. Dates are in retry_after.c. */
#include "otlp/export/retry.h"

enum retry_verdict retry_classify(int status)
{
    if (status == 0 || status >= 500) {
        return RETRY_LATER;
    }
    if (status >= 200 && status < 300) {
        return RETRY_DELIVERED;
    }
    switch (status) {
    case 408: /* a slow uplink, not a bad body */
    case 425:
    case 429:
        return RETRY_LATER;
    case 401:
    case 402:
    case 403:
    case 404:
    case 405:
    case 406:
    case 407:
    case 410:
    case 411:
    case 414:
    case 415: /* the type, or our compression: the same for every body */
    case 417:
    case 421:
    case 426:
    case 428:
    case 431:
    case 451:
        return RETRY_OPERATOR;
    default:
        return status >= 400 ? RETRY_REFUSED : RETRY_OPERATOR;
    }
}

/* initial * 2^(failures-1), but never past max; no step can overflow. */
static int64_t ceiling_of(const struct retry_policy *policy, unsigned failures)
{
    int64_t max = policy->max_ns > RETRY_MIN_NS ? policy->max_ns : RETRY_MIN_NS;
    int64_t ceiling = policy->initial_ns > RETRY_MIN_NS ? policy->initial_ns : RETRY_MIN_NS;
    for (unsigned i = 1; i < failures && ceiling < max; i++) {
        ceiling = ceiling > max / 2 ? max : ceiling * 2;
    }
    return ceiling < max ? ceiling : max;
}

/* Anything from low to high, both included. The bias of the modulus is below 2^-20 for pauses of
 * hours. */
static int64_t between(int64_t low, int64_t high, uint64_t random)
{
    return low + (int64_t)(random % ((uint64_t)(high - low) + 1));
}

int64_t retry_delay(const struct retry_policy *policy, unsigned failures, uint64_t random)
{
    return between(RETRY_MIN_NS, ceiling_of(policy, failures), random);
}

/* A person's mistake heals at a person's pace; a little jitter keeps several gateways apart. */
static int64_t operator_delay(const struct retry_policy *policy, uint64_t random)
{
    int64_t max = policy->max_ns > RETRY_MIN_NS ? policy->max_ns : RETRY_MIN_NS;
    return between(max / 2, max, random);
}

void retry_init(struct retry *r, const struct retry_policy *policy)
{
    *r = (struct retry){*policy, RETRY_FLOWING, 0, 0, 0};
}

bool retry_may_send(const struct retry *r, int64_t now)
{
    return r->phase == RETRY_FLOWING || (r->phase == RETRY_PAUSED && now >= r->until);
}

bool retry_sent(struct retry *r)
{
    if (r->phase == RETRY_FLOWING) {
        return false;
    }
    r->phase = RETRY_PROBING;
    return true;
}

void retry_failed(struct retry *r, enum retry_verdict verdict, int64_t retry_after_ns, bool probe,
                  int64_t now, uint64_t random)
{
    int64_t wished = retry_after_ns < RETRY_AFTER_MAX_NS ? retry_after_ns : RETRY_AFTER_MAX_NS;
    if (!probe && r->phase != RETRY_FLOWING) {
        if (r->phase == RETRY_PAUSED && now + wished > r->until) {
            r->until = now + wished;
        }
        return;
    }
    if (r->failures == 0) {
        r->since = now;
    }
    r->failures++;
    int64_t delay = verdict == RETRY_OPERATOR ? operator_delay(&r->policy, random)
                                              : retry_delay(&r->policy, r->failures, random);
    r->until = now + (wished > delay ? wished : delay);
    r->phase = RETRY_PAUSED;
}

bool retry_answered(struct retry *r, bool probe)
{
    if (!probe && r->phase != RETRY_FLOWING) {
        return false; /* sent before the trouble began: says nothing about now */
    }
    bool ended = r->failures != 0;
    r->phase = RETRY_FLOWING;
    r->failures = 0;
    return ended;
}
