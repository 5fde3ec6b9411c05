/* SPDX-License-Identifier: GPL-2.0-only */
/* links: boot/multiboot2.c */
/* The parser of the loader's information: any bytes, and what an accepted structure may hold. */
#include "tests/fuzz/fuzz.h"

#include "boot/multiboot2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct boot_info out;
	void *info = fuzz_copy(data, size);
	const char *error = multiboot2_parse(info, size, &out);

	free(info);
	FUZZ_CHECK(out.nr_regions <= BOOT_MAX_REGIONS && out.nr_modules <= BOOT_MAX_MODULES);
	FUZZ_CHECK(memchr(out.cmdline, 0, sizeof(out.cmdline)) != NULL);
	for (unsigned int i = 0; i < out.nr_regions; i++)
		FUZZ_CHECK(out.regions[i].start < out.regions[i].end);
	for (unsigned int i = 0; i < out.nr_modules; i++) {
		FUZZ_CHECK(out.modules[i].start <= out.modules[i].end);
		FUZZ_CHECK(memchr(out.modules[i].cmdline, 0, sizeof(out.modules[i].cmdline)));
	}
	FUZZ_CHECK(out.framebuffer.type <= FRAMEBUFFER_TEXT);
	FUZZ_CHECK(out.framebuffer.type != FRAMEBUFFER_NONE || out.framebuffer.width == 0);
	FUZZ_CHECK(error != NULL || out.nr_regions > 0);
	return 0;
}
