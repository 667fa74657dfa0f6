/* heap_peak.h: how much heap a call takes at its highest, libraries included, and (without ASan)
 * what it does when there is none. For one thread, in one source of a test program: it puts itself
 * between the program and malloc, or listens to ASan's malloc.
 */
#ifndef SIGPOST_TESTS_HEAP_PEAK_H
#define SIGPOST_TESTS_HEAP_PEAK_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int on;
    long now; /* may fall below 0: what was there before may be freed */
    long peak;
    long failing; /* how many allocations from now the one that fails is; 0: none */
} heap_peak;

static void heap_peak_add(size_t bytes)
{
    heap_peak.now += heap_peak.on != 0 ? (long)bytes : 0;
    heap_peak.peak = heap_peak.now > heap_peak.peak ? heap_peak.now : heap_peak.peak;
}

static void heap_peak_sub(size_t bytes)
{
    heap_peak.now -= heap_peak.on != 0 ? (long)bytes : 0;
}

#ifdef __SANITIZE_ADDRESS__

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static void heap_peak_on_malloc(const volatile void *p, size_t bytes)
{
    heap_peak_add(p != NULL ? bytes : 0);
}

static void heap_peak_on_free(const volatile void *p)
{
    heap_peak_sub(p != NULL && heap_peak.on != 0 ? __sanitizer_get_allocated_size(p) : 0);
}

static void heap_peak_install(void)
{
    static int installed;
    if (installed == 0) {
        installed =
            __sanitizer_install_malloc_and_free_hooks(heap_peak_on_malloc, heap_peak_on_free);
    }
}

#else

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void __libc_free(void *p);

static int heap_peak_fails(void)
{
    return heap_peak.failing > 0 && --heap_peak.failing == 0;
}

void *malloc(size_t bytes)
{
    void *p = heap_peak_fails() ? NULL : __libc_malloc(bytes);
    heap_peak_add(p != NULL ? malloc_usable_size(p) : 0);
    return p;
}

void *calloc(size_t n, size_t bytes)
{
    void *p = heap_peak_fails() ? NULL : __libc_calloc(n, bytes);
    heap_peak_add(p != NULL ? malloc_usable_size(p) : 0);
    return p;
}

/* Counted as if it always moved, as the worst case is. */
void *realloc(void *old, size_t bytes)
{
    size_t old_bytes = old != NULL ? malloc_usable_size(old) : 0;
    void *p = heap_peak_fails() ? NULL : __libc_realloc(old, bytes);
    if (p != NULL) {
        heap_peak_add(malloc_usable_size(p));
        heap_peak_sub(old_bytes);
    }
    return p;
}

void free(void *p)
{
    heap_peak_sub(p != NULL ? malloc_usable_size(p) : 0);
    __libc_free(p);
}

static void heap_peak_install(void)
{
}

#endif

static void heap_peak_start(void)
{
    heap_peak_install();
    heap_peak.now = 0;
    heap_peak.peak = 0;
    heap_peak.on = 1;
}

static size_t heap_peak_stop(void)
{
    heap_peak.on = 0;
    return (size_t)heap_peak.peak;
}

#endif
