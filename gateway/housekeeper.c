/* housekeeper.c: see housekeeper.h. One poll over signals, the key sources and a one-second tick.
 */
#include "gateway/housekeeper.h"

#include "base/clock.h"
#include "gateway/bearer.h"
#include "gateway/notify.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define TICK_MS 1000
#define TELL_NS NS_PER_SECOND /* readiness says for so long why the process is about to end */

struct housekeeper {
    struct gateway *gateway;
    const char *config_path;
    int signals;
    int64_t failed_at;                  /* when the spool was seen to have failed; 0: it has not */
    char keys_problem[RESULT_TEXT_MAX]; /* why the last reload failed; empty when it did not */
};

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

void housekeeper_block_signals(void)
{
    sigset_t set = our_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is then a write that fails */
}

void housekeeper_end_on_second_signal(void)
{
    sigset_t set = our_signals();
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* A failure is told once, until it is another one or mended. */
static void reload_keys(struct housekeeper *self)
{
    struct result why = RESULT_INIT;
    bool good = keyring_reload(self->gateway->keyring, &why);
    if (!good && strcmp(why.text, self->keys_problem) != 0) {
        LOG_ERROR("keys not reloaded, the old ones stay", LOG_STR("why", why.text));
    } else if (good) {
        LOG_INFO("keys reloaded");
    }
    snprintf(self->keys_problem, sizeof(self->keys_problem), "%s", good ? "" : why.text);
    gateway_write_receipt(self->gateway);
}

static void look_at_keys(struct housekeeper *self)
{
    if (keyring_drain_watch(self->gateway->keyring)) {
        reload_keys(self);
    }
}

/* Behind gateway_replace_config: what a worker grants by the old configuration meanwhile, the
 * switch ends. */
static void apply(struct gateway *gateway, const struct config *config)
{
    log_setup(config->log.format, config->log.level);
    rate_limit_set(gateway->rate_limit, config->rate.per_address, config->rate.burst);
    rate_limit_set(gateway->session_rate, config->rate.per_session, config->rate.burst);
    registry_set_idle(gateway->registry, config->session.idle_timeout);
    lease_switch(gateway->lease, config->auth.session_lease != 0);
    lobby_keeper_set_limits(gateway->lobby, config);
}

/* The old configuration is not freed: a worker may be reading it, and reloads are rare. What needs
 * a restart still runs as the first one said. */
static void reload_config(struct housekeeper *self)
{
    struct result why = RESULT_INIT;
    struct gateway *gateway = self->gateway;
    struct config *fresh = config_load(self->config_path, environ, &why);
    if (fresh == NULL) {
        LOG_ERROR("configuration not reloaded, the old one stays", LOG_STR("why", why.text));
        return;
    }
    struct buf restart = BUF_INIT;
    config_needs_restart(gateway->configs[0], fresh, &restart);
    if (restart.len != 0) {
        LOG_WARN("these keys changed and need a restart",
                 LOG_SLICE("keys", slice_make(restart.data, restart.len)));
    }
    gateway_say_warnings(fresh, environ);
    gateway_replace_config(gateway, fresh);
    apply(gateway, fresh);
    LOG_INFO("configuration reloaded");
    buf_free(&restart);
}

static void reload_token(struct gateway *gateway)
{
    struct result why = RESULT_INIT;
    if (!bearer_reload(gateway->bearer, &why)) {
        LOG_ERROR("token not reloaded, the old one stays", LOG_STR("why", why.text));
    }
}

/* Returns true when the signal asks for a stop. */
static bool take_signal(struct housekeeper *self)
{
    struct signalfd_siginfo info;
    if (read(self->signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return false;
    }
    if (info.ssi_signo == SIGHUP) {
        notify_reloading();
        reload_config(self);
        reload_keys(self);
        reload_token(self->gateway);
        notify_ready("taking requests");
        return false;
    }
    LOG_INFO("stopping", LOG_STR("signal", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT"));
    return true;
}

static void note_history(struct gateway *gateway, int64_t now_ns)
{
    uint64_t requests, items;
    counters_totals(&gateway->counters, &requests, &items);
    history_note(gateway->history, requests, items, now_ns);
}

static void tick(struct housekeeper *self)
{
    struct gateway *gateway = self->gateway;
    int64_t now_ns = clock_mono_ns();
    log_flush(false);
    registry_expire(gateway->registry, now_ns);
    lease_expire(gateway->lease, now_ns);
    lobby_expire(lobby_keeper_lock(gateway->lobby), now_ns);
    lobby_keeper_unlock(gateway->lobby);
    note_history(gateway, now_ns);
    page_store_refresh(gateway->pages, gateway_config(gateway)->templates.dir);
    look_at_keys(self); /* events do not come from network file systems and shared folders */
    gateway_write_receipt(gateway);
}

/* The spool failed, and who asked for readiness every second has been told. */
static bool must_end(struct housekeeper *self)
{
    int64_t now = clock_mono_ns();
    if (self->failed_at == 0 && gateway_spool_failed(self->gateway)) {
        LOG_ERROR("the spool failed; stopping so that a restart can scan it");
        self->failed_at = now;
    }
    return self->failed_at != 0 && now - self->failed_at >= TELL_NS;
}

static int loop(struct housekeeper *self)
{
    int64_t next_tick = clock_mono_ns();
    struct pollfd fds[2] = {{.fd = self->signals, .events = POLLIN},
                            {.fd = keyring_watch_fd(self->gateway->keyring), .events = POLLIN}};
    for (;;) {
        poll(fds, 2, TICK_MS);
        if ((fds[1].revents & POLLIN) != 0) {
            look_at_keys(self);
        }
        if ((fds[0].revents & POLLIN) != 0 && take_signal(self)) {
            return 0;
        }
        if (must_end(self)) {
            return 1;
        }
        if (clock_mono_ns() >= next_tick) {
            next_tick = clock_mono_ns() + TICK_MS * NS_PER_MS;
            tick(self);
        }
        fds[0].revents = fds[1].revents = 0;
    }
}

int housekeeper_run(struct gateway *gateway, const char *config_path)
{
    sigset_t set = our_signals();
    struct housekeeper self = {.gateway = gateway, .config_path = config_path};
    self.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self.signals < 0) {
        LOG_ERROR("cannot watch for signals");
        return 1;
    }
    int result = loop(&self);
    close(self.signals);
    return result;
}
