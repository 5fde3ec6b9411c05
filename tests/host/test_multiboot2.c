/* SPDX-License-Identifier: GPL-2.0-only */
/* links: boot/multiboot2.c */
/*
 * The parser of the loader's information: what it reads, and that no length in it is believed. The
 * bytes lie in a heap block of just their size, so that the sanitizer sees a read past the end.
 */
#include "boot/multiboot2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	CMDLINE = 1,
	MODULE = 3,
	MEMORY_MAP = 6,
	FRAMEBUFFER = 8,
	ACPI_OLD = 14,
	ACPI_NEW = 15,
	UNKNOWN = 77
};

static uint8_t info[65536];
static size_t used;

static void put(const void *bytes, size_t n)
{
	assert_true(used + n <= sizeof(info));
	if (n > 0)
		memcpy(info + used, bytes, n);
	used += n;
}

static void put_u32(uint32_t value)
{
	put(&value, sizeof(value));
}

static void put_u64(uint64_t value)
{
	put(&value, sizeof(value));
}

static void begin(void)
{
	memset(info, 0, sizeof(info));
	used = 8;
}

static void put_tag(uint32_t type, const void *body, size_t n)
{
	put_u32(type);
	put_u32((uint32_t)(8 + n));
	put(body, n);
	used = ALIGN_UP(used, 8);
}

static void put_region(uint64_t base, uint64_t length, uint32_t type, size_t entry_size)
{
	size_t end = used + entry_size;

	put_u64(base);
	put_u64(length);
	put_u32(type);
	used = end;
}

/* A map of `nr` usable regions of a page each, side by side but for a hole. */
static void put_memory_map(unsigned int nr, size_t entry_size)
{
	put_u32(MEMORY_MAP);
	put_u32((uint32_t)(16 + nr * entry_size));
	put_u32((uint32_t)entry_size);
	put_u32(0);
	for (unsigned int i = 0; i < nr; i++)
		put_region(i * 0x2000ul, 0x1000, REGION_USABLE, entry_size);
	used = ALIGN_UP(used, 8);
}

static void put_module(uint32_t start, uint32_t end, const char *text)
{
	put_u32(MODULE);
	put_u32((uint32_t)(16 + strlen(text) + 1));
	put_u32(start);
	put_u32(end);
	put(text, strlen(text) + 1);
	used = ALIGN_UP(used, 8);
}

/* A framebuffer of 1024x768; RGB (type 1) has its colours behind it. */
static void put_framebuffer(uint8_t type, uint8_t bits, const char *colours, size_t n)
{
	const uint8_t form[4] = {bits, type, 0, 0};

	put_u32(FRAMEBUFFER);
	put_u32((uint32_t)(32 + n));
	put_u64(0x4fd000000);
	put_u32(4096);
	put_u32(1024);
	put_u32(768);
	put(form, sizeof(form));
	put(colours, n);
	used = ALIGN_UP(used, 8);
}

/* Parses the first `size` bytes of a copy whose head says that `total` bytes are there. */
static const char *parse(size_t size, uint32_t total, struct boot_info *out)
{
	uint8_t *copy = malloc(size ? size : 1);
	const char *error;

	memcpy(info, &total, sizeof(total));
	memcpy(copy, info, size);
	error = multiboot2_parse(copy, size, out);
	free(copy);
	return error;
}

/* Puts the end tag and parses all of it. */
static const char *finish(struct boot_info *out)
{
	put_tag(0, NULL, 0);
	return parse(used, (uint32_t)used, out);
}

static void put_everything(void)
{
	uint8_t rsdp[36];

	begin();
	put_tag(CMDLINE, "selftest=all monitor=off", 25);
	put_tag(UNKNOWN, "abcdefg", 7);
	put_memory_map(3, 24);
	put_module(0x1000, 0x2345, "my.trace");
	memset(rsdp, 'n', sizeof(rsdp));
	put_tag(ACPI_NEW, rsdp, 36);
	memset(rsdp, 'o', sizeof(rsdp));
	put_tag(ACPI_OLD, rsdp, 20);
	put_framebuffer(1, 32, "\20\10\10\7\0\6", 6);
}

static void every_tag_is_read(void **state __unused)
{
	struct boot_info boot;

	put_everything();
	assert_null(finish(&boot));
	assert_string_equal(boot.cmdline, "selftest=all monitor=off");
	assert_int_equal(boot.nr_regions, 3);
	assert_int_equal(boot.regions[2].start, 0x4000);
	assert_int_equal(boot.regions[2].end, 0x5000);
	assert_int_equal(boot.regions[2].type, REGION_USABLE);
	assert_int_equal(boot.nr_modules, 1);
	assert_int_equal(boot.modules[0].start, 0x1000);
	assert_int_equal(boot.modules[0].end, 0x2345);
	assert_string_equal(boot.modules[0].cmdline, "my.trace");
	assert_true(boot.has_rsdp);
	assert_int_equal(boot.rsdp[35], 'n'); /* the new pointer wins over the old one */
}

static void a_missing_command_line_is_an_empty_one(void **state __unused)
{
	struct boot_info boot;

	begin();
	put_memory_map(1, 24);
	assert_null(finish(&boot));
	assert_string_equal(boot.cmdline, "");
	assert_int_equal(boot.nr_modules, 0);
	assert_false(boot.has_rsdp);
}

static void a_missing_memory_map_is_named(void **state __unused)
{
	struct boot_info boot;

	begin();
	put_tag(CMDLINE, "x", 2);
	assert_string_equal(finish(&boot), "no memory map tag");
}

static void larger_entries_and_odd_regions(void **state __unused)
{
	struct boot_info boot;

	begin();
	put_u32(MEMORY_MAP);
	put_u32(16 + 3 * 40);
	put_u32(40);
	put_u32(0);
	put_region(0x1000, 0x1000, REGION_ACPI, 40);
	put_region(0x5000, 0, REGION_USABLE, 40);		     /* empty: left out */
	put_region(0xfffffffffffff000, 0x2000, REGION_RESERVED, 40); /* wraps: cut */
	assert_null(finish(&boot));
	assert_int_equal(boot.nr_regions, 2);
	assert_int_equal(boot.regions[0].type, REGION_ACPI);
	assert_true(boot.regions[1].end == UINT64_MAX);
}

static void touching_regions_of_one_type_are_joined(void **state __unused)
{
	struct boot_info boot;

	begin();
	put_u32(MEMORY_MAP);
	put_u32(16 + 4 * 24);
	put_u32(24);
	put_u32(0);
	put_region(0x1000, 0x1000, REGION_USABLE, 24);
	put_region(0x2000, 0x3000, REGION_USABLE, 24);
	put_region(0x5000, 0x1000, REGION_NVS, 24);
	put_region(0x7000, 0x1000, REGION_NVS, 24);
	assert_null(finish(&boot));
	assert_int_equal(boot.nr_regions, 3);
	assert_int_equal(boot.regions[0].start, 0x1000);
	assert_int_equal(boot.regions[0].end, 0x5000);
}

static void long_texts_are_cut_and_ended(void **state __unused)
{
	char text[3000];
	struct boot_info boot;

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	begin();
	put_memory_map(1, 24);
	put_tag(CMDLINE, text, sizeof(text));
	put_module(0, 1, text);
	assert_null(finish(&boot));
	assert_int_equal(strlen(boot.cmdline), BOOT_CMDLINE_SIZE - 1);
	assert_int_equal(strlen(boot.modules[0].cmdline), sizeof(boot.modules[0].cmdline) - 1);
}

/* Parses what put_bad put after a good memory map; the answer must be that error. */
static void expect_error(void (*put_bad)(void), const char *error)
{
	struct boot_info boot;

	begin();
	put_memory_map(1, 24);
	put_bad();
	assert_string_equal(finish(&boot), error);
}

static void text_without_end(void)
{
	put_tag(CMDLINE, "abcd", 4);
}

static void module_too_short(void)
{
	put_tag(MODULE, "abcd", 4);
}

static void module_backwards(void)
{
	put_module(2, 1, "");
}

static void module_without_end(void)
{
	put_tag(MODULE, "\0\0\0\0\1\0\0\0abc", 11);
}

static void modules_without_room(void)
{
	for (unsigned int i = 0; i <= BOOT_MAX_MODULES; i++)
		put_module(0, 1, "");
}

static void regions_without_room(void)
{
	put_memory_map(BOOT_MAX_REGIONS, 24);
}

static void map_too_short(void)
{
	put_tag(MEMORY_MAP, "abcd", 4);
}

static void map_with_small_entries(void)
{
	put_memory_map(2, 16);
}

static void map_with_half_an_entry(void)
{
	put_tag(MEMORY_MAP, "\30\0\0\0\0\0\0\0abcd", 12);
}

static void rsdp_too_short(void)
{
	put_tag(ACPI_NEW, "RSD PTR ", 8);
}

static void framebuffer_too_short(void)
{
	put_tag(FRAMEBUFFER, info, 23);
}

static void framebuffer_without_colours(void)
{
	put_framebuffer(1, 32, "\20\10\10\10\0", 5);
}

static void tag_too_small(void)
{
	put_u32(UNKNOWN);
	put_u32(7);
}

static void tag_too_large(void)
{
	put_u32(UNKNOWN);
	put_u32(0xfffffff8);
}

static void framebuffers_of_each_kind(void **state __unused)
{
	struct boot_info boot;
	const struct boot_framebuffer *screen = &boot.framebuffer;

	put_everything();
	assert_null(finish(&boot));
	assert_int_equal(screen->type, FRAMEBUFFER_RGB);
	assert_int_equal(screen->address, 0x4fd000000);
	assert_int_equal(screen->pitch, 4096);
	assert_int_equal(screen->width, 1024);
	assert_int_equal(screen->height, 768);
	assert_int_equal(screen->bits, 32);
	assert_int_equal(screen->red.position << 8 | screen->red.size, 0x1008);
	assert_int_equal(screen->green.position << 8 | screen->green.size, 0x0807);
	assert_int_equal(screen->blue.position << 8 | screen->blue.size, 0x0006);

	begin();
	put_memory_map(1, 24);
	put_framebuffer(2, 16, "", 0);
	assert_null(finish(&boot));
	assert_int_equal(screen->type, FRAMEBUFFER_TEXT);
	assert_int_equal(screen->bits, 16);
	assert_int_equal(screen->red.size, 0);

	begin();
	put_memory_map(1, 24);
	put_framebuffer(0, 8, "\2\0\0\0", 4); /* a palette */
	assert_null(finish(&boot));
	assert_int_equal(screen->type, FRAMEBUFFER_NONE);
	assert_int_equal(screen->width, 0);
}

static void each_malformed_tag_is_named(void **state __unused)
{
	expect_error(text_without_end, "command line without an end");
	expect_error(module_too_short, "module tag too short");
	expect_error(module_backwards, "module ends before it starts");
	expect_error(module_without_end, "module command line without an end");
	expect_error(modules_without_room, "more modules than there is room for");
	expect_error(regions_without_room, "more memory regions than there is room for");
	expect_error(map_too_short, "memory map tag too short");
	expect_error(map_with_small_entries, "memory map with a bad entry size");
	expect_error(map_with_half_an_entry, "memory map does not end with an entry");
	expect_error(rsdp_too_short, "ACPI root pointer tag too short");
	expect_error(framebuffer_too_short, "framebuffer tag too short");
	expect_error(framebuffer_without_colours, "framebuffer tag without its colours");
	expect_error(tag_too_small, "tag smaller than its head");
	expect_error(tag_too_large, "tag runs past the end");
}

/* Cut anywhere, with a head that tells the truth or the old size: an error, and no read outside. */
static void every_truncation_is_an_error(void **state __unused)
{
	struct boot_info boot;
	size_t whole;

	put_everything();
	assert_null(finish(&boot));
	whole = used;
	for (size_t size = 0; size < whole; size++) {
		assert_non_null(parse(size, (uint32_t)whole, &boot));
		assert_non_null(parse(size, (uint32_t)size, &boot));
	}
}

/* Each byte with each value: whatever the answer, nothing outside is touched. */
static void every_changed_byte_is_survived(void **state __unused)
{
	struct boot_info boot;

	put_everything();
	assert_null(finish(&boot));
	for (size_t at = 8; at < used; at++) {
		uint8_t was = info[at];

		for (unsigned int value = 0; value < 256; value++) {
			info[at] = (uint8_t)value;
			parse(used, (uint32_t)used, &boot);
			assert_true(boot.nr_regions <= BOOT_MAX_REGIONS);
			assert_true(boot.nr_modules <= BOOT_MAX_MODULES);
		}
		info[at] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tag_is_read),
		cmocka_unit_test(a_missing_command_line_is_an_empty_one),
		cmocka_unit_test(a_missing_memory_map_is_named),
		cmocka_unit_test(larger_entries_and_odd_regions),
		cmocka_unit_test(touching_regions_of_one_type_are_joined),
		cmocka_unit_test(long_texts_are_cut_and_ended),
		cmocka_unit_test(framebuffers_of_each_kind),
		cmocka_unit_test(each_malformed_tag_is_named),
		cmocka_unit_test(every_truncation_is_an_error),
		cmocka_unit_test(every_changed_byte_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
