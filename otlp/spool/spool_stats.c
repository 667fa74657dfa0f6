/* spool_stats.c: what is told to the outside: metrics and spool_get_stats.
 *
 * The oldest waiting record's arrival: for the last commits the writer remembers it; for older ones
 * the segment is walked, header by header, from where the last look ended.
 */
#include "otlp/spool/spool_internal.h"

#include "base/clock.h"

#include <fcntl.h>
#include <unistd.h>

#define RETRY_AFTER_MAX 300
#define RETRY_AFTER_RESTART 30
#define FREED_SPAN_NS (30 * NS_PER_SECOND)

/* A scrape may come when its spool is closed already: hooks cannot be taken back. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct spool *open_spools;

static void on_scrape(void *arg)
{
    pthread_mutex_lock(&open_lock);
    struct spool *spool = open_spools;
    while (spool != NULL && spool != arg) {
        spool = spool->next_open;
    }
    if (spool != NULL) {
        struct spool_stats stats;
        spool_get_stats(spool, &stats);
        double age = stats.oldest_ns != 0 ? (double)(clock_wall_ns() - stats.oldest_ns) : 0;
        metric_set(spool->bytes_gauge, (double)stats.bytes);
        metric_set(spool->oldest_gauge, age > 0 ? age / (double)NS_PER_SECOND : 0);
    }
    pthread_mutex_unlock(&open_lock);
}

void spool_stats_register(struct spool *spool, struct metrics *metrics)
{
    static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                    0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
    spool->bytes_gauge = metrics_gauge(metrics, "sigpost_spool_bytes",
                                       "Bytes in the spool's segment files.", METRIC_NO_LABELS);
    metric_set(metrics_gauge(metrics, "sigpost_spool_max_bytes",
                             "Room for the spool's segment files: spool.max_bytes.",
                             METRIC_NO_LABELS),
               (double)spool->options.max_bytes);
    spool->oldest_gauge = metrics_gauge(metrics, "sigpost_spool_oldest_seconds",
                                        "Age of the oldest record that a destination still waits "
                                        "for.",
                                        METRIC_NO_LABELS);
    spool->sync_seconds = metrics_histogram(
        metrics, "sigpost_spool_sync_seconds", "Time taken by each fdatasync of the spool.",
        METRIC_NO_LABELS, bounds, sizeof(bounds) / sizeof(bounds[0]));
    spool->records = metrics_counter(metrics, "sigpost_spool_records_total",
                                     "Records taken into the spool.", METRIC_NO_LABELS);
    spool->quarantined_total =
        metrics_counter(metrics, "sigpost_spool_quarantined_total",
                        "Damaged places of the spool that were set aside.", METRIC_NO_LABELS);
    static const char refused[] = "Records that the spool refused.";
    spool->refused_full = metrics_counter(metrics, "sigpost_spool_refused_total", refused,
                                          METRIC_LABELS("reason", "full"));
    spool->refused_failed = metrics_counter(metrics, "sigpost_spool_refused_total", refused,
                                            METRIC_LABELS("reason", "failed"));
    pthread_mutex_lock(&open_lock);
    spool->next_open = open_spools;
    open_spools = spool;
    pthread_mutex_unlock(&open_lock);
    metrics_on_scrape(metrics, on_scrape, spool);
}

void spool_stats_unregister(struct spool *spool)
{
    pthread_mutex_lock(&open_lock);
    for (struct spool **at = &open_spools; *at != NULL; at = &(*at)->next_open) {
        if (*at == spool) {
            *at = spool->next_open;
            break;
        }
    }
    pthread_mutex_unlock(&open_lock);
}

/* From what is remembered of the last commits; 0 when the record is older. Locked. */
static int64_t recent_arrival(const struct spool *spool, uint64_t sequence)
{
    size_t kept = spool->n_recent < SPOOL_RECENT ? spool->n_recent : SPOOL_RECENT;
    for (size_t back = 1; back <= kept; back++) {
        const struct spool_recent *recent = &spool->recent[(spool->n_recent - back) % SPOOL_RECENT];
        if (recent->first <= sequence) {
            return recent->arrived_ns;
        }
    }
    return 0;
}

static bool peek_open(struct spool *spool, const struct spool_segment *segment, uint64_t sequence)
{
    struct segment_scan *scan = &spool->peek_scan;
    if (scan->fd >= 0 && spool->peek_first == segment->first && scan->previous < sequence) {
        scan->limit = segment->used;
        return true;
    }
    if (scan->fd >= 0) {
        close(scan->fd);
    }
    int fd = spool_segment_open(spool, segment->first, O_RDONLY);
    segment_scan_start(scan, fd, segment->id, SEGMENT_HEADER_LEN, segment->used,
                       segment->first - 1);
    spool->peek_first = segment->first;
    return fd >= 0;
}

/* Walks to the record; where the way is damaged, the segment's own age is good enough. */
static int64_t peek_arrival(struct spool *spool, const struct spool_segment *segment,
                            uint64_t sequence)
{
    int64_t arrived = segment->made_ns;
    pthread_mutex_lock(&spool->peek);
    if (peek_open(spool, segment, sequence)) {
        struct segment_scan *scan = &spool->peek_scan;
        struct segment_frame frame;
        uint64_t pos, previous;
        do {
            pos = scan->pos;
            previous = scan->previous;
            if (segment_scan_skip(scan, &frame) != SEGMENT_FRAME) {
                break;
            }
            arrived = frame.arrived_ns;
        } while (frame.sequence < sequence);
        scan->pos = pos; /* the next look may be for the same record */
        scan->previous = previous;
    }
    pthread_mutex_unlock(&spool->peek);
    return arrived;
}

void spool_stats_forget_segment(struct spool *spool, uint64_t first)
{
    pthread_mutex_lock(&spool->peek);
    if (spool->peek_scan.fd >= 0 && spool->peek_first == first) {
        close(spool->peek_scan.fd);
        spool->peek_scan.fd = -1;
    }
    pthread_mutex_unlock(&spool->peek);
}

/* As long as it takes, at the pace of the last minute, to free a segment. Locked. */
static unsigned retry_after(const struct spool *spool)
{
    if (spool->failed) {
        return RETRY_AFTER_RESTART;
    }
    if (!spool->full || !spool->no_room) {
        return 1; /* at most the memory was full: the next sync empties it */
    }
    int64_t age = clock_mono_ns() - spool->freed_since_ns;
    double span = (double)(age + FREED_SPAN_NS) / (double)NS_PER_SECOND;
    uint64_t freed = age < 2 * FREED_SPAN_NS ? spool->freed[0] + spool->freed[1] : 0;
    if (freed == 0) {
        return RETRY_AFTER_MAX;
    }
    double wait = (double)spool->segment_bytes / ((double)freed / span);
    return wait < 1 ? 1 : wait > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (unsigned)wait;
}

void spool_get_stats(struct spool *spool, struct spool_stats *out)
{
    *out = (struct spool_stats){0};
    struct spool_segment segment = {0};
    uint64_t acked;
    pthread_mutex_lock(&spool->lock);
    spool_cursor_slowest(spool, &acked);
    for (size_t i = 0; i < spool->n_segments; i++) {
        const struct spool_segment *at = &spool->segments[i];
        uint64_t from = acked >= at->first ? acked : at->first - 1;
        out->bytes += at->used;
        if (at->last > from) {
            if (out->pending_records == 0) {
                segment = *at;
            }
            out->pending_records += at->last - from;
        }
    }
    uint64_t oldest = acked + 1 > segment.first ? acked + 1 : segment.first;
    if (out->pending_records != 0) {
        out->oldest_ns = recent_arrival(spool, oldest);
    }
    out->quarantined = spool->quarantined;
    out->retry_after_s = retry_after(spool);
    out->failed = spool->failed;
    out->full = spool->full;
    out->disk_full = spool->full && spool->no_room && spool->disk_full;
    pthread_mutex_unlock(&spool->lock);
    if (out->pending_records != 0 && out->oldest_ns == 0) {
        out->oldest_ns = peek_arrival(spool, &segment, oldest);
    }
}

uint64_t spool_last_sequence(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    uint64_t sequence = spool->durable;
    pthread_mutex_unlock(&spool->lock);
    return sequence;
}
