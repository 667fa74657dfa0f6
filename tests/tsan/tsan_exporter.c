/* tsan_exporter.c: an exporter under load for ThreadSanitizer: writers, a receiver that often
 * fails, readers of its status and metrics, stop and start again. Exit 0 when everything arrived.
 */
#include "tests/export_world.h"

#include <curl/curl.h>

enum { ITEMS = 3000, LIVES = 3 };

static struct fake_answer moody(void *arg, const struct fake_request *request)
{
    (void)arg;
    static const int moods[] = {200, 200, 503, 200, 0, 200, 429, 200, 500};
    int status = moods[request->number % 9];
    return (struct fake_answer){.status = status,
                                .delay_ms = request->number % 5 == 0 ? 5 : 0,
                                .how = status == 0 ? FAKE_SILENT_CLOSE : FAKE_WHOLE};
}

struct load {
    struct world *world;
    unsigned first;
    atomic_bool *done;
};

static void *write_items(void *arg)
{
    const struct load *load = arg;
    for (unsigned i = 0; i < ITEMS / LIVES / 2; i += 10) {
        world_append(load->world, load->first + i, 10, 3);
    }
    return NULL;
}

static void *look(void *arg)
{
    const struct load *load = arg;
    while (!atomic_load(load->done)) {
        struct destination_status status = world_status(load->world);
        struct buf page = BUF_INIT;
        WORLD_CHECK(status.ok == (status.problem[0] == '\0'));
        metrics_render(load->world->metrics, &page);
        buf_free(&page);
        usleep(500);
    }
    return NULL;
}

static void live(struct world *w, unsigned first)
{
    atomic_bool done = false;
    struct load loads[2] = {{w, first, &done}, {w, first + ITEMS / LIVES / 2, &done}};
    pthread_t writers[2];
    pthread_t looker;
    world_start(w);
    pthread_create(&looker, NULL, look, &loads[0]);
    for (int i = 0; i < 2; i++) {
        pthread_create(&writers[i], NULL, write_items, &loads[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(writers[i], NULL);
    }
    usleep(20000);
    atomic_store(&done, true);
    pthread_join(looker, NULL);
    world_stop(w, 5); /* most likely with requests under way */
}

int main(void)
{
    struct world w;
    WORLD_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    world_open(&w);
    world_listen(&w, 0, moody, NULL);
    for (unsigned i = 0; i < LIVES; i++) {
        live(&w, 1 + i * (ITEMS / LIVES));
    }
    world_start(&w);
    WORLD_CHECK(world_wait(&w, 1, ITEMS));
    world_close(&w);
    curl_global_cleanup();
    return 0;
}
