/* index_page.c: see index_page.h. */
#include "gateway/index_page.h"

#include "base/clock.h"
#include "gateway/health.h"
#include "gateway/page_drawing.h"
#include "gateway/pages.h"
#include "gateway/session_cookie.h"

#define VERSIONS_MAX 5 /* shown by name */

/* What the variables borrow until the page is rendered. */
struct texts {
    struct registry_version versions[VERSIONS_MAX + 1];
    struct buf taken;
    struct buf held;
    struct buf free;
    struct buf requests;
    struct buf items;
};

static void free_texts(struct texts *texts)
{
    buf_free(&texts->taken);
    buf_free(&texts->held);
    buf_free(&texts->free);
    buf_free(&texts->requests);
    buf_free(&texts->items);
}

/* With a smaller max after a reload more may be inside than there are slots. */
static void add_places(struct page_variables *variables, const struct lobby_view *view,
                       struct texts *texts)
{
    unsigned used = view->current + view->held;
    unsigned all = used > view->max ? used : view->max;
    unsigned width, height;
    bool drawn = all <= PAGE_PLACES_MAX;
    page_add_number(variables, "held", view->held);
    page_add_number(variables, "free", all - used);
    page_add_bool(variables, "places_drawn", drawn);
    if (!drawn) {
        return;
    }
    page_places_size(all, &width, &height);
    page_draw_places(&texts->taken, 0, view->current, true);
    page_draw_places(&texts->held, view->current, view->held, false);
    page_draw_places(&texts->free, used, all - used, false);
    page_add_number(variables, "places_width", width);
    page_add_number(variables, "places_height", height);
    page_add_text(variables, "places_taken", buf_slice(&texts->taken));
    page_add_text(variables, "places_held", buf_slice(&texts->held));
    page_add_text(variables, "places_free", buf_slice(&texts->free));
}

static uint64_t highest(const uint64_t *values, size_t n)
{
    uint64_t peak = 0;
    for (size_t i = 0; i < n; i++) {
        peak = values[i] > peak ? values[i] : peak;
    }
    return peak;
}

static void add_history(struct worker *worker, struct page_variables *variables,
                        struct texts *texts)
{
    struct history_view view;
    uint64_t requests[HISTORY_MINUTES], items[HISTORY_MINUTES];
    history_look(worker->gateway->history, &view);
    for (size_t i = 0; i < view.n; i++) {
        requests[i] = view.minutes[i].requests;
        items[i] = view.minutes[i].items;
    }
    page_draw_line(&texts->requests, requests, view.n);
    page_draw_line(&texts->items, items, view.n);
    page_add_number(variables, "requests_per_minute",
                    view.n == 0 ? 0 : (int64_t)requests[view.n - 1]);
    page_add_number(variables, "items_per_minute", view.n == 0 ? 0 : (int64_t)items[view.n - 1]);
    page_add_number(variables, "peak_requests", (int64_t)highest(requests, view.n));
    page_add_number(variables, "peak_items", (int64_t)highest(items, view.n));
    page_add_number(variables, "history_minutes", (int64_t)view.n);
    page_add_text(variables, "spark_requests", buf_slice(&texts->requests));
    page_add_text(variables, "spark_items", buf_slice(&texts->items));
}

static void add_versions(struct worker *worker, struct page_variables *variables,
                         struct texts *texts)
{
    static const char *const names[VERSIONS_MAX][2] = {{"version_1", "version_1_sessions"},
                                                       {"version_2", "version_2_sessions"},
                                                       {"version_3", "version_3_sessions"},
                                                       {"version_4", "version_4_sessions"},
                                                       {"version_5", "version_5_sessions"}};
    size_t shown = 0;
    size_t rest = 0;
    size_t n = registry_versions(worker->gateway->registry, texts->versions, VERSIONS_MAX + 1);
    for (size_t i = 0; i < n; i++) {
        const struct registry_version *version = &texts->versions[i];
        if (shown < VERSIONS_MAX && strcmp(version->name, CLIENT_VERSION_OTHER) != 0) {
            page_add_text(variables, names[shown][0], slice_of(version->name));
            page_add_number(variables, names[shown][1], (int64_t)version->sessions);
            shown++;
        } else {
            rest += version->sessions;
        }
    }
    page_add_number(variables, "versions_rest_sessions", (int64_t)rest);
}

/* Destinations that keep series here, and tell of them on a scrape, are none. */
static int64_t count_collectors(const struct gateway *gateway)
{
    int64_t n = 0;
    for (size_t i = 0; i < gateway->n_destinations; i++) {
        n += gateway->destinations[i]->ops->render == NULL ? 1 : 0;
    }
    return n;
}

static void add_pipeline(struct worker *worker, struct page_variables *variables)
{
    struct pipeline pipeline;
    health_look(worker->gateway, &pipeline);
    page_add_number(variables, "destinations", (int64_t)worker->gateway->n_destinations);
    page_add_number(variables, "collectors", count_collectors(worker->gateway));
    page_add_bool(variables, "collector_ok", pipeline.collector_ok);
    page_add_bool(variables, "spool_ok", pipeline.spool_ok);
    page_add_number(variables, "spool_seconds", pipeline.oldest_s);
    page_add_number(variables, "spool_minutes", pipeline.oldest_s / 60);
    page_add_number(variables, "spool_requests", (int64_t)pipeline.n_waiting);
}

void index_page_get(struct worker *worker, h2o_req_t *req)
{
    struct page_variables variables = {.n = 0};
    struct texts texts = {.taken = BUF_INIT};
    struct lobby_view view;
    bool repeated;
    struct slice id = session_cookie_read(req, &repeated);
    lobby_look(lobby_keeper_lock(worker->gateway->lobby), id, clock_mono_ns(), &view);
    lobby_keeper_unlock(worker->gateway->lobby);
    page_add_common(worker, &variables, &view);
    page_add_number(&variables, "sessions", (int64_t)registry_count(worker->gateway->registry));
    add_places(&variables, &view, &texts);
    add_history(worker, &variables, &texts);
    add_versions(worker, &variables, &texts);
    add_pipeline(worker, &variables);
    page_reply(worker, req, 200, PAGE_INDEX, &variables);
    free_texts(&texts);
}
