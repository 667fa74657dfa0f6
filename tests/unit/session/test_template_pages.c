/* The pages that are installed and compiled in: they must compile, and say the right thing. */
#include "session/template.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct template *load(const char *name)
{
    char path[512];
    char text[16 * 1024];
    snprintf(path, sizeof(path), "%s/templates/%s", SIGPOST_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    cr_assert_lt(len, sizeof(text), "%s is meant to be small", name);
    struct result why = RESULT_INIT;
    struct template *template = template_compile(path, slice_make(text, len), &why);
    cr_assert_not_null(template, "%s", why.text);
    return template;
}

/* The page with this many of five places taken; the caller frees. */
static struct buf render(const char *name, int current)
{
    const struct template_variable variables[] = {
        {"current", TEMPLATE_NUMBER, {0}, current},
        {"max", TEMPLATE_NUMBER, {0}, 5},
        {"year", TEMPLATE_NUMBER, {0}, 2031},
        {"available", TEMPLATE_BOOL, {0}, current < 5},
    };
    struct template *template = load(name);
    struct buf out = BUF_INIT;
    template_render(template, variables, 4, &out);
    template_free(template);
    buf_cstr(&out);
    cr_assert(!out.failed);
    return out;
}

static bool has(const struct buf *page, const char *text)
{
    return strstr(page->data, text) != NULL;
}

static size_t count(const struct buf *page, const char *text)
{
    size_t n = 0;
    for (const char *at = page->data; (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

/* What holds for any page of ours: whole, and nothing fetched from elsewhere. */
static void check_page(const struct buf *page)
{
    cr_expect_eq(strncmp(page->data, "<!DOCTYPE html>\n<html lang=\"en\">", 32), 0);
    cr_expect(has(page, "</html>"));
    cr_expect(has(page, "<meta charset=\"utf-8\">"));
    cr_expect(has(page, "name=\"viewport\""));
    cr_expect(has(page, "2031"));
    cr_expect(!has(page, "{{") && !has(page, "{%") && !has(page, "}}"));
    /* The one link is the icon, whose picture is in the page; it names SVG by its namespace. */
    cr_expect_eq(count(page, "<link"), 1);
    cr_expect(has(page, "<link rel=\"icon\" href=\"data:image/svg+xml,"));
    cr_expect_eq(count(page, "http:"), 1);
    cr_expect(has(page, "xmlns='http://www.w3.org/2000/svg'"));
    cr_expect(!has(page, "https:") && !has(page, "src=") && !has(page, "@import") &&
              !has(page, "url("));
}

Test(template_pages, index_with_room_offers_to_enter)
{
    struct buf page = render("index.html", 3);
    check_page(&page);
    cr_expect(has(&page, "<strong>3</strong> of <strong>5</strong>"));
    cr_expect(has(&page, "<form action=\"/new\" method=\"post\">"));
    cr_expect(!has(&page, "/waiting"));
    buf_free(&page);
}

Test(template_pages, a_full_index_sends_to_the_waiting_page)
{
    struct buf page = render("index.html", 5);
    check_page(&page);
    cr_expect(has(&page, "href=\"/waiting\""));
    cr_expect(!has(&page, "/new"));
    buf_free(&page);
}

Test(template_pages, waiting_looks_for_a_place)
{
    struct buf page = render("waiting.html", 5);
    check_page(&page);
    cr_expect(has(&page, "All places are taken"));
    cr_expect(has(&page, "data-capacity=\"/capacity\""));
    cr_expect(has(&page, "<noscript><meta http-equiv=\"refresh\""));
    cr_expect(has(&page, " hidden><button"), "no button without a place");
    buf_free(&page);
}

Test(template_pages, waiting_with_a_place_shows_the_button)
{
    struct buf page = render("waiting.html", 4);
    check_page(&page);
    cr_expect(has(&page, "You can enter now."));
    cr_expect(has(&page, "action=\"/new\" method=\"post\""));
    cr_expect(!has(&page, " hidden><button"));
    buf_free(&page);
}
