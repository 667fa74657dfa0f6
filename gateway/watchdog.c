/* watchdog.c: see watchdog.h. */
#include "gateway/watchdog.h"

#include "base/clock.h"
#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define LOG_PATIENCE_S 1

static int64_t end_at;

static void *run(void *arg)
{
    (void)arg;
    for (int64_t left; (left = end_at - clock_mono_ns()) > 0;) {
        poll(NULL, 0, (int)(left / NS_PER_MS) + 1);
    }
    /* Should the log hang as well, the alarm ends us. */
    alarm(LOG_PATIENCE_S);
    LOG_ERROR("the stop was held up past server.drain_timeout, probably by the disk; ending now. "
              "What was answered 200 is on disk");
    _exit(1);
}

void watchdog_start(int64_t deadline_mono_ns)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    end_at = deadline_mono_ns + WATCHDOG_GRACE_NS;
    signal(SIGALRM, SIG_DFL);
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, run, NULL) != 0) {
        LOG_WARN("no thread for the watchdog: a disk that hangs would hold up the stop");
    }
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
