/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/cmdline.c kernel/similar.c kernel/string.c */
/* flags: -Dmemcpy=k_memcpy -Dmemmove=k_memmove -Dmemset=k_memset -Dmemcmp=k_memcmp -fno-builtin */
/* flags: -Dstrlen=k_strlen -Dstrnlen=k_strnlen -Dstrcmp=k_strcmp -Dstrncmp=k_strncmp */
/* flags: -Dstrchr=k_strchr -Dstrstr=k_strstr -Dstrlcpy=k_strlcpy */
/* The command line, with the kernel's own string and number functions under it. */
#include "tests/fuzz/fuzz.h"

#include <stdarg.h>

#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "kernel/string.h"

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	char line[2048];
	va_list args;

	(void)level;
	(void)area;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = {"selftest",	     "monitor",	    "maxcpus", "cpu_ids",
					   "percpu_reserve", "percpu_unit", "seed",    "loglevel"};
	char *text = malloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	cmdline_init(text);
	free(text); /* it keeps a copy */
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = cmdline_get(keys[i]);

		FUZZ_CHECK(value == NULL || strlen(value) < 1024);
		FUZZ_CHECK(value != NULL || !cmdline_flag(keys[i]));
		FUZZ_CHECK(value != NULL || cmdline_u64(keys[i], 77) == 77);
		FUZZ_CHECK(value != NULL || cmdline_size(keys[i], 77) == 77);
	}
	cmdline_size("percpu_reserve", 1);
	cmdline_u64("seed", 1);
	return 0;
}
