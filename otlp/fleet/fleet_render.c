/* fleet_render.c: the series as Prometheus text. They are kept in order, so rendering is one pass;
 * the overflow series comes last of its metric.
 */
#include "otlp/fleet/fleet_internal.h"

#include "base/exposition.h"

static void render_series(const struct fleet_series *series, struct slice name, struct buf *out)
{
    struct exposition_label labels[FLEET_LABEL_COUNT_MAX];
    size_t n = fleet_labels_split(slice_make(series->labels, series->labels_len), labels,
                                  FLEET_LABEL_COUNT_MAX);
    double total = fleet_total_value(&series->total);
    if (n == SIZE_MAX) {
        return; /* cannot be: encoded by us, and checked when read from a snapshot */
    }
    if (series->cells != NULL) {
        exposition_histogram(out, name, labels, n, series->bounds, series->cells, series->n_bounds,
                             total);
    } else {
        exposition_sample(out, name, "", labels, n, total);
    }
}

void fleet_render(const struct fleet *f, struct buf *out)
{
    static const char *const types[FLEET_KIND_COUNT] = {
        [FLEET_COUNTER] = "counter", [FLEET_UPDOWN] = "gauge", [FLEET_HISTOGRAM] = "histogram"};
    for (size_t i = 0; i < f->counts.metrics; i++) {
        const struct fleet_family *family = f->families[i];
        if (family->n == 0 && family->overflow == NULL) {
            continue;
        }
        struct slice name = slice_of(family->name);
        exposition_family(out, name,
                          family->help[0] != '\0' ? slice_of(family->help) : (struct slice){0},
                          types[family->kind]);
        for (size_t j = 0; j < family->n; j++) {
            render_series(family->series[j], name, out);
        }
        if (family->overflow != NULL) {
            render_series(family->overflow, name, out);
        }
    }
}
